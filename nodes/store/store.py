"""The store as the rest of the node sees it: asynchronous, all SQLite work on one thread, commits shared.

    alert = await store.read(lambda t: t.alerts.find("9f3c"))
    await store.write(lambda t: t.outbox.add(alert, recipients=recipients, now=now))

Whatever waits when the thread is free goes to it at once and shares a commit, so a burst costs few fsyncs and a single
write costs one. `write` returns only when its work is durable; nothing is to be shown or answered before. Whoever has
something to do about what others write can do it in the same commit: `follow`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nodes.store.database import UNTOUCHED, Database, Failed, Following, Tables
from nodes.store.thread import OwnThread, WorkThread
from nodes.store.topics import Topic, Topics
from schemas.errors import ShuttingDown

T = TypeVar("T")

_BATCH = 256  # pieces of work in one commit: bounds how long the first of them waits


@dataclass(slots=True)
class _Job:
    work: Callable[[Tables], Any]
    writes: bool
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Follower:
    """Does work after that of others which changes `topic`, or after any if that is None, in the same commit.

    `prepare` gives the work, or None to leave it out, when a batch begins; `done` is told what it gave, or `Failed`,
    when that is durable and before the next batch begins. Both are called on the event loop and must not raise.
    """

    topic: Topic | None
    prepare: Callable[[], Callable[[Tables], Any] | None]
    done: Callable[[Any], None]


_Following = list[tuple[Follower, Any]]
_Outcome = tuple[list[tuple[_Job, Any]], Topics, _Following]


class Store:
    """One node's durable state. Use it from one event loop; close it when done."""

    def __init__(self, path: Path, key: bytes, *, vfs: str | None = None, thread: WorkThread | None = None) -> None:
        """Open the file. Raises StorageLocked, StorageTampered, StorageFull, StorageFailed.

        `thread` stands in for a thread of the store's own where time is not to pass by itself.
        """
        self._database = Database(path, key, vfs=vfs)
        self._thread = thread or OwnThread("node-store")
        self._jobs: deque[_Job] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._revisions: dict[Topic, int] = {}
        self._waiters: dict[Topic, dict[asyncio.Future[None], None]] = {}  # in order of their coming
        self._followers: list[Follower] = []

    async def read(self, work: Callable[[Tables], T]) -> T:
        """Run work that only reads, on committed data."""
        return await self._submit(work, writes=False)

    async def write(self, work: Callable[[Tables], T]) -> T:
        """Run work in a transaction; durable when this returns. What the work raises is raised here, rolled back.

        Raises StorageFull (nothing written; later writes may succeed) or StorageInDoubt (unknown; restart the node).
        """
        return await self._submit(work, writes=True)

    @contextmanager
    def follow(self, follower: Follower) -> Iterator[None]:
        """Have the follower do its part as long as this lasts; what is under way at the end is not told any more."""
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)

    def revision(self, topic: Topic) -> int:
        """How often `topic` changed since the store was opened: take it before looking, then `wait` for a change."""
        return self._revisions.get(topic, 0)

    async def wait(self, topic: Topic, seen: int) -> int:
        """Return the topic's revision as soon as it is not `seen`."""
        while self.revision(topic) == seen:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiters = self._waiters.setdefault(topic, {})
            waiters[future] = None
            try:
                await future
            finally:
                waiters.pop(future, None)
        return self.revision(topic)

    async def close(self) -> None:
        """Finish what was submitted, then close the file. Later calls are refused with `shutting-down`."""
        if not self._closed:
            self._closed = True
            await self._idle.wait()
            closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._thread.run(self._database.close, partial(_answer, closing))
            try:
                await closing
            finally:
                self._thread.end()

    def _submit(self, work: Callable[[Tables], T], *, writes: bool) -> asyncio.Future[T]:
        if self._closed:
            raise ShuttingDown("the node's store is closed", hint="start the node again")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(work, writes, future))
        if self._idle.is_set():
            self._start()
        return future

    def _start(self) -> None:
        """Hand what waits to the thread."""
        self._idle.clear()
        batch = [self._jobs.popleft() for _ in range(min(_BATCH, len(self._jobs)))]
        following: _Following = []
        if any(job.writes for job in batch):
            prepared = [(follower, follower.prepare()) for follower in self._followers]
            following = [(follower, work) for follower, work in prepared if work is not None]
        self._thread.run(partial(self._run, batch, following), partial(self._done, batch))

    # On the store's own thread ------------------------------------------------------------------------------------

    def _run(self, batch: Sequence[_Job], following: _Following) -> _Outcome:
        """All writes in one commit, with what follows them, then the reads, which see them."""
        writes = [job for job in batch if job.writes]
        outcomes: list[tuple[_Job, Any]] = []
        topics: Topics = set()
        followed: _Following = []
        if writes:
            works = [Following(follower.topic, work) for follower, work in following]
            results, topics = self._database.write_all([*(job.work for job in writes), *works])
            outcomes.extend(zip(writes, results[: len(writes)], strict=True))
            if not _all_failed(results):  # else whoever wrote is told, and there is nothing to follow
                done = zip(following, results[len(writes) :], strict=True)
                followed = [(follower, outcome) for (follower, _), outcome in done if outcome is not UNTOUCHED]
        outcomes.extend((job, self._read(job)) for job in batch if not job.writes)
        return outcomes, topics, followed

    def _read(self, job: _Job) -> Any:
        try:
            return self._database.read(job.work)
        except Exception as error:  # handed to the caller, who awaits it
            return Failed(error)

    # Back on the event loop ---------------------------------------------------------------------------------------

    def _done(self, batch: Sequence[_Job], outcome: _Outcome | Failed) -> None:
        # A failure here is one that nobody foresaw: all are told, and the store goes on.
        self._settle(*(([(job, outcome) for job in batch], set(), []) if isinstance(outcome, Failed) else outcome))
        if not self._jobs and self._database.wants_folding:
            self._thread.run(self._database.fold, lambda _: self._go_on())
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._jobs:
            self._start()
        else:
            self._idle.set()

    def _settle(self, outcomes: list[tuple[_Job, Any]], topics: Topics, followed: _Following) -> None:
        for follower, outcome in followed:
            if follower in self._followers:
                follower.done(outcome)
        for job, outcome in outcomes:
            _answer(job.future, outcome)
        for topic in sorted(topics):
            self._revisions[topic] = self.revision(topic) + 1
            for waiter in self._waiters.get(topic, ()):
                if not waiter.done():
                    waiter.set_result(None)


def _answer(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return  # whoever waited gave up
    if isinstance(outcome, Failed):
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome)


def _all_failed(results: Sequence[Any]) -> bool:
    """Whether the commit failed, and with it every piece of work for the same reason."""
    first = results[0]
    return isinstance(first, Failed) and all(isinstance(one, Failed) and one.error is first.error for one in results)
