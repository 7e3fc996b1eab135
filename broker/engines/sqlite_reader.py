"""Reading the log from an SQLite file: the engine's committed blocks, and the log of a hub that may be running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.engines.sqlite_files import certain_failures, check_format, open_connection
from broker.engines.sqlite_index import APPLICATION_ID, SCHEMA_VERSION, SqliteIndex
from schemas.errors import StorageFailed

TILE_LEVEL_SHIFT = 56
"""A tile's key is its level and its index in one integer."""


class SqliteReader(SqliteIndex):
    """The reading half of `Engine` on one connection."""

    def size(self) -> int:
        """See `Engine`."""
        row = self._row("SELECT max(idx) FROM entry")
        return 0 if row is None or row[0] is None else row[0] + 1

    def last_block(self) -> int:
        """See `Engine`."""
        row = self._row("SELECT start FROM newest_block")
        return row[0] if row else 0

    def entries(self, start: int, stop: int) -> list[bytes]:
        """See `Engine`."""
        rows = self._rows("SELECT data FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", start, stop)
        return [data for (data,) in rows]

    def tile(self, level: int, index: int) -> bytes | None:
        """See `Engine`."""
        row = self._row("SELECT data FROM tile WHERE key = ?", level << TILE_LEVEL_SHIFT | index)
        return row[0] if row else None

    def body(self, index: int) -> bytes | None:
        """See `Engine`."""
        row = self._row("SELECT data FROM body WHERE idx = ?", index)
        return row[0] if row else None

    def blob(self, digest: bytes) -> bytes | None:
        """See `Engine`."""
        row = self._row("SELECT data FROM blob WHERE digest = ?", digest)
        return row[0] if row else None

    def held(self, after: int, limit: int) -> list[int]:
        """Indexes above `after` of alerts whose body was not deleted, in order, at most `limit`."""
        sql = "SELECT idx FROM alert WHERE idle_since IS NOT NULL AND idx > ? ORDER BY idx LIMIT ?"
        return [index for (index,) in self._rows(sql, after, limit)]

    def attachments(self) -> list[tuple[bytes, int]]:
        """Digest and size of every attachment that alerts name and that was not deleted, whole or not."""
        sql = (
            "SELECT DISTINCT u.digest, coalesce(a.total, 0) FROM attachment_use u JOIN alert USING (idx) "
            "LEFT JOIN attachment a ON a.digest = u.digest WHERE idle_since IS NOT NULL AND coalesce(a.used, 1) < 2"
        )
        return [(digest, total) for digest, total in self._rows(sql)]

    def openers(self) -> list[bytes]:
        """The ids of all openers known."""
        return [identity for (identity,) in self._rows("SELECT id FROM opener")]

    def pieces(self, digest: bytes) -> Iterator[bytes]:
        """The bytes of an attachment, as far as they are held, piece by piece."""
        for (key,) in self._rows("SELECT key FROM piece WHERE digest = ? ORDER BY start", digest):
            row = self._row("SELECT data FROM piece WHERE key = ?", key)
            yield row[0] if row else b""

    def problems(self) -> list[str]:
        """What SQLite finds wrong with the file; nothing, if it is sound."""
        return [str(text) for (text,) in self._rows("PRAGMA integrity_check(1)") if text != "ok"]


@contextmanager
def reading(path: Path) -> Iterator[SqliteReader]:
    """Read a log beside the hub that writes it, if one does: no lock is taken, and nothing can be written.

    Raises `StorageFailed` where there is no log, and `BadConfig` for a file that is none.
    """
    if not path.exists():
        raise StorageFailed(f"there is no log at {path}", hint="Run `bearing-broker init` first.")
    with certain_failures():
        db = open_connection(path)
    try:
        check_format(db, path, APPLICATION_ID, SCHEMA_VERSION)
        db.execute("PRAGMA query_only = 1")
        yield SqliteReader(db)
    finally:
        db.close()
