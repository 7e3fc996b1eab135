"""The thread that a store's work is done on.

A lone alert waits for it twice, there and back, so it has no executor and no chain of futures around it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Protocol, TypeAlias, TypeVar

from nodes.store.database import Failed

T = TypeVar("T")

_Job: TypeAlias = "tuple[Callable[[], Any], Callable[[Any], None], asyncio.AbstractEventLoop, contextvars.Context]"
_Jobs: TypeAlias = "SimpleQueue[_Job | None]"


class WorkThread(Protocol):
    """Does one piece of work after the other, in the order they were given in."""

    def run(self, work: Callable[[], T], done: Callable[[T | Failed], None]) -> None:
        """Do `work` off the event loop that this is called on; then call `done` on that, with what it returned."""

    def end(self) -> None:
        """Finish what was given in and wait for that. Nothing may be given in any more."""


class OwnThread:
    """A thread for nobody else. It also ends, having done its work, with the interpreter or with the last reference."""

    def __init__(self, name: str) -> None:
        self._jobs: _Jobs = SimpleQueue()
        # A daemon, for the interpreter would wait for any other thread before it runs what ends this one.
        thread = threading.Thread(target=_work, args=(self._jobs,), name=name, daemon=True)
        thread.start()
        self._end = weakref.finalize(self, _end, self._jobs, thread)

    def run(self, work: Callable[[], T], done: Callable[[T | Failed], None]) -> None:
        """See `WorkThread`. If the loop is closed by then nobody is told."""
        self._jobs.put((work, done, asyncio.get_running_loop(), contextvars.copy_context()))

    def end(self) -> None:
        """See `WorkThread`."""
        self._end()


def _work(jobs: _Jobs) -> None:
    while (job := jobs.get()) is not None:
        _do(*job)
        del job  # it holds whoever gave it in


def _do(
    work: Callable[[], Any],
    done: Callable[[Any], None],
    loop: asyncio.AbstractEventLoop,
    context: contextvars.Context,
) -> None:
    outcome: Any
    try:
        outcome = work()
    except BaseException as error:  # for whoever waits; the thread goes on
        outcome = Failed(error)
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(done, outcome, context=context)


def _end(jobs: _Jobs, thread: threading.Thread) -> None:
    jobs.put(None)
    if thread is not threading.current_thread():  # the last reference may have been in its last piece of work
        thread.join()
