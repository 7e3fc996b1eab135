"""A hub in memory for tests of the node: a real log with real envelopes, and its end of a session, to be scripted.

It speaks through the production session machine and the production `Link` port. What it sends is right unless a test
makes it wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nodes.config import HubSettings, LogSettings, NodeConfig, WatchSettings
from nodes.identity import Identity
from nodes.keystore import Seeds
from nodes.session import Parts
from nodes.standing import Standing
from nodes.store.store import Store
from schemas.alert.document import Alert
from schemas.envelope.header import Header, decode_header
from schemas.envelope.seal import PairKey, Sealed, seal
from schemas.errors import Unreachable
from schemas.example import example_seed
from schemas.ids import parse_id
from schemas.log.entry import AlertEntry, DirectoryEntry, Entry, ReceiptEntry, decode_entry
from schemas.log.merkle import leaf_hash, prove_consistency
from schemas.log.note import note_key
from schemas.log.receipt import Receipt, ReceiptItem, State, sign_receipt
from schemas.routing.resolve import query_of_alert, resolve
from schemas.session.frames import (
    PROTOCOL,
    Block,
    DirectoryUpdate,
    Frame,
    Hello,
    Item,
    Result,
    ResultItem,
    Submit,
    Welcome,
)
from schemas.session.machine import SessionMachine
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import SmallLog, alert_entry, counting_random, make_alert, make_pairs

DATABASE_KEY = bytes(range(32))
PATIENCE = 10.0
"""Seconds until a frame that does not come fails the test."""

F = TypeVar("F")


class RunningClock:
    """A clock that starts at `now` and runs like the real one; a test can push it on."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now
        self._started = time.monotonic()

    def __call__(self) -> int:
        return self.now + int((time.monotonic() - self._started) * 1000)


@dataclass
class FakeHub:
    """The log, with what belongs to its alerts beside it."""

    world: World = field(default_factory=make_world)
    clock: RunningClock = field(default_factory=RunningClock)

    def __post_init__(self) -> None:
        self.log = SmallLog(self.world)
        self.bodies: dict[int, bytes] = {}
        self.openers: dict[int, dict[str, bytes]] = {}
        self.pairs: dict[tuple[str, str], PairKey] = {}
        self.bundles: dict[int, bytes] = {index: made.bundle for index, made in enumerate(self.world.bundles)}

    @property
    def size(self) -> int:
        """Entries in the log."""
        return len(self.log.leaves)

    def enter(self, entry: Entry) -> int:
        """Log any entry; its index."""
        return self.log.append(entry)

    def enter_alert(self, sender: str = "hk-customs", *, number: int | None = None, **fields: object) -> int:
        """An alert by another agency is sealed and logged; its index."""
        alert = make_alert(self.world, sender, number=self.size if number is None else number, **fields)
        return self.enter_sealed(alert)

    def enter_sealed(self, alert: Alert) -> int:
        """Seal and log this alert; its index."""
        world = self.world
        resolution = resolve(world.directory, query_of_alert(alert, at=self.clock()))
        new = [agency for agency in resolution.recipients if (alert.sender, agency) not in self.pairs]
        made = make_pairs(world, alert.sender, new)
        self.pairs |= {(alert.sender, agency): pair for agency, pair in made.items()}
        pairs = {agency: self.pairs[alert.sender, agency] for agency in resolution.recipients}
        sealed = seal(
            alert,
            resolution=resolution,
            directory_version=world.directory.version,
            signing=world.signing[alert.sender],
            pairs=pairs,
            now=self.clock(),
            random=counting_random(alert.id),
        )
        index = self.enter(alert_entry(world, sealed, time=self.clock()))
        self.bodies[index] = sealed.body
        self.openers[index] = {agency: pair.opener for agency, pair in pairs.items()}
        return index

    def admit(self, submit: Submit) -> int:
        """Log what a node submitted; its index."""
        entry = AlertEntry(self.clock(), self.world.directory.version, submit.header, submit.signature)
        index = self.enter(entry)
        self.bodies[index] = submit.body
        return index

    def enter_receipt(
        self, agency: str, indexes: Sequence[int], state: State = "stored", *, leaf: bytes | None = None, **more: object
    ) -> int:
        """A recipient's receipt for alerts of one sender is logged; its index."""
        headers = {index: self.header(index) for index in indexes}
        items = tuple(
            ReceiptItem(index, headers[index].id, leaf or leaf_hash(self.log.leaves[index])) for index in indexes
        )
        key = self.world.signing[agency]
        sender = str(more.get("sender", headers[indexes[0]].sender))
        data, signature = sign_receipt(Receipt(agency, key.key_id, sender, state, self.clock(), None, items), key)
        return self.enter(ReceiptEntry(self.clock(), self.world.directory.version, data, signature))

    def publish(self, role: str) -> int:
        """A new version of a directory role comes into force; its index."""
        index = self.size
        entry = self.world.publish(role, at=self.clock(), index=index)
        self.bundles[index] = self.world.bundles[-1].bundle
        return self.enter(entry)

    def header(self, index: int) -> Header:
        """The header of the alert at that index."""
        entry = decode_entry(self.log.leaves[index])
        assert isinstance(entry, AlertEntry)
        return decode_header(entry.header)

    # What it sends ------------------------------------------------------------------------------------------------

    def item(self, index: int, agency: str = "sg-cnb", *, opener: bool = True) -> Item:
        """One entry as sent to an agency."""
        entry = decode_entry(self.log.leaves[index])
        body = b""
        openers: tuple[bytes, ...] = ()
        if isinstance(entry, DirectoryEntry):
            body = self.bundles[index]
        elif isinstance(entry, AlertEntry):
            body = self.bodies[index]
            openers = (self.openers[index][agency],) if opener and agency in self.openers.get(index, {}) else ()
        return Item(index, self.log.leaves[index], tuple(self.log.path(index)), body, openers)

    def proof(self, proven: int) -> tuple[bytes, ...]:
        """Consistency of the log as it stands with its first `proven` entries."""
        return tuple(prove_consistency(proven, self.size, self.log.read))

    def block(self, *indexes: int, proven: int, agency: str = "sg-cnb", opener: bool = True) -> Block:
        """A block of these entries."""
        items = tuple(self.item(index, agency, opener=opener) for index in indexes)
        return Block(self.log.note(), self.proof(proven), items)

    def directory(self, *, proven: int = 0, after: int = 0) -> DirectoryUpdate:
        """All directory versions above `after`."""
        found = [index for index, leaf in enumerate(self.log.leaves) if isinstance(decode_entry(leaf), DirectoryEntry)]
        return DirectoryUpdate(self.log.note(), self.proof(proven), tuple(self.item(index) for index in found[after:]))


class _Pipe:
    """One end of a connection in memory."""

    def __init__(self, incoming: asyncio.Queue[bytes | None], outgoing: asyncio.Queue[bytes | None]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.closed = False

    async def send(self, data: bytes) -> None:
        if self.closed:
            raise Unreachable("the pipe is closed")
        self._outgoing.put_nowait(data)

    async def receive(self) -> bytes | None:
        return None if self.closed else await self._incoming.get()

    @property
    def empty(self) -> bool:
        return self._incoming.empty()

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._outgoing.put_nowait(None)


class HubEnd:
    """The hub's end of one session, driven by the test."""

    def __init__(self, hub: FakeHub, pipe: _Pipe) -> None:
        self.hub = hub
        self.proven = 0
        self._pipe = pipe
        self._machine = SessionMachine("hub")
        self._kept: list[Frame] = []

    async def send(self, frame: Frame) -> None:
        """Send a frame."""
        await self._pipe.send(self._machine.send(frame))

    async def send_raw(self, data: bytes) -> None:
        """Send bytes that the session machine would not."""
        await self._pipe.send(data)

    async def next(self) -> Frame | None:
        """The node's next frame; None when it closed."""
        async with asyncio.timeout(PATIENCE):
            data = await self._pipe.receive()
        return None if data is None else self._machine.receive(data)

    async def expect(self, kind: type[F]) -> F:
        """The node's next frame of that kind; others are kept for later."""
        for frame in self._kept:
            if isinstance(frame, kind):
                self._kept.remove(frame)
                return frame
        while True:
            received = await self.next()
            assert received is not None, f"the node closed before it sent {kind.__name__}"
            if isinstance(received, kind):
                return received
            self._kept.append(received)

    async def welcome(
        self, *, at: int | None = None, origin: str | None = None, restored: tuple[int, int] = (0, 0)
    ) -> Hello:
        """Take the greeting and answer it; the node's greeting. `restored`: when the log was, and since which index."""
        hello = await self.expect(Hello)
        self.proven = hello.size
        hub = self.hub
        version = hub.world.directory.version
        now = hub.clock() if at is None else at
        await self.send(Welcome(PROTOCOL, origin or hub.world.origin, version, hub.size, now, *restored))
        return hello

    async def catch_up(self, *, restored: tuple[int, int] = (0, 0)) -> Hello:
        """Welcome the node and bring it every directory version it lacks."""
        hello = await self.welcome(restored=restored)
        if hello.directory < self.hub.world.directory.version:
            await self.send(self.hub.directory(proven=self.proven, after=hello.directory))
            self.proven = self.hub.size
        return hello

    async def block(self, *indexes: int, agency: str = "sg-cnb", opener: bool = True) -> None:
        """Send a block of these entries, with the proof from the frame before it."""
        await self.send(self.hub.block(*indexes, proven=self.proven, agency=agency, opener=opener))
        self.proven = self.hub.size

    async def accept(self, submit: Submit) -> int:
        """Log a submission and say so; its index."""
        index = self.hub.admit(submit)
        await self.send(Result((ResultItem(decode_header(submit.header).id, True, index, "", "", ""),)))
        return index

    async def refuse(self, ref: bytes, code: str, message: str = "refused", hint: str = "") -> None:
        """Refuse a submission."""
        await self.send(Result((ResultItem(ref, False, 0, code, message, hint),)))

    @property
    def silent(self) -> bool:
        """Whether the node has sent nothing that was not taken yet."""
        return self._pipe.empty

    async def close(self) -> None:
        """Cut the connection."""
        await self._pipe.close()


class FakeLink:
    """The way to the hub, as the node sees it. `down` makes it unreachable."""

    def __init__(self, hub: FakeHub) -> None:
        self._hub = hub
        self._ends: asyncio.Queue[HubEnd] = asyncio.Queue()
        self.down: Exception | None = None

    async def connect(self) -> _Pipe:
        """Open a connection; the test gets its other end from `accepted`."""
        if self.down is not None:
            raise self.down
        to_node: asyncio.Queue[bytes | None] = asyncio.Queue()
        to_hub: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._ends.put_nowait(HubEnd(self._hub, _Pipe(to_hub, to_node)))
        return _Pipe(to_node, to_hub)

    async def accepted(self) -> HubEnd:
        """The hub's end of the next connection."""
        async with asyncio.timeout(PATIENCE):
            return await self._ends.get()


def example_seeds(agency: str) -> Seeds:
    """The keys that the world's directory lists for an agency."""
    kinds = ("signing", "sealing", "witness", "witness-pq")
    signing, sealing, witness, witness_pq = (example_seed(agency, kind) for kind in kinds)
    return Seeds(agency, (signing,), (sealing,), (witness,), (witness_pq,), DATABASE_KEY)


def example_config(home: Path, hub: FakeHub, agency: str = "sg-cnb") -> NodeConfig:
    """A configuration of a node at `home` that trusts the hub's log; its root metadata is written there."""
    (home / "root.json").write_bytes(hub.world.trusted_root)
    tls = HubSettings(
        url="wss://127.0.0.1:7443/session",
        host="127.0.0.1",
        pin=bytes(32),
        ca=home / "ca.pem",
        certificate=home / "node.pem",
        key=home / "node.key",
    )
    log = LogSettings(note_key(hub.world.origin, hub.world.log_key.public), home / "root.json")
    return NodeConfig(home, agency, tls, log, WatchSettings(enabled=False, folder=home / "watch"), ())


async def eventually(look: Callable[[], Awaitable[F]]) -> F:
    """The first true answer of `look`, which asks a store and so lets others work in between."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await look()):
            pass
        return found


@asynccontextmanager
async def node_parts(home: Path, hub: FakeHub, agency: str = "sg-cnb") -> AsyncIterator[Parts]:
    """What a session of an agency's node works with, restored from the store at `home`."""
    store = Store(home / "node.db", DATABASE_KEY)
    try:
        standing = Standing(
            agency,
            first_key=note_key(hub.world.origin, hub.world.log_key.public),
            trusted_root=hub.world.trusted_root,
        )
        await store.read(standing.restore)
        identity = Identity(example_seeds(agency))
        yield Parts(store, standing, identity, hub.clock, counting_random(agency), home / "evidence")
    finally:
        await store.close()


def header_id(submit: Submit | Sealed) -> bytes:
    """The alert id in a submission."""
    return decode_header(submit.header).id


def id_of(alert: Alert) -> bytes:
    """An alert's id as bytes."""
    return parse_id(alert.id)
