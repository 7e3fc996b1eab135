"""Frames that were read off the connection and wait to be worked through, in the order they came."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeAlias

from schemas.limits import MAX_BLOCK_ALERTS, MAX_BODY, MAX_INBOUND
from schemas.session.frames import Block, DirectoryUpdate, Recovered, TreeHead, WitnessedHead

InboundFrame: TypeAlias = Block | DirectoryUpdate | TreeHead | WitnessedHead | Recovered
Together: TypeAlias = list[Block | TreeHead]


class Inbound:
    """At most MAX_INBOUND frames; whoever adds one waits until there is room."""

    def __init__(self) -> None:
        self._frames: deque[InboundFrame] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, frame: InboundFrame) -> None:
        """Add a frame."""
        while len(self._frames) >= MAX_INBOUND:
            self._room.clear()
            await self._room.wait()
        self._frames.append(frame)
        self._arrived.set()

    async def take(self) -> DirectoryUpdate | WitnessedHead | Recovered | Together:
        """The next frame; of blocks all that are here, with the tree head that may follow them.

        As many as one large block has: so what comes after them, however urgent, waits no longer than behind that.
        """
        while not self._frames:
            self._arrived.clear()
            await self._arrived.wait()
        self._room.set()
        first = self._frames.popleft()
        if not isinstance(first, Block | TreeHead):
            return first
        together: Together = [first]
        items, size = _weight(first)
        while self._frames and isinstance(together[-1], Block):
            following = self._frames[0]
            if not isinstance(following, Block | TreeHead):
                break
            more, larger = _weight(following)
            if items + more > MAX_BLOCK_ALERTS or size + larger > MAX_BODY:
                break
            items, size = items + more, size + larger
            self._frames.popleft()
            together.append(following)
        return together


def _weight(frame: Block | TreeHead) -> tuple[int, int]:
    """How many items a frame has, and the bytes of their bodies."""
    if isinstance(frame, TreeHead):
        return 0, 0
    return len(frame.items), sum(len(item.body) for item in frame.items)
