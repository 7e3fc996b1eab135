"""A copy of a log beside the hub that writes it: of one instant, and of one for which there is a signed checkpoint.

No lock is taken and the hub need not help. A reading transaction pins the log as it stands; when the anchor then holds
the checkpoint of just that size, log and checkpoint belong together, and SQLite's backup copies the pinned pages while
the hub goes on. Between a block and its checkpoint lie a few milliseconds, so a few looks are enough under any load.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import apsw

from broker.engines import sqlite_anchor
from broker.engines.port import Restoration
from broker.engines.sqlite_files import certain_failures, check_format, open_connection, tag_pages
from broker.engines.sqlite_index import APPLICATION_ID, SCHEMA_VERSION
from broker.engines.sqlite_reader import SqliteReader
from schemas.errors import NotReady, StorageFailed, StorageFull, StorageTampered
from schemas.log.checkpoint import parse_checkpoint
from schemas.log.note import parse_note

LOOKS = 2_000
PAGES = 2_560
"""Copied at a time: 10 MB, so that an interrupt is heeded."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What the anchor holds: the signed checkpoint, and how often the log was restored before."""

    note: bytes
    restorations: tuple[Restoration, ...]


def copy_signed(log: Path, anchor: Path, target: Path, *, vfs: str | None = None) -> Signed:
    """Copy the log to the new file `target`, durably; returns the anchor with the checkpoint of exactly that log.

    `vfs` names an SQLite file layer for the target. Raises `StorageFailed` where there is no log or the copy cannot be
    written, `StorageFull`, and `NotReady` for a log that is ahead of its checkpoint and stays so.
    """
    for path in (log, anchor):
        if not path.exists():
            raise StorageFailed(f"there is no {path}", hint="Give the data directory of a hub.")
    with certain_failures():
        source = open_connection(log)
        try:
            check_format(source, log, APPLICATION_ID, SCHEMA_VERSION)
            signed = _pin(source, anchor)
            _copy(source, target, vfs)
        finally:
            source.close()
    return signed


def _pin(source: apsw.Connection, anchor: Path) -> Signed:
    """Leave `source` in a reading transaction over a log whose checkpoint this returns."""
    db = open_connection(anchor)
    try:
        check_format(db, anchor, sqlite_anchor.APPLICATION_ID, sqlite_anchor.SCHEMA_VERSION)
        for _ in range(LOOKS):
            source.execute("BEGIN")
            size = SqliteReader(source).size()
            note = sqlite_anchor.read_note(db)
            if note is not None and parse_checkpoint(parse_note(note).text).size == size:
                return Signed(note, sqlite_anchor.read_restorations(db))
            source.execute("ROLLBACK")
    finally:
        db.close()
    raise NotReady(
        "the log is ahead of its signed checkpoint, as a crash can leave it",
        hint="Start the hub once, so that it signs its last block; then back up again.",
    )


def _copy(source: apsw.Connection, target: Path, vfs: str | None) -> None:
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        copy = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        try:
            tag_pages(copy)
            backup = copy.backup("main", source, "main")
            try:
                while not backup.done:
                    backup.step(PAGES)
            except apsw.Error:
                with suppress(apsw.Error):  # ending it repeats the failure
                    backup.finish()
                raise
            backup.finish()
        finally:
            copy.close()
        handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except apsw.FullError as error:
        raise StorageFull(f"there is no room for the copy of the log: {error}") from error
    except (apsw.Error, OSError) as error:
        raise StorageFailed(f"the copy of the log cannot be written: {error}") from error


@contextmanager
def frozen(path: Path) -> Iterator[SqliteReader]:
    """Read a copy of a log that nobody writes, also from a medium that cannot be written.

    Raises `StorageFailed` where there is none, `BadConfig` for a file that is none, `StorageTampered` if it is damaged.
    """
    if not path.is_file():
        raise StorageFailed(f"there is no copy of a log at {path}")
    with certain_failures():
        uri = path.absolute().as_uri() + "?immutable=1"
        db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            tag_pages(db)
            check_format(db, path, APPLICATION_ID, SCHEMA_VERSION)
            yield SqliteReader(db)
        finally:
            db.close()


def check_pages(log: SqliteReader) -> None:
    """Have SQLite check the structure of the whole file. Raises `StorageTampered`."""
    problems = log.problems()
    if problems:
        raise StorageTampered(f"the copy of the log is damaged: {problems[0]}")
