"""An agency's machine in a simulation: the production node without its local socket, and its officer's desk."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import apsw

from nodes.carrier.desk import CarrierDesk
from nodes.config import HubSettings, LogSettings, NodeConfig, WatchSettings
from nodes.daemon import housekeeping
from nodes.deadlines import DeadlineWatch
from nodes.exchange import Exchange
from nodes.identity import Identity
from nodes.keys.service import KeyService
from nodes.keys.watch import KeyWatch
from nodes.keystore import Seeds, fresh_seeds
from nodes.receipts import Acknowledgements
from nodes.service.service import NodeService
from nodes.session import Parts
from nodes.standing import Standing
from nodes.store.database import Tables
from nodes.store.events import Event
from nodes.store.store import Store
from nodes.waiting import until_first
from schemas.errors import CrossbearingError, StorageTampered
from schemas.example import example_seed
from schemas.log.note import ED25519, parse_vkey, vkey
from tests.simulation.loop import SimThread
from tests.simulation.machine import Machine
from tests.simulation.network import Network, SimLink
from tests.support.directory import spki_digest

DATABASE = "node.db"
KEY = bytes(range(32))
PATIENCE = 30.0
"""Seconds for an answer over the local socket."""

Ask = Callable[[NodeService], Coroutine[Any, Any, Any]]


def first_seeds(agency: str) -> Seeds:
    """The keys that the world's directory lists."""
    fresh = fresh_seeds(agency, Random(agency).randbytes)
    return replace(
        fresh,
        signing=(example_seed(agency, "signing"),),
        sealing=(example_seed(agency, "sealing"),),
        witness=(example_seed(agency, "witness"),),
        witness_pq=(example_seed(agency, "witness-pq"),),
    )


class NodeHost(Machine):
    """One agency's machine."""

    def __init__(self, agency: str, *, network: Network, **machine: Any) -> None:
        super().__init__(agency, **machine)
        self.agency = agency
        self.network = network
        self.seeds = first_seeds(agency)
        self.pin = spki_digest(agency)
        self.store: Store | None = None
        self.service: NodeService | None = None
        self.parts: Parts | None = None
        self.exchange: Exchange | None = None

    def forget(self) -> None:
        """See `Machine`."""
        self.graveyard.append((self.store, self.service, self.parts, self.exchange))
        self.store = self.service = self.parts = self.exchange = None

    def hang_up(self, *, power: bool) -> None:
        """See `Machine`."""
        for wire in list(self.network.line(self.agency).wires):
            if power or self.random.random() < 0.2:
                wire.go_dark()
                wire.node.closed = True
                wire.forget()
            else:
                wire.cut()

    def fails(self, error: CrossbearingError) -> None:
        """See `Machine`."""
        super().fails(error)
        if isinstance(error, StorageTampered):
            self.refused = error
            self.record.violation("the-node-starts-again", f"{self.name}: {error.message}")

    async def request(self, ask: Ask) -> Any:
        """What somebody asks over the local socket: the answer, the error, or None when the node did not answer."""
        if self.service is None or self.process is None:
            return None
        answer: asyncio.Future[Any] = self.loop.create_future()

        def told(task: asyncio.Task[Any]) -> None:
            if not answer.done() and not task.cancelled():
                error = task.exception()
                answer.set_result(task.result() if error is None else error)

        task = self.loop.spawn(self.process, ask(self.service))
        task.add_done_callback(told, context=contextvars.copy_context())
        try:
            return await asyncio.wait_for(answer, PATIENCE)
        except TimeoutError:
            return None

    async def work(self) -> bool:
        """What `nodes.daemon.run_node` does, without the local socket."""
        config = self._config()
        store = Store(config.database, KEY, vfs=self.vfs.name, thread=SimThread())
        try:
            standing = Standing(self.agency, first_key=config.log.key, trusted_root=self.world.trusted_root)
            await store.read(standing.restore)
            identity = Identity(self.seeds)
            parts = Parts(store, standing, identity, self.clock, self.random.randbytes, self.evidence)
            exchange = Exchange(parts, SimLink(self.network, self.agency, lambda: self.pin))
            service = self._service(config, parts, exchange)
            self.store, self.parts, self.exchange, self.service = store, parts, exchange, service
            self.record.event(f"{self.name} starts at {standing.checkpoint.size}, directory {standing.version}")
            deadlines = DeadlineWatch(store, standing, self.clock, sleep=_seldom)
            chores = housekeeping(store, self.clock), deadlines.run(), self._follow(store)
            await until_first(self.stopping.wait(), exchange.run(), *chores)
        finally:
            self.service = None
            try:
                await store.close()
            except apsw.Error as error:
                self.record.event(f"{self.name} closes badly: {error}")
        return False

    def _config(self) -> NodeConfig:
        home, key = self.disk.folder, parse_vkey(vkey(self.world.origin, ED25519, self.world.log_key.public))
        none = home / "none"
        hub = HubSettings("wss://127.0.0.1:7443/session", "127.0.0.1", bytes(32), none, none, none)
        return NodeConfig(home, self.agency, hub, LogSettings(key, none), WatchSettings(enabled=False, folder=none), ())

    def _service(self, config: NodeConfig, parts: Parts, exchange: Exchange) -> NodeService:
        store, standing, identity, clock = parts.store, parts.standing, parts.identity, parts.clock
        return NodeService(
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
                seeds=self.seeds,
                publications=parts.publications,
                watch=KeyWatch(store, standing, clock, renewal=None, reconnect=exchange.reconnect),
                renewal=None,
                clock=clock,
            ),
            link=lambda: exchange.state,
            evidence=exchange.evidence,
            carrier=CarrierDesk(
                store=store,
                standing=standing,
                identity=identity,
                aside=exchange.aside,
                clock=clock,
                random=parts.random,
                evidence=self.evidence,
                home=config.home,
            ),
            clock=clock,
            random=parts.random,
        )

    async def _follow(self, store: Store) -> None:
        """A reader of the event stream that sees everything, and after a restart everything again."""
        seq = 0
        while True:
            seen = store.revision("events")
            events = await store.read(partial(_events_after, seq))
            for event in events:
                self.record.journal(self.agency, event.seq, event.type, dict(event.data))
                seq = event.seq
            if not events:
                await store.wait("events", seen)


async def _seldom(seconds: float) -> None:
    """Five times as long: what looks every second finds nothing most of the time."""
    await asyncio.sleep(5 * seconds)


def _events_after(seq: int, tables: Tables) -> list[Event]:
    return tables.events.after(seq)
