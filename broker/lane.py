"""One thread and the queue in front of it: the most urgent goes next, and of what can be refused only so much waits.

So an alert that goes out waits for no more than the one piece of work that the thread is at, however many tiles,
bundles and attachments are asked for. One turn in eight is that of whoever waits for longest: nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, TypeVar

from schemas.errors import Overloaded

_T = TypeVar("_T")

OLDEST_EVERY: Final = 8
RETRY_MS: Final = 2_000
"""When who was refused may come again: what was waiting then is done."""


class Turn(IntEnum):
    """What work is for; the first goes first."""

    URGENT = 0
    """A block of the log; a delivery that begins with `flash` or `immediate`."""
    SESSION = 1
    """Any other delivery, and what a session needs to begin."""
    PIECES = 2
    """Attachments, a piece at a time, and the hub's chores."""
    OUTSIDE = 3
    """The log over HTTP, and evidence."""


@dataclass(order=True, slots=True)
class _Job:
    turn: int
    number: int
    work: Callable[[], Any] = field(compare=False)
    answer: asyncio.Future[Any] = field(compare=False)


class Lane:
    """Runs work on `executor`, which must have one thread; `bounds` says how much of a turn may wait."""

    def __init__(self, executor: Executor, bounds: Mapping[Turn, int] | None = None) -> None:
        self._executor = executor
        self._bounds = dict(bounds or {})
        self._jobs: list[_Job] = []
        self._count = 0
        self._served = 0
        self._busy = False

    def waiting(self, turn: Turn) -> int:
        """How much of that turn waits."""
        return sum(job.turn == turn for job in self._jobs)

    async def run(self, work: Callable[[], _T], turn: Turn) -> _T:
        """Do it on the thread; returns and raises what it does. Raises `Overloaded` when too much waits already."""
        bound = self._bounds.get(turn)
        if bound is not None and self.waiting(turn) >= bound:
            raise Overloaded(f"{bound} requests of this kind wait at the hub", retry_after=RETRY_MS)
        answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._jobs, _Job(turn, self._count, work, answer))
        if not self._busy:
            self._next()
        return await answer

    def close(self) -> None:
        """Forget what waits, and wait for the thread."""
        for job in self._jobs:
            job.answer.cancel()
        self._jobs.clear()
        self._executor.shutdown()

    def _next(self) -> None:
        while self._jobs:
            job = self._take()
            if job.answer.done():
                continue  # who asked is gone
            self._busy = True
            running = asyncio.get_running_loop().run_in_executor(self._executor, job.work)
            running.add_done_callback(lambda done, job=job: self._done(job, done))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            return
        self._busy = False

    def _take(self) -> _Job:
        self._served += 1
        if self._served % OLDEST_EVERY:
            return heapq.heappop(self._jobs)
        oldest = min(self._jobs, key=lambda job: job.number)
        self._jobs.remove(oldest)
        heapq.heapify(self._jobs)
        return oldest

    def _done(self, job: _Job, done: asyncio.Future[Any]) -> None:
        if not job.answer.done():
            if done.cancelled():
                job.answer.cancel()
            elif (error := done.exception()) is not None:
                job.answer.set_exception(error)
            else:
                job.answer.set_result(done.result())
        self._next()
