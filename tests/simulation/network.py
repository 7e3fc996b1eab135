"""A network that delays, stalls, cuts, and leaves connections half-open. Within one connection bytes keep their order.

A `Line` is the way between one agency and the hub, with its delays and troubles; a `Wire` is one connection over it.
What was on its way when a side died still arrives. A wire that lost its way silently drops what is sent into it, as a
middlebox does that forgot the connection: neither side is told.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from broker.channel import Heard
from nodes.link import CONNECT_TIMEOUT, HEARTBEAT
from schemas.errors import Unreachable
from tests.simulation.loop import SimLoop

WINDOW = 262_144  # bytes on the way, or not yet read, before a sender has to wait
_PING, _PONG, _END = "ping", "pong", "end"
Item = bytes | str


class Line:
    """The way between one agency and the hub. Delays are in seconds."""

    def __init__(self, agency: str, random: Random) -> None:
        self.agency = agency
        self.delay = 0.02
        self.down = False
        self.stalled_until = 0.0
        self.slow_reader = 0.0  # what the node takes for each message
        self.wires: list[Wire] = []
        self._random = random

    def latency(self) -> float:
        """How long a message takes now."""
        return self.delay * self._random.uniform(0.5, 2.0)


class End:
    """One side of a wire."""

    def __init__(self, wire: Wire, side: str) -> None:
        self.wire = wire
        self.side = side
        self.closed = False
        self.lost = False  # what is sent from here arrives nowhere
        self.heard_at = wire.loop.time()
        self.peer: End
        self._inbox: deque[Item] = deque()
        self._flying: deque[Item] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._senders: deque[asyncio.Future[None]] = deque()
        self._under_way = 0
        self._last_arrival = 0.0

    async def send(self, data: bytes) -> None:
        """Send a message, once there is room. Raises `ConnectionError`."""
        while not self.closed and self._under_way >= WINDOW:
            room = self.wire.loop.create_future()
            self._senders.append(room)
            await room
        self.post(data)

    def post(self, item: Item) -> None:
        """Put something on the way. Raises `ConnectionError`."""
        if self.closed:
            raise ConnectionResetError("the connection is closed")
        self._under_way += len(item)
        if self.lost:
            return
        loop, line = self.wire.loop, self.wire.line
        arrival = max(self._last_arrival + 1e-6, loop.time() + line.latency(), line.stalled_until)
        self._last_arrival = arrival
        self._flying.append(item)
        loop.call_at(arrival, self._arrive, context=contextvars.Context())

    def _arrive(self) -> None:
        line = self.wire.line
        if line.stalled_until > self.wire.loop.time():  # it was stalled while this was on its way
            self.wire.loop.call_at(line.stalled_until, self._arrive, context=contextvars.Context())
            return
        item = self._flying.popleft()  # the oldest, whichever timer this is: timers of one time come in any order
        if not self.peer.closed and not self.lost:
            self.peer.put(item)

    def put(self, item: Item) -> None:
        """Something arrived here."""
        self.heard_at = self.wire.loop.time()
        self._inbox.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Item:
        """The next thing that arrived, the end included; after the end always the end."""
        while not self._inbox:
            if self.closed:
                return _END
            self._waiter = self.wire.loop.create_future()
            await self._waiter
        item = self._inbox.popleft()
        if item == _END:
            self.shut()
            return _END
        self.peer.taken(len(item))
        return item

    def taken(self, size: int) -> None:
        """The peer read something: there is room for more."""
        self._under_way -= size
        while self._senders and self._under_way < WINDOW:
            sender = self._senders.popleft()
            if not sender.done():
                sender.set_result(None)

    def close(self) -> None:
        """End the connection in good order: what was sent before still arrives."""
        if not self.closed:
            self.post(_END)
            self.shut()

    def shut(self) -> None:
        """Nothing is sent or received here any more."""
        self.closed = True
        self.wire.forget()
        for waiter in (self._waiter, *self._senders):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        self._senders.clear()

    def reset(self) -> None:
        """The connection broke as seen from here; what has not been read is gone."""
        self._inbox.clear()
        self.shut()


class Wire:
    """One connection between a node and the hub."""

    def __init__(self, loop: SimLoop, line: Line, number: int) -> None:
        self.loop = loop
        self.line = line
        self.number = number
        self.node, self.hub = End(self, "node"), End(self, "hub")
        self.node.peer, self.hub.peer = self.hub, self.node
        line.wires.append(self)

    def cut(self) -> None:
        """Both sides learn that it broke; what was on its way is lost."""
        for end in (self.node, self.hub):
            end.lost = True
            end.reset()
        self.forget()

    def leave_half_open(self, side: str) -> None:
        """One side learns that it broke, the other does not. What that one was sent before still arrives."""
        gone = self.node if side == "node" else self.hub
        gone.peer.lost = True
        gone.reset()
        self.forget()

    def go_dark(self) -> None:
        """Neither side learns anything."""
        self.node.lost = self.hub.lost = True

    def forget(self) -> None:
        """It is no longer one of those that faults can hit."""
        if self in self.line.wires:
            self.line.wires.remove(self)


class Door(Protocol):
    """Where a hub takes connections."""

    def knock(self, pin: bytes) -> str:
        """The agency that has the pin. Raises `Unreachable` when nobody listens, `NotPinned` for a stranger."""

    def enter(self, agency: str, pin: bytes, wire: Wire) -> None:
        """Serve the node at the other end."""


class HubChannel:
    """`broker.channel.Channel` over the hub's end; pings are answered as the WebSocket adapter does."""

    def __init__(self, end: End, sent: Callable[[bytes], None], heard: Callable[[bytes], bytes]) -> None:
        self._end = end
        self._sent = sent
        self._heard = heard

    @property
    def closed(self) -> bool:
        """See `Channel`."""
        return self._end.closed

    async def receive(self) -> bytes | Heard:
        """See `Channel`."""
        item = await self._end.receive()
        if isinstance(item, bytes):
            return self._heard(item)
        if item == _END:
            return Heard.END
        if item == _PING and not self._end.closed:
            self._end.post(_PONG)
        return Heard.LIFE

    async def send(self, data: bytes) -> None:
        """See `Channel`."""
        if not self._end.closed:
            self._sent(data)
        await self._end.send(data)

    async def ping(self) -> None:
        """See `Channel`."""
        self._end.post(_PING)

    async def close(self) -> None:
        """See `Channel`."""
        self._end.close()

    def abort(self) -> None:
        """See `Channel`."""
        self._end.wire.cut()


class NodeConnection:
    """`nodes.ports.Connection` over the node's end, with the heartbeat that the WebSocket adapter has."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._beat()

    def _beat(self) -> None:
        loop, end = self._end.wire.loop, self._end
        if end.closed:
            return
        silent = loop.time() - end.heard_at
        if silent >= HEARTBEAT * 1.5:
            end.reset()
            return
        if silent >= HEARTBEAT:
            end.post(_PING)
        loop.call_later(HEARTBEAT / 2, self._beat)

    async def send(self, data: bytes) -> None:
        """See `Connection`."""
        try:
            await self._end.send(data)
        except ConnectionError as error:
            raise Unreachable(f"the connection to the hub broke while sending: {error}") from None

    async def receive(self) -> bytes | None:
        """See `Connection`."""
        while True:
            if self._end.wire.line.slow_reader:
                await asyncio.sleep(self._end.wire.line.slow_reader)
            item = await self._end.receive()
            if isinstance(item, bytes):
                return item
            if item == _END:
                return None
            if item == _PING and not self._end.closed:
                self._end.post(_PONG)

    async def close(self) -> None:
        """See `Connection`."""
        self._end.close()


class Network:
    """All lines, and which hub each leads to."""

    def __init__(self, loop: SimLoop, random: Random) -> None:
        self.loop = loop
        self.lines: dict[str, Line] = {}
        self.doors: dict[str, Door] = {}
        self.made = 0
        self._random = random

    def line(self, agency: str) -> Line:
        """The line of an agency."""
        if agency not in self.lines:
            self.lines[agency] = Line(agency, self._random)
        return self.lines[agency]

    async def connect(self, agency: str, pin: bytes) -> Wire:
        """A new connection. Raises `Unreachable`, or `NotPinned` as `Door.knock` does."""
        line, door = self.line(agency), self.doors[agency]
        await asyncio.sleep(line.latency())
        if line.down or line.stalled_until > self.loop.time() + CONNECT_TIMEOUT:
            await asyncio.sleep(CONNECT_TIMEOUT)
            raise Unreachable("the hub did not answer")
        name = door.knock(pin)
        self.made += 1
        wire = Wire(self.loop, line, self.made)
        door.enter(name, pin, wire)
        await asyncio.sleep(line.latency())
        return wire


class SimLink:
    """`nodes.ports.Link`: the way of one node to its hub."""

    def __init__(self, network: Network, agency: str, pin: Callable[[], bytes]) -> None:
        self._network = network
        self._agency = agency
        self._pin = pin

    async def connect(self) -> Any:
        """See `Link`."""
        wire = await self._network.connect(self._agency, self._pin())
        return NodeConnection(wire.node)
