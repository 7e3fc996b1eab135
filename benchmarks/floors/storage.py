"""Making 2 KiB durable: in a file, and as a row of SQLite, plain and encrypted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import apsw

from benchmarks.floors.timing import Floor, processor, real

ROW = os.urandom(2_048)


def floors(folder: Path) -> Iterator[Floor]:
    """Each floor in turn, on the disk of `folder`."""
    for name, sync in (("fsync", os.fsync), ("fdatasync", os.fdatasync)):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        yield real(name, f"append 2 KiB, {name}", partial(_append, file, sync))
        os.close(file)
    for name, key in (("plain", None), ("encrypted", os.urandom(32).hex())):
        connection = apsw.Connection(str(folder / f"{name}.db"))
        if key is not None:
            connection.pragma("key", "raw:" + key)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, data BLOB)")
        ids = count()
        told = f"SQLite, WAL, FULL, {name}: commit of a row of 2 KiB"
        yield real(f"commit {name}", told, partial(_commit, connection, ids, 1))
        yield processor(f"commit {name} cpu", f"{told}, its processor time", partial(_commit, connection, ids, 1))
        yield processor(
            f"row {name} cpu",
            f"SQLite, WAL, FULL, {name}: one of 100 such rows in a commit, its processor time",
            partial(_commit, connection, ids, 100),
            parts=100,
        )
        connection.close()


def _append(file: int, sync: Callable[[int], None]) -> None:
    os.write(file, ROW)
    sync(file)


def _commit(connection: apsw.Connection, ids: Iterator[int], rows: int) -> None:
    with connection:
        connection.executemany("INSERT INTO kept VALUES (?, ?)", ((next(ids), ROW) for _ in range(rows)))
