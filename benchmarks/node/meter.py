"""What a node spends that has this process for itself, less what its scripted hub does in the same thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from nodes.store.store import Store


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one alert, delivery or receipt: µs of processor time of the main thread and of all others, which is the
    store's; pages written to the store, and commits."""

    main: float
    store: float
    pages: float
    commits: float

    @property
    def cpu(self) -> float:
        """µs of all threads."""
        return self.main + self.store


@dataclass(frozen=True, slots=True)
class Reading:
    """Processor seconds of the main thread and of all others; pages and commits."""

    main: float
    others: float
    pages: int
    commits: int


class Meter:
    """Reads clocks, and SQLite's counters of a store that is open in this process, at `file`."""

    def __init__(self, store: Store, file: Path) -> None:
        self._store = store
        (self._connection,) = [each for each in apsw.connections() if Path(each.filename) == file]
        self._connection.set_commit_hook(self._committing)
        self._commits = 0
        self._aside = 0.0

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done meanwhile, in this thread and without waiting, is not the node's."""
        started = time.thread_time()
        try:
            yield
        finally:
            self._aside += time.thread_time() - started

    async def read(self) -> Reading:
        """All there was until now, once the store has done what it was asked for."""
        pages = await self._store.read(lambda _: self._connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)[0])
        main, everything = time.thread_time(), time.process_time()
        return Reading(main - self._aside, everything - main, pages, self._commits)

    async def since(self, before: Reading, count: int) -> Cost:
        """What one of `count` cost since then."""
        now = await self.read()
        return Cost(
            (now.main - before.main) / count * 1e6,
            (now.others - before.others) / count * 1e6,
            (now.pages - before.pages) / count,
            (now.commits - before.commits) / count,
        )

    def _committing(self) -> bool:
        self._commits += 1
        return False  # let it be committed
