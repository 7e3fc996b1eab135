"""Open the node's encrypted SQLite file and name its failures.

The file is encrypted page by page (SQLite3 Multiple Ciphers, ChaCha20-Poly1305) under the keystore's random database
key, so the write-ahead log on disk is ciphertext too. The key is already 32 uniform bytes, so it is given raw: a
password derivation on top would only cost start-up time.

The lock is exclusive: a second process that opens the same file is refused with `storage-locked`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from nodes.store.schema import MIGRATIONS
from schemas.errors import (
    CrossbearingError,
    StorageFailed,
    StorageFull,
    StorageInDoubt,
    StorageLocked,
    StorageTampered,
)

KEY_BYTES = 32
_PLAIN_MAGIC = b"SQLite format 3\0"


def storage_error(error: apsw.Error, path: str) -> CrossbearingError:
    """The project's name for one of SQLite's failures."""
    if isinstance(error, apsw.FullError):
        return StorageFull(f"no space left for {path}", hint="free space on this disk; nothing was half written")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StorageLocked(f"{path} is in use by another process", hint="stop the other daemon on this home first")
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return StorageTampered(
            f"{path} does not open under this keystore's key, or was altered",
            hint="restore the node's home from a backup made together with its keystore",
        )
    return StorageFailed(f"{path}: {error}", hint="look at the disk and the system log, then restart the node")


def doubt(error: apsw.Error, path: str) -> CrossbearingError:
    """A commit that failed with an input/output error: nobody knows whether the disk has it."""
    return StorageInDoubt(
        f"{path}: a commit failed and may or may not be on the disk ({error})",
        hint="restart the node: it reads what the disk really holds and goes on from there",
    )


@contextmanager
def named_failures(path: str) -> Iterator[None]:
    """Turn SQLite's exceptions into the project's."""
    try:
        yield
    except apsw.Error as error:
        raise storage_error(error, path) from error


def open_connection(path: Path, key: bytes, *, vfs: str | None = None) -> apsw.Connection:
    """Open (or create) the encrypted file at `path` and bring its tables up to date.

    `vfs` names another SQLite file layer, for a rehearsal of faults; only the default one encrypts.
    Raises StorageLocked, StorageTampered, StorageFull or StorageFailed.
    """
    if len(key) != KEY_BYTES:
        raise StorageFailed(f"a database key has {KEY_BYTES} bytes, not {len(key)}")
    name = str(path)
    fresh = not path.exists()
    with named_failures(name):
        connection = apsw.Connection(name, vfs=vfs)
        try:
            if vfs is None:
                connection.pragma("key", "raw:" + key.hex())
            connection.pragma("locking_mode", "exclusive")
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            connection.pragma("foreign_keys", True)
            connection.pragma("temp_store", "memory")
            connection.pragma("wal_autocheckpoint", 0)  # `nodes.store.database` says when
            connection.pragma("cache_size", -2048)  # 2 MiB: dozens of nodes share a machine in an exercise
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
    if fresh:
        path.chmod(0o600)
    if vfs is None:
        refuse_plain(path, connection)
    return connection


def _migrate(connection: apsw.Connection) -> None:
    """Apply the migrations this file has not seen, each in a transaction of its own."""
    version = connection.pragma("user_version")
    if version > len(MIGRATIONS):
        raise StorageFailed(
            f"the store was written by a newer version (schema {version}, this program knows {len(MIGRATIONS)})",
            hint="run the version that wrote it, or a newer one",
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(script)
            connection.pragma("user_version", number)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def refuse_plain(path: Path, connection: apsw.Connection) -> None:
    """Never go on with a file that is readable without its key."""
    connection.wal_checkpoint()
    with path.open("rb") as file:
        start = file.read(len(_PLAIN_MAGIC))
    if start == _PLAIN_MAGIC:
        connection.close()
        raise StorageFailed(
            f"{path} is not encrypted", hint="this build of SQLite lacks encryption: install apsw-sqlite3mc, not apsw"
        )
