"""Time and chance as the node's code receives them, so that a test or a simulation can supply its own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable

Clock = Callable[[], int]
"""Milliseconds since the Unix epoch."""

Random = Callable[[int], bytes]
"""That many random bytes."""

Sleep = Callable[[float], Awaitable[None]]
"""Wait that many seconds."""


def system_clock() -> int:
    """The machine's wall clock, in ms."""
    return time.time_ns() // 1_000_000


system_random: Random = secrets.token_bytes
