"""A copy of the node's encrypted file, made by the one connection that may open it, under the same key."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw

from nodes.store.connection import named_failures

PAGES = 2_560
"""Copied at a time: 10 MB."""


def copy_store(connection: apsw.Connection, key: bytes, target: Path) -> None:
    """Copy everything committed to the new file `target`, durably. Raises StorageFull or StorageFailed, OSError."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with named_failures(str(target)):
        copy = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            copy.pragma("key", "raw:" + key.hex())
            backup = copy.backup("main", connection, "main")
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


def check_store(connection: apsw.Connection) -> str | None:
    """What SQLite finds wrong with the structure of an open file, page tags included; None if it is sound."""
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone() or ("nothing was checked",)
    return None if found == "ok" else str(found)
