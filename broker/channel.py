"""What a session speaks through: whole binary messages and pings. A port; `broker.websocket` is the real one."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Heard(Enum):
    """What was received that is no message."""

    LIFE = "a ping or its answer"
    END = "the connection is closed or broken"


class Channel(Protocol):
    """The hub's end of one connection. What is sent arrives in order and whole, or the connection is gone."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""

    async def receive(self) -> bytes | Heard:
        """The next binary message, or what else was heard. Raises `ProtocolError` for a message that is not binary."""

    async def send(self, data: bytes) -> None:
        """Send a message; waits while the peer does not read. Raises `ConnectionError` when the connection is gone."""

    async def ping(self) -> None:
        """Ask for a sign of life. Waits and raises as `send` does."""

    async def close(self) -> None:
        """End the connection, and wait a moment for the peer to agree. More than once is fine."""

    def abort(self) -> None:
        """Cut the connection without a word."""
