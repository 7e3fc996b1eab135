"""Time and chance as the node's code receives them, so that a test or a simulation can supply its own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

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


class Connection(Protocol):
    """One open connection to the hub, carrying whole binary messages."""

    async def send(self, data: bytes) -> None:
        """Send one message; waits while the peer is slow. Raises Unreachable when the connection is gone."""

    async def receive(self) -> bytes | None:
        """The next message, or None once the peer has closed. Raises ProtocolError for anything but binary."""

    async def close(self) -> None:
        """Close it; more than once is fine."""


class Link(Protocol):
    """The way to the hub."""

    async def connect(self) -> Connection:
        """Open a connection. Raises Unreachable, or NotPinned when what answers is not the hub."""
