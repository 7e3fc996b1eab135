"""node.toml: which agency this node is, which hub it calls, which log it trusts, and what it does by itself.

Strict: an unknown table or option is refused by name. Relative paths are taken from the node's home.
deploy/config/node.toml explains every option.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from nodes.handlers.settings import HandlerSettings, parse_handlers
from schemas.errors import BadConfig, CrossbearingError
from schemas.ids import check_agency_id
from schemas.log.note import NoteKey, parse_vkey

FILE: Final = "node.toml"
KEYSTORE: Final = "keystore"
DATABASE: Final = "node.db"
SOCKET: Final = "node.sock"
LOCK: Final = "node.lock"
EVIDENCE: Final = "evidence"
MAX_CONFIG: Final = 262_144  # bytes
_PIN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HubSettings:
    """How to reach the hub: its WebSocket address, the SHA-256 of its certificate's key, and our own certificate."""

    url: str
    host: str
    pin: bytes
    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What to trust from the start: the log's verifier key, and the first root metadata of its directory."""

    key: NoteKey
    root: Path

    @property
    def origin(self) -> str:
        """The log's name; its key signs under it."""
        return self.key.name


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """The watched folder."""

    enabled: bool
    folder: Path


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """All of node.toml, checked."""

    home: Path
    agency: str
    hub: HubSettings
    log: LogSettings
    watch: WatchSettings
    handlers: tuple[HandlerSettings, ...]

    @property
    def keystore(self) -> Path:
        """The keystore file."""
        return self.home / KEYSTORE

    @property
    def database(self) -> Path:
        """The encrypted database."""
        return self.home / DATABASE

    @property
    def socket(self) -> Path:
        """The local API's Unix socket."""
        return self.home / SOCKET

    @property
    def lock(self) -> Path:
        """The file a running daemon holds locked."""
        return self.home / LOCK

    @property
    def evidence(self) -> Path:
        """Where proof of a misbehaving log is kept."""
        return self.home / EVIDENCE


def load_config(home: Path) -> NodeConfig:
    """Read HOME/node.toml. Raises BadConfig naming the option at fault."""
    path = home / FILE
    try:
        data = path.read_bytes()
        if len(data) > MAX_CONFIG:
            raise BadConfig(f"{path} is larger than {MAX_CONFIG} bytes")
        tables = tomllib.loads(data.decode())
    except FileNotFoundError:
        raise BadConfig(f"{home} is not a node's home: it has no {FILE}", hint="make one: bearing node init") from None
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(f"{path} is not TOML: {error}") from None
    return parse_config(tables, home)


def parse_config(tables: Mapping[str, Any], home: Path) -> NodeConfig:
    """The configuration in parsed TOML. Raises BadConfig."""
    top = _Table(tables, "node.toml")
    agency = top.text("agency")
    try:
        check_agency_id(agency)
    except CrossbearingError as error:
        raise BadConfig(f"agency: {error.message}") from None
    hub, log, watch = top.table("hub"), top.table("log"), top.table("watch", optional=True)
    handlers = parse_handlers(top.value("handlers", []), home=home)
    top.done()
    return NodeConfig(home, agency, _hub(hub, home), _log(log, home), _watch(watch, home), handlers)


def hub_address(url: str) -> str:
    """The host in a hub's WebSocket address. Raises BadConfig unless it is wss, with a host and no credentials."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "wss" or not host or port == 0 or parts.username is not None or parts.fragment or parts.query:
        raise BadConfig(
            f"hub.url {url!r} is not an address such as wss://hub.example:7443/session",
            hint="ask the hub's operator for its WebSocket address; only TLS (wss) is spoken",
        )
    return host


def parse_pin(text: str) -> bytes:
    """A pin in hex. Raises BadConfig."""
    if not _PIN.fullmatch(text):
        raise BadConfig("hub.pin is not the SHA-256 of a certificate key in 64 lower-case hex digits")
    return bytes.fromhex(text)


def format_config(agency: str, *, url: str, pin: bytes, log_vkey: str) -> str:
    """A new node's node.toml; `parse_config` reads it."""
    return f"""\
# What each option means: deploy/config/node.toml
agency = {_quote(agency)}

[hub]
url = {_quote(url)}
pin = {_quote(pin.hex())}
ca = "tls/ca.pem"
certificate = "tls/node.pem"
key = "tls/node.key"

[log]
key = {_quote(log_vkey)}
root = "root.json"

[watch]
enabled = true
folder = "watch"
"""


def _quote(text: str) -> str:
    return json.dumps(text)  # a JSON string of ASCII is a TOML basic string too


def _hub(table: _Table, home: Path) -> HubSettings:
    url = table.text("url")
    settings = HubSettings(
        url=url,
        host=hub_address(url),
        pin=parse_pin(table.text("pin")),
        ca=table.path("ca", home),
        certificate=table.path("certificate", home),
        key=table.path("key", home),
    )
    table.done()
    return settings


def _log(table: _Table, home: Path) -> LogSettings:
    try:
        key = parse_vkey(table.text("key"))
    except CrossbearingError as error:
        raise BadConfig(
            f"log.key: {error.message}", hint="copy the whole key that the hub's operator published"
        ) from None
    settings = LogSettings(key, table.path("root", home))
    table.done()
    return settings


def _watch(table: _Table, home: Path) -> WatchSettings:
    enabled = table.value("enabled", True)
    if not isinstance(enabled, bool):
        raise BadConfig("watch.enabled is neither true nor false")
    settings = WatchSettings(enabled, table.path("folder", home, default="watch"))
    table.done()
    return settings


class _Table:
    """Reads one TOML table option by option."""

    def __init__(self, values: Mapping[str, Any], name: str) -> None:
        self._left = dict(values)
        self._name = name

    def text(self, option: str, default: str | None = None) -> str:
        value = self._left.pop(option, default)
        if value is None:
            raise BadConfig(f"{self._name} lacks {option}")
        if not isinstance(value, str) or not value:
            raise BadConfig(f"{option} in {self._name} is not a text")
        return value

    def path(self, option: str, home: Path, default: str | None = None) -> Path:
        return home / self.text(option, default)

    def table(self, option: str, *, optional: bool = False) -> _Table:
        value = self._left.pop(option, {} if optional else None)
        if not isinstance(value, dict):
            raise BadConfig(f"{self._name} lacks the table [{option}]")
        return _Table(cast("dict[str, Any]", value), f"[{option}]")

    def value(self, option: str, default: object) -> object:
        return self._left.pop(option, default)

    def done(self) -> None:
        if self._left:
            raise BadConfig(
                f"{self._name} has an unknown option: {min(self._left)}", hint="see deploy/config/node.toml"
            )
