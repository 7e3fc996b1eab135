"""witness.toml: the witness's name, where it listens, and the logs it knows with the keys it trusts for each.

Strict: an unknown table or option is refused by name. docs/spec/witness.md explains every option.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas.errors import BadCheckpoint, BadConfig
from schemas.log.note import NoteKey, parse_vkey

FILE: Final = "witness.toml"
MAX_CONFIG: Final = 4_194_304
"""Bytes of witness.toml: two thousand logs with an ML-DSA-44 key each."""

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:\s]+):([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class WitnessConfig:
    """All of witness.toml, checked, and where the parts of the home are."""

    home: Path
    name: str
    host: str
    port: int
    logs: Mapping[str, tuple[NoteKey, ...]]

    @property
    def keystore(self) -> Path:
        """The sealed private keys."""
        return self.home / "keystore"

    @property
    def state(self) -> Path:
        """The folder of checkpoints cosigned; the only thing here that must never be lost or set back."""
        return self.home / "state"

    @property
    def evidence(self) -> Path:
        """The folder of what logs signed and this witness refused."""
        return self.home / "evidence"

    @property
    def lock(self) -> Path:
        """The file a running witness holds locked."""
        return self.home / "witness.lock"


def load_config(home: Path) -> WitnessConfig:
    """Read HOME/witness.toml. Raises BadConfig naming the option at fault."""
    path = home / FILE
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
        if len(data) > MAX_CONFIG:
            raise BadConfig(f"{path} is larger than {MAX_CONFIG} bytes")
        tables = tomllib.loads(data.decode())
    except FileNotFoundError:
        raise BadConfig(
            f"{home} is not a witness's home: it has no {FILE}", hint="make one: bearing witness init"
        ) from None
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(f"{path} is not TOML: {error}") from None
    return parse_config(tables, home)


def parse_config(tables: Mapping[str, Any], home: Path) -> WitnessConfig:
    """The configuration in parsed TOML. Raises BadConfig."""
    left = dict(tables)
    name, listen, logs = left.pop("name", None), left.pop("listen", None), left.pop("logs", [])
    _nothing_left(left, FILE)
    if not isinstance(name, str) or not name:
        raise BadConfig(f"{FILE} lacks the witness's name")
    if not isinstance(listen, str):
        raise BadConfig(f"{FILE} lacks listen, such as 127.0.0.1:7490")
    if not isinstance(logs, list):
        raise BadConfig(f"logs in {FILE} is not a list of [[logs]] tables")
    host, port = parse_address(listen)
    known: dict[str, tuple[NoteKey, ...]] = {}
    for table in logs:
        origin, keys = _log(table)
        if origin in known:
            raise BadConfig(f"the log {origin} stands twice in {FILE}", hint="list all its keys in one [[logs]] table")
        known[origin] = keys
    return WitnessConfig(home, name, host, port, known)


def format_config(name: str, listen: str, logs: Mapping[str, Sequence[NoteKey]]) -> str:
    """A new witness's witness.toml; `parse_config` reads it."""
    lines = ["# What each option means: docs/spec/witness.md", f"name = {_quote(name)}", f"listen = {_quote(listen)}"]
    for origin, keys in logs.items():
        lines += ["", "[[logs]]", f"origin = {_quote(origin)}", "keys = ["]
        lines += [f"  {_quote(key.vkey)}," for key in keys]
        lines.append("]")
    return "\n".join(lines) + "\n"


def parse_address(text: str) -> tuple[str, int]:
    """The host and port of `HOST:PORT`, with brackets around an IPv6 address. Raises BadConfig."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not int(match[2]) <= 65_535:
        raise BadConfig(f"listen: {text[:80]!a} is not HOST:PORT")
    return match[1].strip("[]"), int(match[2])


def group_by_origin(keys: Sequence[NoteKey]) -> dict[str, tuple[NoteKey, ...]]:
    """The keys of each log, where every key is named after its log's origin. Raises BadConfig for a key given twice."""
    if len(set(keys)) != len(keys):
        raise BadConfig("a log key is given twice")
    return {key.name: tuple(other for other in keys if other.name == key.name) for key in keys}


def _log(table: object) -> tuple[str, tuple[NoteKey, ...]]:
    if not isinstance(table, dict):
        raise BadConfig(f"logs in {FILE} is not a list of [[logs]] tables")
    left = dict(table)
    texts, origin = left.pop("keys", None), left.pop("origin", None)
    _nothing_left(left, "[[logs]]")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadConfig("keys in [[logs]] is not a list of verifier keys")
    if not isinstance(origin, str) or not origin or "\n" in origin:
        raise BadConfig("origin in [[logs]] is not the first line of that log's checkpoints")
    try:
        keys = tuple(parse_vkey(text) for text in texts)
    except BadCheckpoint as error:
        raise BadConfig(
            f"keys of the log {origin}: {error.message}", hint="copy the whole key its keeper published"
        ) from None
    if len(set(keys)) != len(keys):
        raise BadConfig(f"keys of the log {origin}: one is given twice")
    return origin, keys


def _nothing_left(left: Mapping[str, Any], where: str) -> None:
    if left:
        raise BadConfig(f"{where} has an unknown option: {min(left)}", hint="see docs/spec/witness.md")


def _quote(text: str) -> str:
    return json.dumps(text)  # a JSON string of ASCII is a TOML basic string too
