"""Transactions on the node's file: synchronous, one connection, several pieces of work per commit.

`Tables` is what a piece of work gets: one attribute for each subject of the store. Work is a plain function of the
tables; it must not keep them, wait for anything, or write when asked only to read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from nodes.store.alerts import Alerts
from nodes.store.attachments import Attachments
from nodes.store.connection import doubt, named_failures, open_connection, storage_error
from nodes.store.copy import check_store, copy_store
from nodes.store.deadlines import Deadlines
from nodes.store.directory import DirectoryTable
from nodes.store.events import Alarms, Events
from nodes.store.held import Held
from nodes.store.inbox import Inbox
from nodes.store.jobs import Jobs
from nodes.store.openers import Openers
from nodes.store.outbox import Outbox
from nodes.store.pairs import Pairs
from nodes.store.quarantine import Quarantine
from nodes.store.receipts import Receipts
from nodes.store.search import SearchIndex
from nodes.store.topics import Topic, Topics

T = TypeVar("T")

FOLD_AT: Final = 500
"""Pages in the write-ahead log (2 MB) from which on it is folded into the file when nothing else is to be done."""
FOLD_NOW: Final = 4_000
"""And from which on (16 MB) that is not waited for any longer. It takes some 20 ms, in which nothing is committed."""


class Tables:
    """The store's subjects, over one connection. `topics` collects what changed, to wake those who wait for it.

    `copy` and `check` are for backups, see `nodes.store.copy`.
    """

    def __init__(self, connection: apsw.Connection, copy: Callable[[Path], None]) -> None:
        self.topics: Topics = set()
        self.copy = copy
        self.check = partial(check_store, connection)
        self.held = Held(connection)
        self.events = Events(connection, self.topics)
        self.alarms = Alarms(connection, self.events)
        self.alerts = Alerts(connection)
        self.search = SearchIndex(connection)
        self.outbox = Outbox(connection, self.topics, self.events)
        self.sent = self.outbox.sent
        self.deadlines = Deadlines(connection, self.outbox.deliveries)
        self.inbox = Inbox(connection, self.topics, self.events)
        self.directory = DirectoryTable(connection, self.topics)
        self.pairs = Pairs(connection)
        self.openers = Openers(connection)
        self.receipts = Receipts(connection, self.topics)
        self.quarantine = Quarantine(connection, self.events)
        self.jobs = Jobs(connection, self.topics)
        self.attachments = Attachments(connection, self.topics)

    def forget(self) -> None:
        """What is held in memory of the tables is not what they say: something was rolled back."""
        self.pairs.forget()
        self.outbox.forget()


Work = Callable[[Tables], T]


@dataclass(frozen=True, slots=True)
class Following:
    """Work that is done only if what came before it in its transaction changed the topic; without one, in any case."""

    topic: Topic | None
    work: Work[Any]


UNTOUCHED: Final = object()
"""What became of work that had nothing to follow."""


class Database:
    """The open file. Use from one thread only.

    After a commit whose fate is unknown every further write is refused with `storage-in-doubt`; reads go on.
    """

    def __init__(self, path: Path, key: bytes, *, vfs: str | None = None) -> None:
        self._path = str(path)
        self._connection = open_connection(path, key, vfs=vfs)
        self._tables = Tables(self._connection, partial(copy_store, self._connection, key))
        self._in_doubt: Exception | None = None
        self._unfolded = 0
        self._connection.set_wal_hook(self._committed)

    def read(self, work: Work[T]) -> T:
        """Run work that only reads."""
        with named_failures(self._path):
            return work(self._tables)

    def write(self, work: Work[T]) -> T:
        """Run one piece of work in a transaction of its own; it is durable when this returns."""
        results, _ = self.write_all([work])
        result: T | Failed = results[0]
        if isinstance(result, Failed):
            raise result.error
        return result

    def write_all(self, works: Sequence[Work[Any] | Following]) -> tuple[list[Any], Topics]:
        """Run several pieces of work and commit once; what follows others comes after all of them.

        Each has a savepoint, so one that raises takes only its own changes with it. When the commit fails, all fail.
        Returns each one's result, `Failed` or `UNTOUCHED`, in order, and the topics that changed.
        """
        if self._in_doubt is not None:
            return [Failed(self._in_doubt) for _ in works], set()
        self._tables.topics.clear()
        results: list[Any] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            first = works[0]
            if not isinstance(first, Following) and all(isinstance(work, Following) for work in works[1:]):
                results.append(first(self._tables))  # alone: the transaction is its savepoint
            results.extend(self._one(work) for work in works[len(results) :])
            self._connection.execute("COMMIT")
        except apsw.IOError as error:
            self._roll_back()
            self._in_doubt = doubt(error, self._path)
            return [Failed(self._in_doubt) for _ in works], set()
        except Exception as error:
            self._roll_back()
            failure = storage_error(error, self._path) if isinstance(error, apsw.Error) else error
            return [Failed(failure) for _ in works], set()
        if self._unfolded >= FOLD_NOW:
            self.fold()
        return results, set(self._tables.topics)

    def _one(self, work: Work[Any] | Following) -> Any:
        if isinstance(work, Following):
            if work.topic is not None and work.topic not in self._tables.topics:
                return UNTOUCHED
            work = work.work
        self._connection.execute("SAVEPOINT work")
        try:
            result = work(self._tables)
        except Exception as error:
            if isinstance(error, apsw.IOError) or not self._connection.in_transaction:
                raise  # SQLite gave up the whole transaction
            self._tables.forget()
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            return Failed(storage_error(error, self._path) if isinstance(error, apsw.Error) else error)
        self._connection.execute("RELEASE work")
        return result

    def _roll_back(self) -> None:
        self._tables.forget()
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error as error:
                self._in_doubt = doubt(error, self._path)

    @property
    def wants_folding(self) -> bool:
        """Whether the write-ahead log is long enough to be folded into the file when there is time."""
        return self._unfolded >= FOLD_AT

    def fold(self) -> None:
        """Fold the write-ahead log into the file, as far as the disk lets: what was committed is durable either way."""
        self._unfolded = 0
        with suppress(apsw.Error):  # the next commit counts all of it again
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _committed(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._unfolded = pages
        return int(apsw.SQLITE_OK)

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it. What could not be folded in stays beside it, durable."""
        with named_failures(self._path):
            self._connection.close()


class Failed:
    """A piece of work that did not happen."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error
