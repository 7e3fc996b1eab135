"""The anchor of the embedded engine: the newest signed checkpoint, and the log's restorations, in a file of its own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw

from broker.engines.port import Restoration
from broker.engines.sqlite_files import certain_failures, check_format, create, lock, open_connection
from schemas.errors import Fork, StorageFailed, StorageInDoubt

APPLICATION_ID = 0x5842_414E  # "XBAN"
SCHEMA_VERSION = 2
SCHEMA = f"""
CREATE TABLE anchor (one INTEGER PRIMARY KEY CHECK (one = 1), note BLOB NOT NULL) STRICT;
CREATE TABLE restoration (time INTEGER PRIMARY KEY, size INTEGER NOT NULL, settled INTEGER NOT NULL) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


def create_anchor(path: Path) -> None:
    """Make the file of an anchor that holds nothing yet. Raises `BadConfig` when the file exists."""
    create(path, SCHEMA)


class SqliteAnchor:
    """`Anchor` in one SQLite file; compare and swap are one statement, which is a durable transaction by itself."""

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        if not path.exists():
            raise StorageFailed(f"there is no anchor at {path}", hint="Restore it; a log without one is not trusted.")
        self._lock = lock(path)
        try:
            with certain_failures():
                self._db = open_connection(path, vfs=vfs)
                check_format(self._db, path, APPLICATION_ID, SCHEMA_VERSION)
        except BaseException:
            os.close(self._lock)
            raise

    def read(self) -> bytes | None:
        """See `Anchor`."""
        with certain_failures():
            return read_note(self._db)

    def swap(self, expected: bytes | None, note: bytes) -> None:
        """See `Anchor`."""
        before = self._db.total_changes()
        try:
            if expected is None:
                self._db.execute("INSERT INTO anchor SELECT 1, ? WHERE NOT EXISTS (SELECT 1 FROM anchor)", (note,))
            else:
                self._db.execute("UPDATE anchor SET note = ? WHERE note = ?", (note, expected))
        except apsw.Error as error:
            raise StorageInDoubt(f"the anchor was not surely written: {error}") from error
        if self._db.total_changes() == before:
            raise Fork("the anchor holds another checkpoint than the one last signed here")

    def restorations(self) -> tuple[Restoration, ...]:
        """See `Anchor`."""
        with certain_failures():
            return read_restorations(self._db)

    def restored(self, size: int, now: int) -> Restoration:
        """See `Anchor`. Times grow, so that a node can tell a new one from those it knows."""
        earlier = self.restorations()
        time = max(now, earlier[-1].time + 1) if earlier else now
        self._write("INSERT INTO restoration VALUES (?, ?, 0)", time, size)
        return Restoration(time, size, settled=False)

    def settle(self) -> None:
        """See `Anchor`."""
        self._write("UPDATE restoration SET settled = 1")

    def _write(self, sql: str, *values: int) -> None:
        try:
            self._db.execute(sql, values)
        except apsw.Error as error:
            raise StorageInDoubt(f"the anchor was not surely written: {error}") from error

    def close(self) -> None:
        """See `Anchor`."""
        with suppress(apsw.Error):
            self._db.close()
        os.close(self._lock)


def read_note(db: apsw.Connection) -> bytes | None:
    """The newest signed checkpoint in an anchor."""
    row = next(iter(db.execute("SELECT note FROM anchor")), None)
    return row[0] if row else None


def read_restorations(db: apsw.Connection) -> tuple[Restoration, ...]:
    """See `Anchor.restorations`."""
    rows = db.execute("SELECT time, size, settled FROM restoration ORDER BY time")
    return tuple(Restoration(time, size, bool(settled)) for time, size, settled in rows)


def read_anchor(path: Path) -> bytes | None:
    """The checkpoint in the anchor of a hub that does not run. Raises as opening one does."""
    anchor = SqliteAnchor(path)
    try:
        return anchor.read()
    finally:
        anchor.close()
