"""The anchor of the embedded engine: the newest signed checkpoint in a file of its own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw

from broker.engines.sqlite_files import certain_failures, check_format, create, lock, open_connection
from schemas.errors import Fork, StorageFailed, StorageInDoubt

APPLICATION_ID = 0x5842_414E  # "XBAN"
SCHEMA_VERSION = 1
SCHEMA = f"""
CREATE TABLE anchor (one INTEGER PRIMARY KEY CHECK (one = 1), note BLOB NOT NULL) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


def create_anchor(path: Path) -> None:
    """Make the file of an anchor that holds nothing yet. Raises `BadConfig` when the file exists."""
    create(path, SCHEMA)


class SqliteAnchor:
    """`Anchor` in one SQLite file; compare and swap are one durable transaction."""

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
            row = next(iter(self._db.execute("SELECT note FROM anchor")), None)
        return row[0] if row else None

    def swap(self, expected: bytes | None, note: bytes) -> None:
        """See `Anchor`."""
        try:
            with self._db:
                row = next(iter(self._db.execute("SELECT note FROM anchor")), None)
                if (row[0] if row else None) != expected:
                    raise Fork("the anchor holds another checkpoint than the one last signed here")
                self._db.execute("INSERT OR REPLACE INTO anchor VALUES (1, ?)", (note,))
        except apsw.Error as error:
            raise StorageInDoubt(f"the anchor was not surely written: {error}") from error

    def close(self) -> None:
        """See `Anchor`."""
        with suppress(apsw.Error):
            self._db.close()
        os.close(self._lock)
