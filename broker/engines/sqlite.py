"""The embedded engine: one SQLite file, one writer, group commit.

A block's entries, tiles, state and blobs are one transaction, made durable by one fsync of the write-ahead log
(`synchronous=FULL`). An error before COMMIT is certain to have kept nothing, and so is want of room at COMMIT. Any
other error of COMMIT may have kept everything, and is reported as doubt. A margin of free space is left untouched, so
that a disk that fills up hits neither the anchor nor the machine's own logs first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from broker.engines.port import BlockWriter, Held
from broker.engines.sqlite_block import SqliteBlock, Written
from broker.engines.sqlite_files import certain_failures, check_format, create, lock, open_connection
from broker.engines.sqlite_index import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from broker.engines.sqlite_purge import sweep
from broker.engines.sqlite_reader import SqliteReader
from broker.engines.sqlite_uploads import Uploads
from schemas.errors import StorageFailed, StorageFull, StorageInDoubt

WAL_PAGES = 4_000  # about 16 MB between checkpoints: few enough to restart fast, enough to spare the disk
CACHE_KIB = 8_192  # for each of two connections: the growing ends of all tables, and what is asked for again


def create_log(path: Path) -> None:
    """Make the file of a new, empty log. Raises `BadConfig` when the file exists."""
    create(path, SCHEMA)


class SqliteEngine(SqliteReader):
    """`Engine` on one SQLite file. Its reading methods have a connection of their own and see committed blocks only.

    `reserve` is the free disk space (bytes) below which nothing more is written, on the log's own disk and on that of
    `anchor`: a block whose head then finds no room would be in doubt. `vfs` names an SQLite file layer.
    """

    def __init__(self, path: Path, *, reserve: int = 0, anchor: Path | None = None, vfs: str | None = None) -> None:
        if not path.exists():
            raise StorageFailed(f"there is no log at {path}", hint="Run `bearing-broker init` first.")
        self._folders = {file.parent for file in (path, anchor) if file is not None}
        self._reserve = reserve
        self._lock = lock(path)
        try:
            with certain_failures():
                self._writer = open_connection(path, vfs=vfs)
                check_format(self._writer, path, APPLICATION_ID, SCHEMA_VERSION)
                self._writer.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
                self._reader = open_connection(path, vfs=vfs)
                self._reader.execute("PRAGMA query_only = 1")
                for db in (self._writer, self._reader):
                    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            os.close(self._lock)
            raise
        super().__init__(self._reader)
        self._uploads = Uploads(self._writer)
        self._written = Written()

    def close(self) -> None:
        """See `Engine`."""
        # Closing the last connection empties the write-ahead log; should that fail, the next start does it.
        with suppress(apsw.Error):
            self._reader.close()
        with suppress(apsw.Error):
            self._writer.close()
        os.close(self._lock)

    @contextmanager
    def block(self, position: int) -> Iterator[BlockWriter]:
        """See `Engine`."""
        with self._transaction():
            if (size := _size(self._writer)) != position:
                raise StorageInDoubt(f"the log has {size} entries where {position} were left")
            self._writer.execute("INSERT OR REPLACE INTO newest_block VALUES (1, ?)", (position,))
            block = SqliteBlock(self._writer, position, self._written)
            yield block
            block.flush()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if (free := self.free_bytes()) < self._reserve:
            raise StorageFull(f"{free} bytes are free where {self._reserve} are held in reserve")
        try:
            with certain_failures():
                self._writer.execute("BEGIN IMMEDIATE")
                yield
        except BaseException:
            self._written.undo()
            with suppress(apsw.Error):  # SQLite may have rolled back by itself, and nothing is committed either way
                self._writer.execute("ROLLBACK")
            raise
        try:
            self._writer.execute("COMMIT")
        except apsw.FullError as error:
            self._written.undo()
            # A frame of the write-ahead log found no room. The frame that makes a transaction valid is the last to be
            # written, so without it no restart will find this one either.
            with suppress(apsw.Error):
                self._writer.execute("ROLLBACK")
            raise StorageFull(f"the hub's storage is full: {error}") from error
        except apsw.Error as error:
            self._written.undo()
            with suppress(apsw.Error):
                self._writer.execute("ROLLBACK")
            raise StorageInDoubt(f"a commit failed and may or may not be durable: {error}") from error
        self._written.changed = False

    def sweep(self, before: int, limit: int) -> int:
        """See `Engine`."""
        with self._transaction():
            self._written.openers.clear()
            return sweep(self._writer, before, limit)

    def abandon(self, before: int, limit: int) -> int:
        """See `Engine`."""
        with self._transaction():
            return self._uploads.abandon(before, limit)

    def upload(self, owner: str, digest: bytes, offset: int, total: int, data: bytes, *, at: int = 0) -> Held:
        """See `Engine`."""
        with self._transaction():
            held, wrong = self._uploads.add(owner, digest, offset, total, data, at=at)
        if wrong is not None:
            raise wrong
        return held

    def pending_uploads(self, owner: str) -> tuple[int, int]:
        """See `Engine`."""
        row = self._row("SELECT count(*), coalesce(sum(have), 0) FROM attachment WHERE owner = ? AND used = 0", owner)
        return (row[0], row[1]) if row else (0, 0)

    def piece(self, digest: bytes, offset: int) -> tuple[bytes, int]:
        """See `Engine`."""
        total = self.attachment(digest)
        if total is None or offset >= total:
            return b"", 0
        sql = (
            "SELECT substr(data, ? - start + 1) FROM piece WHERE digest = ? AND start <= ? ORDER BY start DESC LIMIT 1"
        )
        row = self._row(sql, offset, digest, offset)
        return (row[0], total) if row else (b"", 0)

    def free_bytes(self) -> int:
        """See `Engine`."""
        disks = map(os.statvfs, self._folders)
        return min(disk.f_bavail * disk.f_frsize for disk in disks)


def _size(db: apsw.Connection) -> int:
    newest = next(iter(db.execute("SELECT max(idx) FROM entry")))[0]
    return 0 if newest is None else newest + 1
