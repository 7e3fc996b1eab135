"""Makes the data directory of a new hub: its keys, its settings, and a log that begins with the directory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from broker.config import CONFIG_NAME, Address, load_config
from broker.engines.sqlite import create_log
from broker.engines.sqlite_anchor import create_anchor
from broker.genesis import begin, read_repository
from broker.hub import Clock, make_committer, open_storage
from broker.keyfiles import check_example_keys, parse_seed
from broker.recovery import restore_tree
from schemas.directory.history import DirectoryHistory
from schemas.errors import BadConfig, NotFound
from schemas.keys import SEED_SIZE, MlDsaKey, SigningKey
from schemas.log.note import ED25519, vkey

TEMPLATE = """\
# Settings of this hub. deploy/config/broker.toml explains every one of them.

[listen]
sessions = {sessions}
metrics = {metrics}

[tls]
certificate = "tls.crt"
key = "tls.key"
ca = "ca.crt"

[log]
origin = {origin}
key = "log.key"
{mldsa}file = "log.db"
anchor = "anchor.db"
root = "root.json"

[logging]
level = "info"
"""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parts of a new hub come from."""

    repository: Path
    tls_certificate: Path
    tls_key: Path
    ca: Path
    log_seed: Path
    log_mldsa_seed: Path | None = None


@dataclass(frozen=True, slots=True)
class NewHub:
    """What a new hub is called and how far its log goes."""

    origin: str
    vkey: str
    size: int
    directory: int


def make_hub(data: Path, sources: Sources, listen: Address, metrics: Address, clock: Clock) -> NewHub:
    """Make `data`, all of it or nothing. Raises `BadConfig` when something is there already, and what else is wrong."""
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BadConfig(f"{data} exists already", hint="Choose a new or an empty directory.")
    seed = parse_seed(_read(sources.log_seed), sources.log_seed)
    mldsa = sources.log_mldsa_seed
    seed_mldsa = parse_seed(_read(mldsa), mldsa) if mldsa is not None else None
    for each in (seed, seed_mldsa) if seed_mldsa is not None else (seed,):
        check_example_keys(each, _read(sources.tls_key), (listen.host,))
    draft = data.with_name(data.name + ".new")
    data.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    try:
        made = _fill(draft, sources, (seed, seed_mldsa), (listen, metrics), clock)
        with suppress(FileNotFoundError):
            data.rmdir()
        draft.rename(data)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return made


def make_log_key(path: Path, origin: str, random: Callable[[int], bytes], key_type: int = ED25519) -> str:
    """Write a fresh seed to `path`, for its owner alone, and return the key's vkey. Raises `BadConfig`."""
    seed = random(SEED_SIZE)
    public = vkey(origin, key_type, (SigningKey if key_type == ED25519 else MlDsaKey)(seed).public)
    try:
        _write(path, seed.hex().encode() + b"\n", 0o600)
    except OSError as error:
        raise BadConfig(f"{path} cannot be written: {error.strerror}") from error
    return public


def _fill(
    data: Path,
    sources: Sources,
    seeds: tuple[bytes, bytes | None],
    addresses: tuple[Address, Address],
    clock: Clock,
) -> NewHub:
    seed, seed_mldsa = seeds
    root, document = read_repository(sources.repository)
    origin = document.log.origin
    _write(data / "root.json", root, 0o644)
    _write(data / "tls.crt", _read(sources.tls_certificate), 0o644)
    _write(data / "ca.crt", _read(sources.ca), 0o644)
    _write(data / "tls.key", _read(sources.tls_key), 0o600)
    _write(data / "log.key", seed.hex().encode() + b"\n", 0o600)
    if seed_mldsa is not None:
        _write(data / "log-mldsa.key", seed_mldsa.hex().encode() + b"\n", 0o600)
    settings = TEMPLATE.format(
        sessions=json.dumps(str(addresses[0])),
        metrics=json.dumps(str(addresses[1])),
        origin=json.dumps(origin),
        mldsa='mldsa_key = "log-mldsa.key"\n' if seed_mldsa is not None else "",
    )
    _write(data / CONFIG_NAME, settings.encode(), 0o600)
    config = load_config(data)
    create_log(config.log)
    create_anchor(config.anchor)
    with open_storage(config) as storage:
        committer = make_committer(
            storage, config, clock, tree=restore_tree(storage.engine), history=DirectoryHistory(), head=None
        )
        head = begin(committer, sources.repository)
    return NewHub(origin, vkey(origin, ED25519, SigningKey(seed).public), head.size, head.directory)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
