from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodes.keys.renewal import RenewingLink
from nodes.keys.watch import REFUSED, KeyWatch
from schemas.errors import NotPinned
from tests.support.certificates import Hub, installed
from tests.support.directory import DAY_MS, NOW
from tests.support.edge import EdgeNode, edge_node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    async with edge_node(tmp_path) as made:
        yield made


@asynccontextmanager
async def watching(
    node: EdgeNode, renewal: RenewingLink | None = None, reconnect: Callable[[], None] = lambda: None
) -> AsyncIterator[KeyWatch]:
    watch = KeyWatch(node.store, node.standing, node.clock, renewal=renewal, reconnect=reconnect)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seen(node: EdgeNode, codes: set[str]) -> dict[str, str]:
    """Wait until exactly these alarms stand; their messages."""
    async with asyncio.timeout(10):
        while True:
            revision = node.store.revision("events")
            standing = {alarm.code: alarm.message for alarm in await node.store.read(lambda t: t.alarms.standing())}
            if set(standing) == codes:
                return standing
            await node.store.wait("events", revision)


async def test_each_step_to_the_end_is_an_alarm_and_an_event(node: EdgeNode) -> None:
    ends = NOW + 730 * DAY_MS
    async with watching(node) as watch:
        for days, codes in (
            (31, set()),
            (30, {"ends-in-30-days"}),
            (7, {"ends-in-7-days"}),
            (1, {"ends-in-1-day"}),
            (0, {"ended"}),
        ):
            node.now = ends - days * DAY_MS
            watch.poke()
            standing = await seen(node, codes)
            assert all("the sealing key" in message for message in standing.values())
        events = await node.store.read(lambda t: t.events.after(0))
    raised = [event.data["code"] for event in events if event.type == "alarm" and "cleared" not in event.data]
    assert raised == ["ends-in-30-days", "ends-in-7-days", "ends-in-1-day", "ended"]


async def test_a_renewal_ends_the_alarm(node: EdgeNode) -> None:
    node.now = NOW + 720 * DAY_MS
    async with watching(node) as watch:
        await seen(node, {"ends-in-30-days"})
        node.now = NOW
        watch.poke()
        await seen(node, set())


async def test_nothing_is_said_of_a_node_without_a_directory(tmp_path: Path) -> None:
    async with edge_node(tmp_path, directory=False) as bare, watching(bare):
        await seen(bare, set())


async def when(happens: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(10):
        while not await happens():
            pass


async def test_a_complete_successor_ends_the_session(node: EdgeNode, link: RenewingLink, listed: set[bytes]) -> None:
    asked = asyncio.Event()
    node.now = NOW + 3 * DAY_MS
    async with watching(node, link, asked.set) as watch:
        pin = installed(link.files)
        watch.poke()
        await node.store.read(lambda t: t.alarms.standing())
        assert not asked.is_set()
        listed.add(pin)
        watch.poke()
        await asyncio.wait_for(asked.wait(), 10)


async def test_a_refused_successor_is_an_alarm_until_it_is_taken(
    node: EdgeNode, link: RenewingLink, hub: Hub, listed: set[bytes]
) -> None:
    async with watching(node, link):
        listed.add(installed(link.files))
        hub.refuses["next.key"] = NotPinned("the hub refuses this certificate")
        await link.connect()
        standing = await seen(node, {REFUSED})
        assert "the hub refuses this certificate" in standing[REFUSED]
        hub.refuses.clear()
        await link.connect()
        await seen(node, set())
