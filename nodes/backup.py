"""A backup of the node: a folder with its store, keystore and settings, to make the same home from again.

    node.db       the store, encrypted as it is
    keystore      the private keys, sealed under the passphrase, which is not here
    node.toml     the settings; beside it root.json and tls/ with the certificate and its private key
    backup.json   what is here, with sizes and SHA-256

The running daemon makes it, since nobody else may open the store. The folder gets its name last, so a backup that has
its name is whole. Not in it: the watched folder and the evidence folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from nodes.config import DATABASE, FILE, KEYSTORE, NodeConfig, load_config
from nodes.durable import name_folder, write_durably
from nodes.keystore import Seeds, read_keystore
from nodes.store.database import Database, Tables
from schemas.errors import BadConfig, CrossbearingError, NotFound, StorageFailed, StorageFull, StorageTampered

FORMAT: Final = "crossbearing-node-backup/1"
MANIFEST: Final = "backup.json"
_DISK_FULL: Final = {28, 122}  # ENOSPC, EDQUOT
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class NodeBackup:
    """A backup whose files are those that were backed up. `size` is how far the log was known; `made` is in ms."""

    folder: Path
    agency: str
    made: int
    size: int
    bytes: int

    def as_dict(self) -> dict[str, object]:
        """As JSON-ready data."""
        return {
            "folder": str(self.folder),
            "agency": self.agency,
            "made": self.made,
            "size": self.size,
            "bytes": self.bytes,
        }


def home_files(config: NodeConfig) -> Mapping[str, Path]:
    """The files of a home besides its store, by their names in a backup."""
    hub = config.hub
    return {
        FILE: config.home / FILE,
        KEYSTORE: config.keystore,
        "root.json": config.log.root,
        "ca.pem": hub.ca,
        "node.pem": hub.certificate,
        "node.key": hub.key,
    }


async def make_backup(
    config: NodeConfig, target: Path, *, copy: Callable[[Path], Awaitable[int]], now: int
) -> NodeBackup:
    """Back the node up into the new folder `target`, all of it or nothing.

    `copy` writes the store to a path and returns the size of the checkpoint held in it. Raises BadConfig when something
    is there already, and what kept it from being made.
    """
    draft = target.with_name(f".{target.name}.part")
    try:
        await asyncio.to_thread(_begin, target, draft)
        size = await copy(draft / DATABASE)
        return await asyncio.to_thread(_finish, config, draft, target, size, now)
    except OSError as error:
        raise _named(error, target) from error
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)


def _begin(target: Path, draft: Path) -> None:
    if not target.is_absolute():
        raise BadConfig(f"{target} is no absolute path")
    if target.exists():
        raise BadConfig(f"{target} exists already", hint="Give each backup a folder of its own.")
    shutil.rmtree(draft, ignore_errors=True)  # left by a run that was killed
    draft.mkdir(mode=0o700, parents=True)


def _finish(config: NodeConfig, draft: Path, target: Path, size: int, now: int) -> NodeBackup:
    for name, path in home_files(config).items():
        write_durably(draft / name, path.read_bytes())
    files = {path.name: _measure(path) for path in sorted(draft.iterdir())}
    told = {
        "format": FORMAT,
        "agency": config.agency,
        "made": now,
        "size": size,
        "files": {name: {"bytes": length, "sha256": digest} for name, (length, digest) in files.items()},
    }
    write_durably(draft / MANIFEST, json.dumps(told, indent=1).encode() + b"\n")
    name_folder(draft, target)
    return NodeBackup(target, config.agency, now, size, sum(length for length, _ in files.values()))


def read_backup(folder: Path) -> NodeBackup:
    """Check that a backup's files are what was backed up. Raises NotFound or StorageTampered."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        if told["format"] != FORMAT:
            raise BadConfig(
                f"{folder} is a backup in another format than {FORMAT}",
                hint="Give a folder that `bearing node backup` of this version made.",
            )
        files = {str(name): (int(file["bytes"]), str(file["sha256"])) for name, file in told["files"].items()}
        backup = NodeBackup(
            folder,
            str(told["agency"]),
            int(told["made"]),
            int(told["size"]),
            sum(length for length, _ in files.values()),
        )
    except OSError as error:
        raise NotFound(
            f"{folder} is no backup: its {MANIFEST} cannot be read",
            hint="Give a folder that `bearing node backup` made.",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageTampered(f"{folder / MANIFEST} is not what a backup says of itself") from error
    if set(files) != {DATABASE, FILE, KEYSTORE, "root.json", "ca.pem", "node.pem", "node.key"}:
        raise StorageTampered(f"{folder / MANIFEST} names other files than a backup has")
    for name, expected in files.items():
        if _measure(folder / name) != expected:
            raise StorageTampered(
                f"{name} in {folder} is not the file that was backed up", hint="Restore another backup; keep this one."
            )
    return backup


def restore_home(folder: Path, home: Path, passphrase: bytes) -> NodeBackup:
    """Make the home of a node from its backup. At its next session it gets back what it lacks, as far as that is held.

    Raises BadConfig when something is there already, WrongPassphrase, and as `read_backup` and the store do.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise BadConfig(f"{home} exists and is not empty", hint="name another directory; a home is made only once")
    backup = read_backup(folder)
    seeds = read_keystore(folder / KEYSTORE, passphrase)
    draft = home.with_name(home.name + ".new")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        write_durably(draft / FILE, (folder / FILE).read_bytes())
        for name, path in home_files(load_config(draft)).items():
            if path.is_relative_to(draft):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_durably(path, (folder / name).read_bytes())
        for watched in ("watch/in", "watch/done", "watch/failed"):
            (draft / watched).mkdir(mode=0o700, parents=True)
        _mark(_copy_store(folder / DATABASE, draft / DATABASE), seeds)
        name_folder(draft, home)
    except OSError as error:
        raise _named(error, home) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return backup


def _copy_store(source: Path, target: Path) -> Path:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as store, os.fdopen(handle, "wb") as copy:
        shutil.copyfileobj(store, copy, _AT_ONCE)
        copy.flush()
        os.fsync(handle)
    return target


def _mark(path: Path, seeds: Seeds) -> None:
    """Check the store, and note in it durably that it is an older one."""
    store = Database(path, seeds.database)
    try:
        problem = store.read(lambda tables: tables.check())
        if problem is not None:
            raise StorageTampered(f"the store in the backup is damaged: {problem}")
        store.write(_lacking)
    finally:
        store.close()


def _lacking(tables: Tables) -> None:
    held = tables.held.checkpoint
    tables.held.set_recovering(held.size if held is not None else 0, 0)
    tables.pairs.retire()  # they may have been used since: fresh ones keep the count of each


def held_size(tables: Tables) -> int:
    """How far the log is known in a store."""
    held = tables.held.checkpoint
    return held.size if held is not None else 0


def _measure(path: Path) -> tuple[int, str]:
    digest, length = sha256(), 0
    try:
        with path.open("rb") as file:
            while data := file.read(_AT_ONCE):
                digest.update(data)
                length += len(data)
    except OSError as error:
        raise StorageTampered(f"{path} cannot be read: {error.strerror}") from error
    return length, digest.hexdigest()


def _named(error: OSError, target: Path) -> CrossbearingError:
    kind = StorageFull if error.errno in _DISK_FULL else StorageFailed
    return kind(f"{target} cannot be written: {os.strerror(error.errno) if error.errno else error}")
