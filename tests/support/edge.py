"""A node without its link: the real store, directory, keys and service, and a clock the test moves.

What the hub would bring is put into the store by the same calls that the link makes, with real envelopes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nodes.carrier.desk import CarrierDesk
from nodes.config import HubSettings, LogSettings, NodeConfig, WatchSettings
from nodes.identity import Identity
from nodes.keys.publication import Publications
from nodes.keys.service import KeyService
from nodes.keys.watch import KeyWatch
from nodes.keystore import fresh_seeds
from nodes.receipts import Acknowledgements
from nodes.service.ports import LinkState
from nodes.service.service import NodeService
from nodes.standing import Standing
from nodes.store.database import Tables
from nodes.store.inbox import Received
from nodes.store.sent import Word
from nodes.store.store import Store
from schemas.alert.document import Alert, encode_alert
from schemas.envelope.header import decode_header
from schemas.errors import Unreachable
from schemas.example import example_seed
from schemas.ids import format_id, parse_id
from schemas.log.entry import encode_entry
from schemas.log.merkle import leaf_hash
from schemas.log.note import ED25519, parse_vkey, vkey
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import SmallLog, alert_entry, counting_random, make_alert, seal_alert

DATABASE_KEY = bytes(range(32))
ME = "sg-cnb"


@dataclass
class EdgeNode:
    """The local side of one agency's node."""

    home: Path
    world: World
    store: Store
    config: NodeConfig
    standing: Standing
    service: NodeService
    link: LinkState = field(default_factory=lambda: LinkState(connected=False))
    now: int = NOW
    log: SmallLog = field(init=False)
    evidence: dict[int, bytes] = field(default_factory=dict)
    """What the hub says of alerts, by log index; without it the hub cannot be reached."""

    def __post_init__(self) -> None:
        self.log = SmallLog(self.world)

    async def tell_evidence(self, index: int) -> bytes:
        """The hub's answer."""
        if index not in self.evidence:
            raise Unreachable("the hub cannot be reached now")
        return self.evidence[index]

    def clock(self) -> int:
        """The time the test set."""
        return self.now

    def hold_directory(self) -> None:
        """Take over the world's directory, as after the first contact with the hub."""
        self.standing.history = self.world.history

    async def receive(self, sender: str = "hk-customs", *, sealed_files: Sequence[Any] = (), **fields: object) -> str:
        """An alert arrives, opened and verified; its id."""
        number = len(self.log.leaves)
        fields = {"to": [self.standing.agency], "modes": [], **fields}
        if sealed_files:
            fields["attachments"] = [dict(file.facts) for file in sealed_files]
        return await self.take(make_alert(self.world, sender, number=number, **fields))

    async def take(self, alert: Alert) -> str:
        """An alert of another agency arrives; its id."""
        sealed, _ = seal_alert(self.world, alert, now=self.now)
        entry = encode_entry(alert_entry(self.world, sealed, time=self.now))
        index = self.log.append(entry)
        header = decode_header(sealed.header)
        received = Received(
            alert=alert,
            document=encode_alert(alert),
            index=index,
            leaf=leaf_hash(entry),
            header=sealed.header,
            signature=sealed.signature,
            id=sealed.id,
            expires=header.expires,
            attachments=tuple((digest, size) for digest, size in header.attachments),
            entry=entry,
            path=tuple(self.log.path(index)),
            size=len(self.log.leaves),
            note=self.log.note(),
        )
        await self.store.write(lambda tables: tables.inbox.add(received, now=self.now))
        return format_id(sealed.id)

    async def accept(self, alert: str, *, index: int = 900) -> None:
        """The hub takes an alert of ours into the log."""
        await self.store.write(lambda tables: tables.outbox.accept(parse_id(alert), index, now=self.now))

    async def refuse(self, alert: str, code: str = "quota", message: str = "too many", hint: str = "Wait.") -> None:
        """The hub refuses an alert of ours for good."""
        await self.store.write(lambda tables: tables.outbox.refuse(parse_id(alert), code, message, hint, now=self.now))

    async def receipt(self, alert: str, agency: str, state: str, *, code: str | None = None) -> None:
        """A recipient's word on an alert of ours."""

        def commit(tables: Tables) -> None:
            sent = tables.sent.find(parse_id(alert))
            assert sent is not None
            tables.sent.note_receipt(sent, Word(agency, state, self.now), code=code, now=self.now)

        await self.store.write(commit)


@asynccontextmanager
async def edge_node(
    home: Path, *, me: str = ME, world: World | None = None, directory: bool = True
) -> AsyncIterator[EdgeNode]:
    """A node of the agency `me` in `world`; with its directory held, unless told otherwise."""
    world = make_world() if world is None else world
    key = parse_vkey(vkey(world.origin, ED25519, world.log_key.public))
    config = NodeConfig(
        home=home,
        agency=me,
        hub=HubSettings(
            url="wss://127.0.0.1:7443/session",
            host="127.0.0.1",
            pin=bytes(32),
            ca=home / "ca.pem",
            certificate=home / "node.pem",
            key=home / "node.key",
        ),
        log=LogSettings(key, home / "root.json"),
        watch=WatchSettings(enabled=True, folder=home / "watch"),
        handlers=(),
    )
    random = counting_random(me)
    seeds = fresh_seeds(me, random)
    published = replace(seeds, signing=(example_seed(me, "signing"),), sealing=(example_seed(me, "sealing"),))
    identity = Identity(published)
    standing = Standing(me, first_key=key, trusted_root=world.trusted_root)
    store = Store(config.database, DATABASE_KEY)
    try:
        node: EdgeNode

        def clock() -> int:
            return node.now

        async def evidence(index: int) -> bytes:
            return await node.tell_evidence(index)

        service = NodeService(
            config=config,
            store=store,
            standing=standing,
            identity=identity,
            acknowledgements=Acknowledgements(store, identity, standing, clock),
            keys=KeyService(
                config=config,
                store=store,
                standing=standing,
                identity=identity,
                seeds=published,
                publications=Publications(),
                watch=KeyWatch(store, standing, clock, renewal=None, reconnect=lambda: None),
                renewal=None,
                clock=clock,
            ),
            link=lambda: node.link,
            evidence=evidence,
            carrier=CarrierDesk(
                store=store,
                standing=standing,
                identity=identity,
                aside=nullcontext,
                clock=clock,
                random=random,
                evidence=config.evidence,
                home=home,
            ),
            clock=clock,
            random=random,
        )
        node = EdgeNode(home, world, store, config, standing, service)
        if directory:
            node.hold_directory()
        yield node
    finally:
        await store.close()
