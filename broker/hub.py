"""Puts the hub together and runs it: opens what is durable, listens, and ends in good order whatever the reason."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog

from broker.committer import Committer, Head, LogSigner
from broker.config import Config
from broker.control import Control
from broker.engines.port import Anchor, Engine
from broker.engines.sqlite import SqliteEngine
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.exchange import Exchange
from broker.health import Health
from broker.keyfiles import check_example_keys, read_private, read_seed
from broker.metrics import Metrics
from broker.parcel import ParcelCache
from broker.quota import Quotas
from broker.recovery import Recovered, recover
from broker.server import Server
from broker.shipping import Shipping
from broker.tree import Tree
from schemas.directory.history import DirectoryHistory
from schemas.errors import BadConfig, ShuttingDown
from schemas.keys import SigningKey

log = structlog.get_logger()

FRAME_BUDGET = 1_048_576  # about what a frame carries; the largest item may exceed it and still fit MAX_FRAME
CACHE_BYTES = 33_554_432


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
    signer = LogSigner(config.origin, SigningKey(read_seed(config.log_key)))
    try:
        trusted_root = config.trusted_root.read_bytes()
    except OSError as error:
        raise BadConfig(f"{config.trusted_root} cannot be read: {error.strerror}") from error
    with ExitStack() as stack:
        engine = SqliteEngine(config.log, reserve=config.settings.reserve_bytes)
        stack.callback(engine.close)
        anchor = SqliteAnchor(config.anchor)
        stack.callback(anchor.close)
        yield Storage(engine, anchor, signer, trusted_root)


def make_committer(
    storage: Storage, config: Config, *, tree: Tree, history: DirectoryHistory, head: Head | None
) -> Committer:
    """A committer over the storage, with the real clocks."""
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
        clock=now_ms,
        stopwatch=time.perf_counter,
    )


def make_exchange(storage: Storage, config: Config, recovered: Recovered) -> Exchange:
    """The exchange over recovered storage."""
    cache = ParcelCache(CACHE_BYTES)
    return Exchange(
        engine=storage.engine,
        committer=make_committer(storage, config, tree=recovered.tree, history=recovered.history, head=recovered.head),
        shipping=Shipping(storage.engine, recovered.tree, cache, budget=FRAME_BUDGET),
        cache=cache,
        history=recovered.history,
        head=recovered.head,
        settings=config.settings,
        metrics=Metrics(),
        clock=now_ms,
    )


async def run_hub(config: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises what prevents a start, and the fault that ends a hub in doubt."""
    check_example_keys(read_seed(config.log_key), read_private(config.tls_key), (config.listen.host,))
    with open_storage(config) as storage:
        recovered = recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root)
        if recovered.resigned:
            log.warning("signed the block that a crash had left unsigned", size=recovered.head.size)
        exchange = make_exchange(storage, config, recovered)
        try:
            await _serve(exchange, config)
        finally:
            exchange.close()


async def _serve(exchange: Exchange, config: Config) -> None:
    health = Health(exchange, config.metrics)
    control = Control(exchange, config.control_socket)
    server = Server(exchange, config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    blocks = asyncio.create_task(exchange.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        await health.start()
        await control.start()
        await server.start()
        health.ready = True
        head = exchange.head
        log.info(
            "ready", listen=str(config.listen), metrics=str(config.metrics), size=head.size, version=head.directory
        )
        await asyncio.wait([blocks, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        exchange.stop()
        await asyncio.wait([blocks])
        await server.stop(exchange.fault or ShuttingDown("the hub is shutting down"))
        await control.stop()
        await health.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    blocks.result()
    log.info("stopped", size=exchange.head.size)
