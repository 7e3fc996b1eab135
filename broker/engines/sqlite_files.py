"""Opening an SQLite file as durable storage: settings, the lock of its one user, and how its errors are named.

Every page carries an authentication tag (ChaCha20-Poly1305 of SQLite3 Multiple Ciphers), checked whenever it is read.
So a page that the disk lost, mixed up or changed in a single bit is named, whatever it held: SQLite alone notices
damage to a page's structure, and takes any change of a value for the value. The key is public. It hides nothing, and
stops nobody who rewrites the file on purpose: that is what the log's tree and its witnesses are for.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import apsw

from schemas.errors import BadConfig, StorageFailed, StorageFull, StorageLocked, StorageTampered
from schemas.ids import sha256

PAGE_KEY = sha256(b"crossbearing hub pages: against damage, not a secret")


@contextmanager
def certain_failures() -> Iterator[None]:
    """Turn SQLite's errors inside into faults that say that nothing was kept."""
    try:
        yield
    except apsw.FullError as error:
        raise StorageFull(f"the hub's storage is full: {error}") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise StorageTampered(f"the hub's storage is damaged: {error}") from error
    except apsw.Error as error:
        raise StorageFailed(f"the hub's storage failed: {error}") from error


def tag_pages(db: apsw.Connection) -> None:
    """Have every page of a file that was just opened tagged, and checked when it is read."""
    db.pragma("key", "raw:" + PAGE_KEY.hex())


def open_connection(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """A connection to a file that exists, with WAL and an fsync at every commit.

    `vfs` names another SQLite file layer, for a rehearsal of faults; one that cannot tag pages is used without.
    """
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    with suppress(apsw.SQLError) if vfs is not None else nullcontext():
        tag_pages(db)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def create(path: Path, schema: str) -> None:
    """Make a new file with `schema`, readable by this user alone. Raises `BadConfig` when there is one already."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise BadConfig(f"{path} exists already", hint="Choose an empty directory for a new log.") from None
    with certain_failures():
        db = open_connection(path)
        try:
            db.execute(f"BEGIN; {schema} COMMIT")
        finally:
            db.close()


def check_format(db: apsw.Connection, path: Path, application_id: int, version: int) -> None:
    """Refuse a file that another program or another version of this one made. Raises `BadConfig`."""
    found = [next(iter(db.execute(f"PRAGMA {name}")))[0] for name in ("application_id", "user_version")]
    if found != [application_id, version]:
        raise BadConfig(f"{path} was not made by this version of the hub", hint="Point the hub to its own data.")


def lock(path: Path) -> int:
    """Take the lock that one process at a time holds on `path`.

    The returned descriptor keeps it, so it ends with the process however that ends. Raises `StorageLocked`.
    """
    handle = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise StorageLocked(f"another broker uses {path}") from None
    return handle
