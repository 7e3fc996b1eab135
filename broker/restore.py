"""A data directory made from a backup, in which nothing is signed until it is settled that nothing newer was.

The backup is older than what the hub signed when it was lost. A hub that simply went on would sign a second history. So
the anchor of the new directory says that the log was restored, and the hub that runs on it listens and reads only
(`broker.restored`). An anchor that survived, on another disk or handed over, is the first to be listened to: what it
holds goes to DATA/heard, where the hub finds it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from broker.backup import (
    CHECKPOINT,
    LOG,
    PUBLIC,
    SECRET,
    Backup,
    read_part,
    settings_files,
    verify_backup,
    write_fault,
)
from broker.committer import LogSigner
from broker.config import CONFIG_NAME, Config, load_config
from broker.durable import name_folder, sync_folder, write_durably
from broker.engines.sqlite_anchor import SqliteAnchor, create_anchor, read_anchor
from broker.engines.sqlite_copy import frozen
from broker.identity import certificate_pin
from broker.keyfiles import read_seed
from broker.recovery import restore_history
from broker.restored import HEARD
from schemas.errors import BadConfig, NotFound
from schemas.keys import SigningKey

_ASIDE = "before-restore-"
_OPTIONS = {"log.key": "--log-seed", "log-mldsa.key": "--log-mldsa-seed", "tls.key": "--tls-key"}


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored; `anchor` is whether one survived, whose checkpoint the hub now knows of."""

    data: Path
    backup: Backup
    anchor: bool


def restore_hub(
    folder: Path,
    data: Path,
    clock: Callable[[], int],
    *,
    keys: Mapping[str, Path] | None = None,
    anchor: Path | None = None,
) -> Restored:
    """Make the data directory `data` from the backup in `folder`, all of it or nothing.

    `keys` are private keys by their names in a backup, for those it does not hold; `anchor` is the one that survived.
    Raises `BadConfig` when something is there already or a key is missing or another's, and as `verify_backup` does.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BadConfig(f"{data} exists already", hint="Restore into a new or an empty directory.")
    backup = verify_backup(folder)
    draft = data.with_name(data.name + ".new")
    try:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, draft, ignore_errors=True)
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700, parents=True)
            config, survived = _fill(draft, backup, keys or {}, anchor, undo)
            _make_anchor(config, backup, clock(), undo)
            sync_folder(config.log.parent)
            sync_folder(config.anchor.parent)
            name_folder(draft, data)
            undo.pop_all()
    except OSError as error:
        raise write_fault(error, data) from error
    return Restored(data, backup, survived)


def _fill(
    draft: Path, backup: Backup, keys: Mapping[str, Path], anchor: Path | None, undo: ExitStack
) -> tuple[Config, bool]:
    write_durably(draft / CONFIG_NAME, read_part(backup.folder / CONFIG_NAME), mode=0o600)
    config = load_config(draft)
    for name, path in settings_files(config).items():
        if path is not None and name != CONFIG_NAME:
            _place(draft, name, path, _source(backup, name, keys))
    if config.log.exists():
        raise BadConfig(f"{config.log} exists already", hint="Move it away: it may hold what the backup lacks.")
    undo.callback(config.log.unlink, missing_ok=True)
    with (backup.folder / LOG).open("rb") as log, config.log.open("xb") as copy:
        shutil.copyfileobj(log, copy, 1 << 20)
    config.log.chmod(0o600)
    with config.log.open("rb+") as copy:
        os.fsync(copy.fileno())
    _check_keys(config)
    return config, _keep_anchors(draft, config, anchor, undo)


def _source(backup: Backup, name: str, keys: Mapping[str, Path]) -> Path | None:
    if name in keys:
        return keys[name]
    return backup.folder / name if name in PUBLIC or name in backup.keys else None


def _place(draft: Path, name: str, path: Path, source: Path | None) -> None:
    """Put a file where the settings want it; one outside of the data directory that is there stays as it is."""
    outside = not path.is_relative_to(draft.resolve())
    if outside and path.exists():
        return
    if source is None:
        raise BadConfig(
            f"the backup does not hold {name}",
            hint=f"It was kept apart: give it with {_OPTIONS.get(name, 'its option')}.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, read_part(source), mode=0o600 if name in SECRET else 0o644)


def _check_keys(config: Config) -> None:
    """Refuse keys that the restored directory does not list: the hub could not serve with them."""
    signer = LogSigner(config.origin, SigningKey(read_seed(config.log_key)), certificate_pin(config.tls_certificate))
    with frozen(config.log) as log:
        signer.check_directory(restore_history(log, config.trusted_root.read_bytes()).latest)


def _keep_anchors(draft: Path, config: Config, given: Path | None, undo: ExitStack) -> bool:
    """Keep the checkpoints of anchors that survived, and make room for the new one. None is ever overwritten."""
    if given is not None and not given.exists():
        raise NotFound(f"there is no anchor at {given}")
    aside = sorted(config.anchor.parent.glob(f"{_ASIDE}*-{config.anchor.name}"))
    survived = [path for path in (given, config.anchor, *aside) if path is not None and path.exists()]
    for number, path in enumerate(survived):
        if (note := read_anchor(path)) is not None:
            (draft / HEARD).mkdir(mode=0o700, exist_ok=True)
            write_durably(draft / HEARD / (f"anchor-{number}" if number else "anchor"), note, mode=0o600)
    taken = {path.name.removeprefix(_ASIDE).partition("-")[0] for path in aside}
    prefix = next(f"{_ASIDE}{number}-" for number in count(1) if str(number) not in taken)
    for file in sorted(config.anchor.parent.glob(config.anchor.name + "*")):
        moved = file.with_name(prefix + file.name)
        undo.callback(_move_back, moved, file)
        file.rename(moved)
    return bool(survived)


def _move_back(moved: Path, file: Path) -> None:
    if moved.exists():
        moved.rename(file)


def _make_anchor(config: Config, backup: Backup, now: int, undo: ExitStack) -> None:
    for end in ("", "-wal", "-shm", ".lock"):
        undo.callback(config.anchor.with_name(config.anchor.name + end).unlink, missing_ok=True)
    create_anchor(config.anchor)
    anchor = SqliteAnchor(config.anchor)
    try:
        anchor.swap(None, read_part(backup.folder / CHECKPOINT))
        for earlier in backup.restorations:
            anchor.restored(earlier.size, earlier.time)
        anchor.settle()
        anchor.restored(backup.contents.checkpoint.size, now)
    finally:
        anchor.close()
