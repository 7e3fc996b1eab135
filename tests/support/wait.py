"""Waiting for a condition that another process brings about."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
_TICK = 0.05
"""Seconds between two looks."""


def until(look: Callable[[], T], *, seconds: float = 30.0, what: str = "the condition") -> T:
    """The first true result of `look()`; fails the test when there is none in time."""
    never = threading.Event()
    deadline = time.monotonic() + seconds
    while not (result := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {seconds:g} s; last seen: {result!r}")
        never.wait(_TICK)
    return result


async def until_async(look: Callable[[], T], *, seconds: float = 30.0, what: str = "the condition") -> T:
    """The same, while the tasks of this event loop go on."""
    loop, never = asyncio.get_running_loop(), asyncio.Event()
    deadline = loop.time() + seconds
    while not (result := look()):
        if loop.time() > deadline:
            raise AssertionError(f"{what} did not come about within {seconds:g} s; last seen: {result!r}")
        with suppress(TimeoutError):
            await asyncio.wait_for(never.wait(), _TICK)
    return result
