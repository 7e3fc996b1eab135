"""An event loop on virtual time: nothing waits, nothing depends on the machine, and a process can die at any step.

Time moves only when nothing is left to run: it jumps to the next timer. Work for executors runs in this thread, one
piece after the other for each executor, after a drawn delay, and its result comes back after another; so whatever can
happen while a disk is busy happens. Every task belongs to a `Process`; of a process that is dead no further step is
ever run, not even the clean-up of a cancelled task.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from random import Random
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from nodes.store.database import Failed


class Process:
    """Something that runs on a machine and may die at any instant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.disk_seconds = 0.001  # what a piece of storage work takes on average
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()

    def __repr__(self) -> str:
        return f"<{self.name}{' dead' if self.dead else ''}>"


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class StalledError(Exception):
    """Nothing is left to run and no timer is set, but somebody still waits."""


@dataclass
class _Lane:
    """The work given to one executor."""

    jobs: deque[Callable[[], None]] = field(default_factory=deque)
    busy: bool = False


class SimThread(Executor):
    """In place of a store's thread: the loop does its work, as any other for an executor."""

    def run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """See `nodes.store.thread.WorkThread`."""

        def told(future: asyncio.Future[Any]) -> None:
            error = future.exception()
            done(future.result() if error is None else Failed(error))

        asyncio.get_running_loop().run_in_executor(self, work).add_done_callback(told)

    def end(self) -> None:
        """See `nodes.store.thread.WorkThread`."""


class _Jump:
    """In place of a selector: moves the clock to the next timer."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise StalledError("nothing is left to run")
        if timeout > 0:
            self._loop.jump()
        return []

    def close(self) -> None:
        pass


class SimLoop(asyncio.BaseEventLoop):
    """The loop. `random` draws the delays of storage work."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._now = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = 1e-6
        self._lanes: WeakKeyDictionary[Executor, _Lane] = WeakKeyDictionary()
        self._buried: list[asyncio.Task[Any]] = []
        self.steps = 0

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now

    def jump(self) -> None:
        """Move to the next timer."""
        self._now = max(self._now, self._scheduled[0].when())

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass  # there are no other threads that could have to wake this one

    # -- processes -----------------------------------------------------------------------------------------------------

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any], name: str = "") -> asyncio.Task[Any]:
        """Run `work` as part of `process`."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        task: asyncio.Task[Any] = self.create_task(work, name=name or process.name, context=context)
        return task

    def outside(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call something later that belongs to no process, and so outlives whoever asks for it."""
        self.call_at(self._now + seconds, callback, context=contextvars.Context())

    def create_task(self, coro: Any, *, name: Any = None, context: contextvars.Context | None = None) -> Any:
        """See asyncio; the task is counted to its process."""
        task: Any = super().create_task(coro, name=name, context=context)
        owner = context.get(PROCESS) if context is not None else PROCESS.get()
        if owner is not None:
            owner.tasks.add(task)
            if owner.dead:
                self.lay_to_rest(task)
        return task

    def bury(self, process: Process) -> None:
        """The process died: nothing of it is run any more. Its tasks are kept, so that no clean-up runs either."""
        process.dead = True
        for task in list(process.tasks):
            if not task.done():
                self.lay_to_rest(task)
        for handle in (*self._ready, *self._scheduled):
            if self._owner(handle) is process:
                handle.cancel()

    def lay_to_rest(self, task: asyncio.Task[Any]) -> None:
        """Keep a task that will never go on."""
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio would complain of it
        self._buried.append(task)

    def forget(self) -> None:
        """Let go of the dead, when the simulation is over."""
        self._buried.clear()
        self._ready.clear()
        self._scheduled.clear()

    @staticmethod
    def _owner(handle: asyncio.Handle) -> Process | None:
        owner: Process | None = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # every handle has one
        return owner

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:  # type: ignore[override]  # fewer promises
        """See asyncio; what belongs to a dead process is not taken."""
        self.steps += 1
        handle = super().call_soon(callback, *args, context=context)
        if (owner := self._owner(handle)) is not None and owner.dead:
            handle.cancel()
        return handle

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio; what belongs to a dead process is not taken."""
        handle = super().call_at(when, callback, *args, context=context)
        if (owner := self._owner(handle)) is not None and owner.dead:
            handle.cancel()
        return handle

    # -- storage work --------------------------------------------------------------------------------------------------

    def run_in_executor(  # type: ignore[override]  # a future of this loop, as asyncio's own gives
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run `func` in this thread, in the executor's order, after a delay."""
        future: asyncio.Future[Any] = self.create_future()
        process = PROCESS.get()
        lane = _Lane() if executor is None else self._lanes.setdefault(executor, _Lane())

        def start() -> None:
            lane.busy = True
            self.call_later(self._delay(process), run)

        def run() -> None:
            try:
                result, error = func(*args), None
            except Exception as caught:
                result, error = None, caught
            self.call_later(self._delay(process) / 4, settle, result, error)

        def settle(result: Any, error: Exception | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
            lane.busy = False
            if lane.jobs:
                lane.jobs.popleft()()

        if lane.busy:
            lane.jobs.append(start)
        else:
            start()
        return future

    def _delay(self, process: Process | None) -> float:
        mean = process.disk_seconds if process is not None else 0.001
        return 1e-6 + min(self._random.expovariate(1 / mean), 8 * mean)
