from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from nodes.client import NodeClient
from nodes.config import NodeConfig
from nodes.daemon import run_node
from nodes.lock import home_lock
from nodes.store.store import Store
from schemas.errors import BadConfig, ExampleKeys, StorageFull, StorageLocked, StorageTampered
from schemas.session.frames import Bye, SendReceipt, Submit
from tests.support.envelope import counting_random
from tests.support.fake_hub import FakeHub, FakeLink, example_config, example_seeds

ME = "sg-cnb"
SECRET = "seven drums of lantern oil"


class Running:
    def __init__(self, config: NodeConfig, link: FakeLink, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.client = NodeClient(config.socket)
        self.link = link
        self.stop = stop
        self.task = task


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def config(tmp_path: Path, hub: FakeHub) -> NodeConfig:
    return example_config(tmp_path, hub, ME)


@asynccontextmanager
async def running(config: NodeConfig, hub: FakeHub) -> AsyncIterator[Running]:
    link, stop = FakeLink(hub), asyncio.Event()
    task = asyncio.create_task(
        run_node(config, example_seeds(ME), link=link, clock=hub.clock, random=counting_random(ME), stop=stop)
    )
    try:
        yield Running(config, link, stop, task)
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await task


async def test_it_serves_its_users_and_the_hub_and_stops_in_good_order(config: NodeConfig, hub: FakeHub) -> None:
    async with running(config, hub) as node:
        end = await node.link.accepted()
        await end.catch_up()
        await end.block(hub.enter_alert(title="From the hub"))
        await end.expect(SendReceipt)
        submitted = asyncio.create_task(end.expect(Submit))
        sent = await asyncio.to_thread(
            node.client.send,
            {
                "kind": "watch",
                "title": "From an officer",
                "to": ["hk-customs"],
                "narrative": SECRET,
                "subjects": [{"type": "container", "number": "CSQU3054383"}],
            },
        )
        await end.accept(await submitted)
        inbox = await asyncio.to_thread(node.client.inbox)
        assert [alert["title"] for alert in inbox["alerts"]] == ["From the hub"]
        status = await asyncio.to_thread(node.client.status)
        assert (status["connected"], status["agency"]) == (True, ME)
        assert sent["recipients"] == ["hk-customs"]
    assert await end.expect(Bye) == Bye("", "")
    assert not config.socket.exists()


async def test_the_log_says_ready_and_no_words_of_an_alert(config: NodeConfig, hub: FakeHub) -> None:
    with capture_logs() as lines:
        async with running(config, hub) as node:
            end = await node.link.accepted()
            await end.catch_up()
            await end.block(hub.enter_alert(title=SECRET, narrative=SECRET))
            await end.expect(SendReceipt)
            await asyncio.to_thread(node.client.status)
    assert [line["event"] for line in lines if line["event"] in ("ready", "stopped")] == ["ready", "stopped"]
    assert SECRET not in str(lines)


async def test_a_second_daemon_on_the_home_is_refused(config: NodeConfig, hub: FakeHub) -> None:
    with home_lock(config.lock), pytest.raises(StorageLocked):
        await run_node(config, example_seeds(ME), link=FakeLink(hub), stop=asyncio.Event())


async def test_the_keystore_must_be_of_the_agency(config: NodeConfig, hub: FakeHub) -> None:
    with pytest.raises(BadConfig, match="keystore is of au-abf"):
        await run_node(config, example_seeds("au-abf"), link=FakeLink(hub), stop=asyncio.Event())


async def test_a_full_disk_leaves_what_is_here_readable(
    config: NodeConfig, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StorageFull("no space left")

    monkeypatch.setattr(Store, "write", full)
    async with running(config, hub) as node:
        await node.link.accepted()
        assert (await asyncio.to_thread(node.client.inbox))["alerts"] == []
        assert not node.task.done()


async def test_example_keys_run_on_loopback_only(config: NodeConfig, hub: FakeHub) -> None:
    elsewhere = replace(config, hub=replace(config.hub, host="hub.example"))
    with pytest.raises(ExampleKeys):
        await run_node(elsewhere, example_seeds(ME), link=FakeLink(hub), stop=asyncio.Event())


async def test_a_database_of_other_keys_is_refused(config: NodeConfig, hub: FakeHub) -> None:
    async with running(config, hub):
        pass
    other = replace(example_seeds(ME), database=b"another database key............")
    with pytest.raises(StorageTampered):
        await run_node(config, other, link=FakeLink(hub), stop=asyncio.Event())


async def test_without_its_trusted_root_it_does_not_start(config: NodeConfig, hub: FakeHub) -> None:
    config.log.root.unlink()
    with pytest.raises(BadConfig, match="trusted root"):
        await run_node(config, example_seeds(ME), link=FakeLink(hub), stop=asyncio.Event())


async def test_a_signal_stops_it(config: NodeConfig, hub: FakeHub) -> None:
    link = FakeLink(hub)
    task = asyncio.create_task(run_node(config, example_seeds(ME), link=link, clock=hub.clock))
    await link.accepted()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await task


async def test_the_watched_folder_is_watched_when_it_is_on(config: NodeConfig, hub: FakeHub) -> None:
    folder = config.watch.folder
    for name in ("in", "done", "failed"):
        (folder / name).mkdir(parents=True)
    document = "kind: watch\ntitle: By file\nto: [hk-customs]\nsubjects: [{type: container, number: CSQU3054383}]\n"
    (folder / "in" / "alert.yaml").write_text(document, encoding="utf-8")
    watching = replace(config, watch=replace(config.watch, enabled=True))
    async with running(watching, hub) as node:
        end = await node.link.accepted()
        await end.catch_up()
        await end.accept(await end.expect(Submit))
