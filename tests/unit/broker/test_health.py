"""Health and metrics, as a load balancer and a collector read them."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from broker.config import Address
from broker.health import Health
from broker.hub import Hub
from broker.metrics import CONTENT_TYPE
from schemas.errors import BadConfig, StorageInDoubt
from tests.support.directory import make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import connect


async def get(hub: Hub, path: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{hub.health.address}{path}") as answer:
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_a_hub_is_ready_until_it_stops_or_fails(tmp_path: Path) -> None:
    async with running_hub(new_hub(make_world(), tmp_path)) as hub:
        assert (await get(hub, "/healthz"))[:2] == (200, '{"alive": true}')
        assert (await get(hub, "/readyz"))[:2] == (200, '{"ready": true, "size": 5, "directory": 5}')
        hub.exchange.fault = StorageInDoubt("a commit failed")
        status, text, _ = await get(hub, "/readyz")
        assert status == 503
        assert "storage-in-doubt" in text
        assert "a commit failed" in text
        hub.exchange.fault = None
        hub.exchange.stop()
        status, text, _ = await get(hub, "/readyz")
        assert (status, "stopping" in text) == (503, True)
        assert (await get(hub, "/healthz"))[0] == 200


async def test_a_hub_that_starts_is_not_ready_yet(tmp_path: Path) -> None:
    async with running_hub(new_hub(make_world(), tmp_path)) as hub:
        hub.health.ready = False
        status, text, _ = await get(hub, "/readyz")
        assert (status, "starting" in text) == (503, True)


async def test_metrics_count_what_happened_and_name_no_one(tmp_path: Path) -> None:
    world = make_world()
    async with (
        running_hub(new_hub(world, tmp_path)) as hub,
        connect(world, "hk-customs", hub.server.address, tmp_path) as sender,
        connect(world, "sg-cnb", hub.server.address, tmp_path) as recipient,
    ):
        await sender.hello()
        await recipient.hello()
        sealed, pairs = seal_alert(world, make_alert(world, "hk-customs"))
        await sender.submit(sealed, pairs)
        await recipient.until(lambda: recipient.inbox)
        await recipient.acknowledge(recipient.inbox[0])
        other, pairs = seal_alert(world, make_alert(world, "hk-customs", number=2))
        assert not (await sender.submit(replace(other, body=b"x"), pairs)).accepted
        status, text, kind = await get(hub, "/metrics")
    assert (status, kind) == (200, CONTENT_TYPE)
    for line in (
        'crossbearing_entries_total{kind="alert"} 1.0',
        'crossbearing_entries_total{kind="refusal"} 1.0',
        'crossbearing_accepted_total{kind="receipt"} 1.0',
        'crossbearing_refused_total{code="body-mismatch",kind="alert"} 1.0',
        "crossbearing_deliveries_total 1.0",
        'crossbearing_receipts_total{state="stored"} 1.0',
        'crossbearing_outstanding{precedence="priority"} 1.0',
        "crossbearing_sessions 2.0",
        "crossbearing_log_size 8.0",
        "crossbearing_storage_ok 1.0",
        "crossbearing_block_entries_count 3.0",
    ):
        assert line in text.splitlines(), text
    assert "customs" not in text
    assert "sg-cnb" not in text


async def test_a_taken_address_is_named(tmp_path: Path) -> None:
    async with running_hub(new_hub(make_world(), tmp_path)) as hub:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            health = Health(hub.exchange, Address("127.0.0.1", taken.getsockname()[1]))
            with pytest.raises(BadConfig):
                await health.start()
            await health.stop()
