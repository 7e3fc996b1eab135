"""The store as the rest of the node sees it: asynchronous, all SQLite work on one thread, commits shared.

    alert = await store.read(lambda t: t.alerts.find("9f3c"))
    await store.write(lambda t: t.outbox.add(alert, recipients=recipients, now=now))

The thread takes everything that waits and commits once for all of it, so a burst costs few fsyncs and a single write
costs one. `write` returns only when its work is durable; nothing is to be shown or answered before.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
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
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Store:
    """One node's durable state. Create it inside the event loop's thread; close it when done."""

    def __init__(self, path: Path, key: bytes, *, vfs: str | None = None) -> None:
        """Open the file. Raises StorageLocked, StorageTampered, StorageFull, StorageFailed."""
        self._database = Database(path, key, vfs=vfs)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._revisions: dict[Topic, int] = {}
        self._waiters: dict[Topic, set[asyncio.Future[None]]] = {}
        self._thread = threading.Thread(target=self._run, name="node-store", daemon=True)
        self._thread.start()

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
            waiters = self._waiters.setdefault(topic, set())
            waiters.add(future)
            try:
                await future
            finally:
                waiters.discard(future)
        return self.revision(topic)

    async def close(self) -> None:
        """Finish what was submitted, then close the file. Later calls are refused with `shutting-down`."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    async def _submit(self, work: Callable[[Tables], T], *, writes: bool) -> T:
        if self._closed:
            raise ShuttingDown("the node's store is closed", hint="start the node again")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, writes, loop, future))
        return await future

    # On the store's own thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        stop = False
        while not stop:
            batch, stop = self._take()
            writes = [job for job in batch if job.writes]
            outcomes: list[tuple[_Job, Any]] = []
            topics: Topics = set()
            if writes:
                results, topics = self._database.write_all([job.work for job in writes])
                outcomes.extend(zip(writes, results, strict=True))
            outcomes.extend((job, self._read(job)) for job in batch if not job.writes)
            for loop in {job.loop for job in batch}:
                mine = [(job, outcome) for job, outcome in outcomes if job.loop is loop]
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._settle, mine, topics)
        self._database.close()

    def _take(self) -> tuple[list[_Job], bool]:
        """All jobs that wait, at least one; and whether to stop after them."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == _BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _read(self, job: _Job) -> Any:
        try:
            return self._database.read(job.work)
        except Exception as error:  # handed to the caller, who awaits it
            return Failed(error)

    # Back on the event loop ---------------------------------------------------------------------------------------

    def _settle(self, outcomes: list[tuple[_Job, Any]], topics: Topics) -> None:
        for job, outcome in outcomes:
            if job.future.done():
                continue
            if isinstance(outcome, Failed):
                job.future.set_exception(outcome.error)
            else:
                job.future.set_result(outcome)
        for topic in topics:
            self._revisions[topic] = self.revision(topic) + 1
            for waiter in self._waiters.get(topic, ()):
                if not waiter.done():
                    waiter.set_result(None)
