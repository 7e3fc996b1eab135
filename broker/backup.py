"""A backup of the hub: a folder with the log, the signed checkpoint of exactly that log, and the settings.

    log.db         the log as of the checkpoint: entries, tiles, sealed bodies, openers, attachments
    checkpoint     the signed note
    broker.toml    the settings; beside it what they name: root.json, tls.crt, ca.crt
    backup.json    what is here, with sizes and SHA-256, and what is not

The private keys (log.key, log-mldsa.key, tls.key) are left out unless asked for, so that whoever gets hold of a backup
cannot sign as the log. It counts only once it was verified as it lies there: `verify_backup` trusts nothing in it but
the root metadata. The folder gets its name last, so a backup that has its name is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from broker.backup_check import Contents, check_log
from broker.config import CONFIG_NAME, Config
from broker.durable import name_folder, write_durably
from broker.engines.port import Restoration
from broker.engines.sqlite_copy import copy_signed
from schemas.errors import BadConfig, CrossbearingError, NotFound, StorageFailed, StorageFull, StorageTampered

FORMAT: Final = "crossbearing-backup/1"
MANIFEST: Final = "backup.json"
LOG: Final = "log.db"
CHECKPOINT: Final = "checkpoint"
PUBLIC: Final = (CONFIG_NAME, "root.json", "tls.crt", "ca.crt")
SECRET: Final = ("tls.key", "log.key", "log-mldsa.key")
_DISK_FULL: Final = {28, 122}  # ENOSPC, EDQUOT
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified backup. `made` is in ms; `keys` are the private keys inside; `bytes` is the size of all files.

    `restorations` are those that the log had seen by then.
    """

    folder: Path
    made: int
    contents: Contents
    keys: tuple[str, ...]
    bytes: int
    restorations: tuple[Restoration, ...]

    def as_dict(self) -> dict[str, object]:
        """As JSON-ready data."""
        c = self.contents
        return {
            "folder": str(self.folder),
            "made": self.made,
            "origin": c.checkpoint.origin,
            "size": c.checkpoint.size,
            "root": c.checkpoint.root.hex(),
            "directory": c.directory,
            "bodies": c.bodies,
            "bodies_missing": c.missing,
            "attachments": c.attachments,
            "keys": list(self.keys),
            "bytes": self.bytes,
        }


def settings_files(config: Config) -> Mapping[str, Path | None]:
    """Where the hub has each file that a backup can hold, by its name there."""
    return {
        CONFIG_NAME: config.data / CONFIG_NAME,
        "root.json": config.trusted_root,
        "tls.crt": config.tls_certificate,
        "ca.crt": config.tls_ca,
        "tls.key": config.tls_key,
        "log.key": config.log_key,
        "log-mldsa.key": config.ml_dsa_key,
    }


def make_backup(
    config: Config,
    target: Path,
    clock: Callable[[], int],
    *,
    with_keys: bool = False,
    vfs: str | None = None,
) -> Backup:
    """Back the hub up into the new folder `target`, while it runs or not; all of it, verified and durable, or nothing.

    Raises `BadConfig` when something is there already, and the fault that kept it from being made.
    """
    if target.exists():
        raise BadConfig(f"{target} exists already", hint="Give each backup a folder of its own.")
    draft = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)  # left by a run that was killed
        draft.mkdir(mode=0o700, parents=True)
        signed = copy_signed(config.log, config.anchor, draft / LOG, vfs=vfs)
        write_durably(draft / CHECKPOINT, signed.note, mode=0o600)
        for name, path in settings_files(config).items():
            if path is not None and (with_keys or name not in SECRET):
                write_durably(draft / name, read_part(path), mode=0o600)
        contents = check_log(draft / LOG, signed.note, read_part(draft / "root.json"))
        made, files = clock(), {path.name: _measure(path) for path in sorted(draft.iterdir())}
        write_durably(draft / MANIFEST, _manifest(files, contents, made, signed.restorations), mode=0o600)
        name_folder(draft, target)
    except OSError as error:
        raise write_fault(error, target) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _backup(target, made, contents, files, signed.restorations)


def verify_backup(folder: Path) -> Backup:
    """Check everything in a backup: files, pages, tree, signature, directory, bodies, attachments.

    Raises `NotFound` for what is no backup, and `StorageTampered` for one that is not what it was.
    """
    try:
        told = json.loads(read_part(folder / MANIFEST))
        if told["format"] != FORMAT:
            raise BadConfig(
                f"{folder} is a backup in another format than {FORMAT}",
                hint="Give a folder that `bearing-broker backup` of this version made.",
            )
        files = {str(name): (int(file["bytes"]), str(file["sha256"])) for name, file in told["files"].items()}
        made, size, root = int(told["made"]), int(told["size"]), str(told["root"])
        earlier = tuple(Restoration(int(time), int(at), settled=True) for time, at in told["restorations"])
    except NotFound as error:
        raise NotFound(
            f"{folder} is no backup: it has no {MANIFEST}", hint="Give a folder that `bearing-broker backup` made."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageTampered(f"{folder / MANIFEST} is not what a backup says of itself") from error
    if not set(files) <= {LOG, CHECKPOINT, *PUBLIC, *SECRET} or not set(files) >= {LOG, CHECKPOINT, *PUBLIC}:
        raise StorageTampered(f"{folder / MANIFEST} names other files than a backup has")
    for name, expected in files.items():
        if _measure(folder / name) != expected:
            raise StorageTampered(
                f"{name} in {folder} is not the file that was backed up", hint="Restore another backup; keep this one."
            )
    contents = check_log(folder / LOG, read_part(folder / CHECKPOINT), read_part(folder / "root.json"))
    if (contents.checkpoint.size, contents.checkpoint.root.hex()) != (size, root):
        raise StorageTampered(f"{folder / MANIFEST} speaks of another log than the one beside it")
    return _backup(folder, made, contents, files, earlier)


def _backup(
    folder: Path,
    made: int,
    contents: Contents,
    files: Mapping[str, tuple[int, str]],
    restorations: tuple[Restoration, ...],
) -> Backup:
    keys = tuple(name for name in SECRET if name in files)
    return Backup(folder, made, contents, keys, sum(length for length, _ in files.values()), restorations)


def _manifest(
    files: Mapping[str, tuple[int, str]], contents: Contents, made: int, restorations: tuple[Restoration, ...]
) -> bytes:
    told = {
        "format": FORMAT,
        "made": made,
        "origin": contents.checkpoint.origin,
        "size": contents.checkpoint.size,
        "root": contents.checkpoint.root.hex(),
        "directory": contents.directory,
        "restorations": [[each.time, each.size] for each in restorations],
        "files": {name: {"bytes": length, "sha256": digest} for name, (length, digest) in files.items()},
        "without": [name for name in SECRET if name not in files],
    }
    return json.dumps(told, indent=1).encode() + b"\n"


def _measure(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file. Raises `StorageTampered` when it cannot be read."""
    digest, length = sha256(), 0
    try:
        with path.open("rb") as file:
            while data := file.read(_AT_ONCE):
                digest.update(data)
                length += len(data)
    except OSError as error:
        raise StorageTampered(f"{path} cannot be read: {error.strerror}") from error
    return length, digest.hexdigest()


def read_part(path: Path) -> bytes:
    """The bytes of a small file of a backup or a hub. Raises `NotFound`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error


def write_fault(error: OSError, target: Path) -> CrossbearingError:
    """The project's name for what kept a folder from being made."""
    kind = StorageFull if error.errno in _DISK_FULL else StorageFailed
    return kind(f"{target} cannot be written: {os.strerror(error.errno) if error.errno else error}")
