"""A production node's session with a hub that answers by itself, over a line in memory."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.node.feed import Feed
from benchmarks.node.meter import Meter
from nodes.daemon import COLLECT_AFTER
from nodes.ports import system_random
from nodes.session import Parts, Session
from nodes.store.receipts import receipt_ref
from schemas.alert.alert import Alert
from schemas.envelope.header import decode_header
from schemas.log.receipt import decode_receipt
from schemas.session.frames import (
    PROTOCOL,
    Cosign,
    Frame,
    Hello,
    Result,
    ResultItem,
    SendReceipt,
    Submit,
    Welcome,
    decode_frame,
    encode_frame,
)
from tests.support.fake_hub import node_parts

PATIENCE = 60.0
"""Seconds until something that does not come has failed."""


class Line:
    """The node's connection. The hub at its other end accepts all it is sent, so many submissions `together`."""

    def __init__(self, feed: Feed, meter: Meter) -> None:
        self.receipted = 0
        """Alerts that the node's receipts covered."""
        self.cosigned = 0
        """Tree heads that the node answered with a cosignature."""
        self.accepted: list[int] = []
        """Log indexes of what the node submitted."""
        self.together = 1
        self._feed = feed
        self._meter = meter
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._pending: list[ResultItem] = []
        self._reading = False
        self._moved = asyncio.Event()

    async def send(self, data: bytes) -> None:
        """See `nodes.ports.Connection`."""
        with self._meter.aside():
            self._take(decode_frame(data, sender="node"))

    async def receive(self) -> bytes | None:
        """See `nodes.ports.Connection`."""
        if self._frames.empty():
            self._reading = True
            self._moved.set()
        data = await self._frames.get()
        self._reading = False
        return data

    async def close(self) -> None:
        """See `nodes.ports.Connection`."""

    def give(self, *frames: bytes) -> None:
        """Send these frames to the node."""
        for frame in frames:
            self._frames.put_nowait(frame)

    async def until(self, *, receipted: int = 0, cosigned: int = 0, accepted: int = 0) -> None:
        """Return when the node sent so much and has read everything that was sent to it. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not (
                self._reading
                and self._frames.empty()
                and self.receipted >= receipted
                and self.cosigned >= cosigned
                and len(self.accepted) >= accepted
            ):
                self._moved.clear()
                await self._moved.wait()

    def _take(self, frame: Frame) -> None:
        world, hub = self._feed.hub.world, self._feed.hub
        match frame:
            case Hello():
                welcome = Welcome(PROTOCOL, world.origin, world.directory.version, hub.size, hub.clock(), 0, 0)
                self.give(encode_frame(welcome))
            case SendReceipt():
                self.receipted += len(decode_receipt(frame.receipt).items)
                self._accept(ResultItem(receipt_ref(frame.receipt), True, hub.size, "", "", ""))
            case Cosign():
                self.cosigned += bool(frame.lines)
                self._moved.set()
            case Submit():
                self.accepted.append(index := self._feed.admit(frame))
                self._pending.append(ResultItem(decode_header(frame.header).id, True, index, "", "", ""))
                if len(self._pending) >= self.together:
                    self._accept(*self._pending)
                    self._pending.clear()

    def _accept(self, *items: ResultItem) -> None:
        self.give(encode_frame(Result(items)))


@dataclass(frozen=True, slots=True)
class Node:
    """One that stands in its session; it held the directory from the start."""

    parts: Parts
    line: Line
    meter: Meter


@asynccontextmanager
async def connected(feed: Feed) -> AsyncIterator[Node]:
    """The node of the feed's agency, with a store of its own on the disk. Raises what ends its session."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with node_parts(Path(folder), feed.hub, feed.agency) as made:
            parts = replace(made, random=system_random)
            parts.standing.history = feed.hub.world.history
            meter = Meter(parts.store, Path(folder) / "node.db")
            node = Node(parts, Line(feed, meter), meter)
            async with asyncio.TaskGroup() as tasks:
                session = tasks.create_task(_session(node))
                await node.line.until()
                _as_a_daemon()
                yield node
                session.cancel()
    gc.unfreeze()


async def _session(node: Node) -> None:
    session = Session(node.parts, node.line)
    await session.run(await session.open())


def _as_a_daemon() -> None:
    """What `nodes.daemon` does once everything is imported."""
    Alert.model_rebuild()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
