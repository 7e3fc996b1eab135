"""Puts the hub together and runs it: opens what is durable, listens, and ends in good order whatever the reason."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from broker.committer import Committer, Head, LogSigner
from broker.config import Config
from broker.control import Control
from broker.desk import Desks
from broker.engines.port import Anchor, Engine
from broker.engines.sqlite import SqliteEngine
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.escalation import Escalation
from broker.exchange import Exchange
from broker.expiry import ExpiryWatch
from broker.health import Health
from broker.heard import read_heard
from broker.identity import certificate_pin
from broker.keyfiles import check_example_keys, read_private, read_seed
from broker.metrics import Metrics
from broker.outside import OutsideWitnesses
from broker.parcel import ParcelCache
from broker.publication import Publication
from broker.quota import Quotas
from broker.recovery import recover
from broker.retention import Retention
from broker.server import Server
from broker.shipping import Shipping
from broker.tree import Tree
from broker.witness_client import post
from schemas.carrier.keys import carrier_key
from schemas.directory.history import DirectoryHistory
from schemas.errors import BadConfig, ShuttingDown
from schemas.keys import MlDsaKey, SigningKey
from schemas.limits import PARCEL_CACHE_BYTES

log = structlog.get_logger()

COLLECT_AFTER = 50_000  # containers made and not freed
FRAME_BUDGET = 1_048_576  # about what a frame carries; the largest item may exceed it and still fit MAX_FRAME


Clock = Callable[[], int]


def now_ms() -> int:
    """The hub's clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Storage:
    """What is durable, opened by this process alone."""

    engine: Engine
    anchor: Anchor
    signer: LogSigner
    trusted_root: bytes


@contextmanager
def open_storage(config: Config) -> Iterator[Storage]:
    """Open log, anchor and log key. Raises `StorageLocked` when another process has them."""
    ml_dsa = MlDsaKey(read_seed(config.ml_dsa_key)) if config.ml_dsa_key is not None else None
    seed = read_seed(config.log_key)
    pin = certificate_pin(config.tls_certificate)
    signer = LogSigner(config.origin, SigningKey(seed), pin, ml_dsa, carrier_key(seed))
    try:
        trusted_root = config.trusted_root.read_bytes()
    except OSError as error:
        raise BadConfig(f"{config.trusted_root} cannot be read: {error.strerror}") from error
    with ExitStack() as stack:
        engine = SqliteEngine(config.log, reserve=config.settings.reserve_bytes, anchor=config.anchor)
        stack.callback(engine.close)
        anchor = SqliteAnchor(config.anchor)
        stack.callback(anchor.close)
        yield Storage(engine, anchor, signer, trusted_root)


def make_committer(
    storage: Storage, config: Config, clock: Clock, *, tree: Tree, history: DirectoryHistory, head: Head | None
) -> Committer:
    """A committer over the storage."""
    settings = config.settings
    return Committer(
        engine=storage.engine,
        anchor=storage.anchor,
        tree=tree,
        history=history,
        head=head,
        signer=storage.signer,
        trusted_root=storage.trusted_root,
        quotas=Quotas(
            receipts_per_minute=settings.receipts_per_minute, refusals_per_minute=settings.refusals_per_minute
        ),
        clock=clock,
        stopwatch=time.perf_counter,
    )


def make_exchange(storage: Storage, config: Config, clock: Clock) -> Exchange:
    """The exchange over what the storage holds, once that agrees with what was signed. Raises as `recover` does."""
    recovered = recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root)
    if recovered.resigned:
        log.warning("signed the block that a crash had left unsigned", size=recovered.head.size)
    cache = ParcelCache(PARCEL_CACHE_BYTES)
    committer = make_committer(
        storage, config, clock, tree=recovered.tree, history=recovered.history, head=recovered.head
    )
    return Exchange(
        engine=storage.engine,
        committer=committer,
        shipping=Shipping(storage.engine, recovered.tree, cache, budget=FRAME_BUDGET),
        cache=cache,
        history=recovered.history,
        head=recovered.head,
        signer=storage.signer,
        settings=config.settings,
        metrics=Metrics(),
        clock=clock,
        evidence=config.evidence,
        restorations=storage.anchor.restorations(),
        heard=config.heard,
    )


class Hub:
    """A running hub: the exchange and its listeners. `failed` is done when it must end by itself."""

    def __init__(self, exchange: Exchange, config: Config) -> None:
        self.exchange = exchange
        self._config = config
        self.publication = Publication(exchange)
        self.server = Server(exchange, config, self.publication)
        self.health = Health(exchange, config.metrics)
        self.control = Control(exchange, config.control_socket)
        self.retention = Retention(exchange)
        self.escalation = Escalation(exchange, Desks(config.destinations).call)
        self.chores = (self.retention, self.escalation, ExpiryWatch(exchange), self.publication)
        self.outside = OutsideWitnesses(exchange, post)
        self._chores: list[asyncio.Task[None]] = []
        self.failed: asyncio.Task[None] = asyncio.create_task(exchange.run())

    async def start(self) -> None:
        """Listen for nodes, auditors, the operator and collectors. Raises `BadConfig`."""
        await self.health.start()
        await self.control.start()
        await self.server.start()
        self._chores = [asyncio.create_task(self._work()), asyncio.create_task(self.outside.run())]
        self.health.ready = True
        listening = self.exchange.listening
        if listening is not None:
            await self._listen()
            log.warning("restored: nothing is signed until it is settled", obstacles=listening.obstacles())
        log.info(
            "ready" if listening is None else "listening",
            listen=str(self.server.address),
            metrics=str(self.health.address),
            size=self.exchange.head.size,
            directory=self.exchange.head.directory,
        )

    async def _work(self) -> None:
        """All that may write, once the log is settled."""
        await self.exchange.resumed.wait()
        await asyncio.gather(*(chore.run() for chore in self.chores))

    async def _listen(self) -> None:
        """Ask outside witnesses, and read what is in DATA/heard."""
        self.exchange.witnessing.begin(self.exchange.head, both=False)
        for report, note in await self.exchange.read(partial(read_heard, self.exchange, self._config.heard)):
            await self.exchange.hear(report, note)

    async def stop(self) -> None:
        """Take no more work, log what is pending, tell the nodes, and stop listening."""
        for chore in self._chores:
            chore.cancel()
        self.exchange.stop()
        await asyncio.wait([self.failed])
        await self.server.stop(self.exchange.fault or ShuttingDown("the hub is shutting down"))
        await self.control.stop()
        await self.health.stop()
        self.exchange.close()


def _spare_the_collector() -> None:
    """What a start made stays for good, and what a block makes is freed without the collector.

    Looking through all of it stops every thread for 60 ms, in which a `flash` waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def run_hub(config: Config, clock: Clock = now_ms) -> None:
    """Run until SIGTERM or SIGINT. Raises what prevents a start, and the fault that ends a hub in doubt."""
    for path in (config.log_key, config.ml_dsa_key):
        if path is not None:
            check_example_keys(read_seed(path), read_private(config.tls_key), (config.listen.host,))
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with open_storage(config) as storage:
        hub = Hub(make_exchange(storage, config, clock), config)
        stopped = asyncio.create_task(stop.wait())
        try:
            await hub.start()
            _spare_the_collector()
            await asyncio.wait([hub.failed, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            await hub.stop()
        hub.failed.result()
        log.info("stopped", size=hub.exchange.head.size)
