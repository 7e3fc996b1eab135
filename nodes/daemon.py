"""The node as one process: the store, the dealings with the hub, the local API, the watched folder, the handlers.

Everything a user or a partner was promised is in the store before the promise is given, so the parts can be stopped
in any order and at any instant; a stop in good order only says goodbye.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

import structlog

from nodes.api import LocalApi
from nodes.carrier.desk import CarrierDesk
from nodes.config import NodeConfig
from nodes.deadlines import DeadlineWatch
from nodes.exchange import Exchange
from nodes.handlers.runner import Handlers
from nodes.identity import Identity, refuse_example_keys
from nodes.indexing import keep_indexed
from nodes.keys.renewal import RenewingLink
from nodes.keys.service import KeyService
from nodes.keys.watch import KeyWatch
from nodes.keystore import Seeds
from nodes.lock import home_lock
from nodes.ports import Clock, Link, Random, system_clock, system_random
from nodes.receipts import Acknowledgements
from nodes.service.service import NodeService
from nodes.session import Parts
from nodes.standing import Standing
from nodes.store.database import Tables
from nodes.store.store import Store
from nodes.waiting import until_first
from nodes.watch.intake import WatchedFolder
from schemas.alert.alert import Alert
from schemas.errors import BadConfig, StorageFull

COLLECT_AFTER: Final = 50_000
"""Containers made and not freed before the garbage collector looks: an alert frees what it makes without it, and the
usual 700 cost a tenth of the processor time of taking one in."""
HOUSEKEEPING: Final = 600.0
"""Seconds between two rounds of forgetting what nobody needs any more."""
KEEP_EVENTS_MS: Final = 30 * 86_400_000
KEEP_PAIRS_MS: Final = 3_660 * 86_400_000
"""Ten years: for so long an alert can be disclosed, which takes the pair key it was sealed with."""
KEEP_OPENERS_MS: Final = KEEP_PAIRS_MS

log = structlog.get_logger(__name__)


async def run_node(
    config: NodeConfig,
    seeds: Seeds,
    *,
    link: Link | None = None,
    clock: Clock = system_clock,
    random: Random = system_random,
    stop: asyncio.Event | None = None,
) -> None:
    """Run the node until `stop` is set, or SIGTERM or SIGINT comes.

    Raises StorageLocked when another daemon runs on this home, ExampleKeys, BadConfig, the store's faults.
    """
    if seeds.agency != config.agency:
        raise BadConfig(f"the keystore is of {seeds.agency}, node.toml says {config.agency}")
    refuse_example_keys(seeds, config.hub.host)
    stop = stop or _stop_on_signals()
    with home_lock(config.lock):
        async with AsyncExitStack() as closing:
            store = Store(config.database, seeds.database)
            closing.push_async_callback(store.close)
            standing = Standing(config.agency, first_key=config.log.key, trusted_root=_trusted_root(config))
            await store.read(standing.restore)
            identity = Identity(seeds)
            parts = Parts(store, standing, identity, clock, random, config.evidence)
            renewal = None
            if link is None:
                link = renewal = RenewingLink(config.hub, partial(_lists, standing))
            exchange = Exchange(parts, link)
            watch = KeyWatch(store, standing, clock, renewal=renewal, reconnect=exchange.reconnect)
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
                    seeds=seeds,
                    publications=parts.publications,
                    watch=watch,
                    renewal=renewal,
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
                    random=random,
                    evidence=config.evidence,
                    home=config.home,
                ),
                clock=clock,
                random=random,
            )
            api = LocalApi(service, config.socket)
            await api.start()
            closing.push_async_callback(api.close)
            deadlines = DeadlineWatch(store, standing, clock)
            works: list[Coroutine[Any, Any, object]] = [
                exchange.run(),
                watch.run(),
                deadlines.run(),
                housekeeping(store, clock),
                keep_indexed(store),
            ]
            if config.watch.enabled:
                works.append(_watch(config, service, clock, random).run())
            if config.handlers:
                handlers = Handlers(config.handlers, store, environment=os.environ, now=clock, random=random)
                works.append(handlers.run())
            Alert.model_rebuild()  # or the first alert, which may be a flash, waits 150 ms for it
            log.info("ready", agency=config.agency, hub=config.hub.url, directory=standing.version, pid=os.getpid())
            await until_first(stop.wait(), *works)
    log.info("stopped", agency=config.agency)


def _lists(standing: Standing, pin: bytes) -> bool:
    """Whether the directory held lists a certificate key as this agency's."""
    keys = standing.history.latest.keys.get(standing.agency) if len(standing.history) else None
    return keys is not None and pin in keys.tls


def _watch(config: NodeConfig, service: NodeService, clock: Clock, random: Random) -> WatchedFolder:
    async def submit(document: dict[str, Any], alert_id: bytes) -> object:
        return await service.sending.send(document, alert_id=alert_id)

    return WatchedFolder(config.watch.folder, submit, now=clock, random=random)


async def housekeeping(store: Store, clock: Clock) -> None:
    """Forget old events and old secrets, now and every ten minutes."""
    while True:
        try:
            await store.write(partial(_tidy, now=clock()))
        except StorageFull as full:  # the node stays up and shows what it has
            log.warning("housekeeping waits", code=full.code, message=full.message)
        await asyncio.sleep(HOUSEKEEPING)


def _tidy(tables: Tables, *, now: int) -> None:
    tables.events.prune(now - KEEP_EVENTS_MS)
    tables.pairs.prune(now - KEEP_PAIRS_MS)
    tables.openers.prune(now - KEEP_OPENERS_MS)


def _trusted_root(config: NodeConfig) -> bytes:
    try:
        return config.log.root.read_bytes()
    except OSError as error:
        raise BadConfig(f"the trusted root metadata {config.log.root} cannot be read: {error.strerror}") from None


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
