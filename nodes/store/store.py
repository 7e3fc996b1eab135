"""The store as the rest of the node sees it: asynchronous, all SQLite work on one thread, commits shared.

    alert = await store.read(lambda t: t.alerts.find("9f3c"))
    await store.write(lambda t: t.outbox.add(alert, recipients=recipients, now=now))

Whatever waits when the thread is free goes to it at once and shares a commit, so a burst costs few fsyncs and a single
write costs one. `write` returns only when its work is durable; nothing is to be shown or answered before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nodes.store.database import Database, Failed, Tables
from nodes.store.topics import Topic, Topics
from schemas.errors import ShuttingDown

T = TypeVar("T")

_BATCH = 256  # pieces of work in one commit: bounds how long the first of them waits


@dataclass(slots=True)
class _Job:
    work: Callable[[Tables], Any]
    writes: bool
    future: asyncio.Future[Any]


class Store:
    """One node's durable state. Use it from one event loop; close it when done."""

    def __init__(self, path: Path, key: bytes, *, vfs: str | None = None) -> None:
        """Open the file. Raises StorageLocked, StorageTampered, StorageFull, StorageFailed."""
        self._database = Database(path, key, vfs=vfs)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="node-store")
        self._jobs: deque[_Job] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._revisions: dict[Topic, int] = {}
        self._waiters: dict[Topic, dict[asyncio.Future[None], None]] = {}  # in order of their coming

    async def read(self, work: Callable[[Tables], T]) -> T:
        """Run work that only reads, on committed data."""
        return await self._submit(work, writes=False)

    async def write(self, work: Callable[[Tables], T]) -> T:
        """Run work in a transaction; durable when this returns. What the work raises is raised here, rolled back.

        Raises StorageFull (nothing written; later writes may succeed) or StorageInDoubt (unknown; restart the node).
        """
        return await self._submit(work, writes=True)

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
            await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
            self._thread.shutdown()

    async def _submit(self, work: Callable[[Tables], T], *, writes: bool) -> T:
        if self._closed:
            raise ShuttingDown("the node's store is closed", hint="start the node again")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(work, writes, future))
        if self._idle.is_set():
            self._start()
        return await future

    def _start(self) -> None:
        """Hand what waits to the thread."""
        self._idle.clear()
        batch = [self._jobs.popleft() for _ in range(min(_BATCH, len(self._jobs)))]
        running = asyncio.get_running_loop().run_in_executor(self._thread, self._run, batch)
        running.add_done_callback(self._done)

    # On the store's own thread ------------------------------------------------------------------------------------

    def _run(self, batch: Sequence[_Job]) -> tuple[list[tuple[_Job, Any]], Topics]:
        """All writes in one commit, then the reads, which see them."""
        writes = [job for job in batch if job.writes]
        outcomes: list[tuple[_Job, Any]] = []
        topics: Topics = set()
        if writes:
            results, topics = self._database.write_all([job.work for job in writes])
            outcomes.extend(zip(writes, results, strict=True))
        outcomes.extend((job, self._read(job)) for job in batch if not job.writes)
        return outcomes, topics

    def _read(self, job: _Job) -> Any:
        try:
            return self._database.read(job.work)
        except Exception as error:  # handed to the caller, who awaits it
            return Failed(error)

    # Back on the event loop ---------------------------------------------------------------------------------------

    def _done(self, running: asyncio.Future[tuple[list[tuple[_Job, Any]], Topics]]) -> None:
        self._settle(*running.result())
        if self._jobs:
            self._start()
        else:
            self._idle.set()

    def _settle(self, outcomes: list[tuple[_Job, Any]], topics: Topics) -> None:
        for job, outcome in outcomes:
            if job.future.done():
                continue
            if isinstance(outcome, Failed):
                job.future.set_exception(outcome.error)
            else:
                job.future.set_result(outcome)
        for topic in sorted(topics):
            self._revisions[topic] = self.revision(topic) + 1
            for waiter in self._waiters.get(topic, ()):
                if not waiter.done():
                    waiter.set_result(None)
