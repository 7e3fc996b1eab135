"""A disk that fails while a courier's file is taken in or made: again afterwards ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from broker.committer import LogSigner
from broker.config import Config
from broker.engines.sqlite import SqliteEngine
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.hub import Storage, make_exchange
from schemas.errors import StorageFull, StorageInDoubt
from schemas.ids import parse_id
from schemas.limits import DAY_MS
from tests.support.carrying import HUB_KEY
from tests.support.courier import Counter, Station, station
from tests.support.directory import World, make_world
from tests.support.faulty_vfs import Fault, FaultyVfs, faulty_vfs
from tests.support.hub import TestClock, new_hub, running_hub

ME, OTHER, THIRD = "hk-customs", "sg-cnb", "au-abf"
NODE = "node.db-wal"
FAULTS = {
    "full": ("write", apsw.FullError, False, StorageFull),
    "lost": ("write", apsw.IOError, False, StorageInDoubt),
    "kept": ("sync", apsw.IOError, True, StorageInDoubt),
}
faults = pytest.mark.parametrize("kind", FAULTS)


def fault(kind: str, suffix: str, after: int) -> tuple[Fault, type[Exception]]:
    """The fault of that kind which strikes after so many operations, and what is then raised."""
    operation, error, kept, expected = FAULTS[kind]
    return Fault(operation, suffix, error, kept, after), expected


class Record(Fault):
    """Strikes never; notes the order of writes and flushes."""

    def __init__(self, suffix: str) -> None:
        super().__init__("", suffix, apsw.IOError, kept=False)
        self.seen: list[str] = []

    def strikes(self, operation: str, name: str) -> bool:
        if name.endswith(self.suffix):
            self.seen.append(operation)
        return False

    def moments(self, kind: str) -> list[int]:
        """After how many operations a fault is worth having: before each flush; at a commit's first and last write."""
        operation = FAULTS[kind][0]
        if operation == "sync":
            return list(range(self.seen.count("sync")))
        edge = ["sync", *self.seen, "sync"]
        edges = [n for n, each in enumerate(self.seen) if each == "write" and "sync" in (edge[n], edge[n + 2])]
        return [self.seen[:n].count("write") for n in edges]


@pytest.fixture
def vfs(tmp_path: Path) -> Iterator[FaultyVfs]:
    with faulty_vfs(f"courier-{os.getpid()}-{id(tmp_path)}") as made:
        yield made


class Scene:
    """A hub, the agency `OTHER` whose disk is going to fail, and the folder its node lies in before that."""

    def __init__(self, folder: Path, vfs: FaultyVfs) -> None:
        self.world, self.clock = make_world(carrier=True), TestClock()
        self.folder = folder
        self.vfs = vfs
        self.config = new_hub(self.world, folder, self.clock)

    def node(self, folder: Path, agency: str = OTHER) -> Any:
        return station(agency, self.world, folder, self.clock, vfs=self.vfs.name if agency == OTHER else None)

    def copy(self, name: str, source: Path | None = None) -> Path:
        """The node's files as they are now, elsewhere: what a crash would leave."""
        target = self.folder / name
        shutil.copytree((source or self.folder) / OTHER, target / OTHER)
        return target

    async def answer(self, counter: Counter) -> bytes:
        """A file for `OTHER` with all there can be: directory, alerts, an attachment, receipts, and answers."""
        async with self.node(self.folder) as other, self.node(self.folder, ME) as me:
            for each in (other, me):
                await each.take(await counter.make(each.agency))
            await other.send(ME)
            await counter.exchange_files(other)
            await counter.exchange_files(me)
            await me.send(OTHER, files=[random.Random(1).randbytes(300_000)])
            await me.send(OTHER, THIRD)
            await counter.hand_in(await me.export())
            await other.send(ME)
            await other.send("region:asia")
            out = await other.export()
            self.world.change_agency(THIRD, status="suspended")
            await counter.publish("targets")
            self.clock.now += DAY_MS
            return await counter.answer(await counter.hand_in(out))


async def held(node: Station) -> Any:
    """Everything a node holds, but for what it says of its own disk."""

    def read(tables: Any) -> Any:
        return tables.held.checkpoint, tables.held.notices, tables.held.halted, tables.directory.newest()

    return await node.everything(), await node.store.read(read), node.standing.checkpoint, node.standing.version


@faults
async def test_a_node_whose_disk_fails_in_an_import_imports_again(tmp_path: Path, vfs: FaultyVfs, kind: str) -> None:
    scene = Scene(tmp_path, vfs)
    async with running_hub(scene.config, scene.clock) as hub:
        data = await scene.answer(Counter(hub.exchange, scene.world))
    async with scene.node(scene.copy("undisturbed")) as node:
        vfs.fault = record = Record(NODE)
        brought = await node.take(data)
        vfs.fault = None
        expected = await held(node)
    assert (brought["alerts"], brought["attachments"], brought["receipts"]) == (2, 1, 1)
    assert (brought["accepted"], brought["refused"], brought["directories"]) == (1, 1, 1)
    moments = record.moments(kind)
    assert len(moments) >= 4
    for after in moments:
        place = scene.copy(f"{after}")
        async with scene.node(place) as node:
            vfs.fault, error = fault(kind, NODE, after)
            with pytest.raises(error):
                await node.take(data)
            assert vfs.fault.met
            vfs.fault = None
            if kind == "full":
                await node.take(data)
                assert await held(node) == expected
                continue
            with pytest.raises(StorageInDoubt):
                await node.take(data)
            crashed = scene.copy(f"{after}-crashed", place)
        async with scene.node(crashed) as node:
            await node.take(data)
            assert await held(node) == expected
            assert (await node.take(data))["alerts"] == 0
            assert await held(node) == expected


@faults
async def test_a_node_whose_disk_fails_in_an_export_exports_again(tmp_path: Path, vfs: FaultyVfs, kind: str) -> None:
    """An alert is in a file only when it is known to be: no second sealing of it can go another way."""
    scene = Scene(tmp_path, vfs)
    async with running_hub(scene.config, scene.clock) as hub:
        counter = Counter(hub.exchange, scene.world)
        async with scene.node(scene.folder) as node:
            await node.take(await counter.make(OTHER))
            alerts = [await node.send(ME), await node.send(THIRD)]
        async with scene.node(scene.copy("undisturbed")) as node:
            vfs.fault = record = Record(NODE)
            await node.export()
            vfs.fault = None
        indexes: list[Any] = []
        moments = record.moments(kind)
        assert len(moments) >= len(alerts)
        for after in moments:
            place = scene.copy(f"{after}")
            async with scene.node(place) as node:
                vfs.fault, error = fault(kind, NODE, after)
                with pytest.raises(error):
                    await node.export()
                assert vfs.fault.met
                vfs.fault = None
                crashed = scene.copy(f"{after}-crashed", place)
            async with scene.node(crashed) as node:
                exported = await node.store.read(lambda tables: tables.outbox.count_exported())
                assert exported <= len(alerts)
                data = await node.export()
                assert node.summary["alerts"] == len(alerts)
                assert await node.store.read(lambda tables: tables.outbox.count_exported()) == len(alerts)
                first = await marks(node, alerts)
                assert await node.export() != data
                assert await marks(node, alerts) == first, "the bytes that are on their way, and the word for them"
                if not indexes:
                    taken = await counter.hand_in(data)
                    indexes = [answer.verdict for answer in taken.answers]
                    assert (await node.take(await counter.answer(taken)))["accepted"] == len(alerts)
                    assert [(await node.state(alert))[0] for alert in alerts] == ["accepted"] * len(alerts)
    assert len(indexes) == len(alerts)


async def marks(node: Station, alerts: list[Any]) -> list[Any]:
    """Each alert's sealed bytes and its word of carriage."""

    def read(tables: Any) -> list[Any]:
        rows = [tables.outbox.get(tables.alerts.get("out", parse_id(alert.id)).number) for alert in alerts]
        return [(row.header, row.body, row.carried) for row in rows]

    found = await node.store.read(read)
    assert all(each[2] for each in found)
    return found


# -- the hub -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def hub_on(
    vfs: FaultyVfs, folder: Path, config: Config, world: World, clock: TestClock
) -> AsyncIterator[Counter]:
    """A hub whose log and anchor lie in `folder`, on a disk that may fail."""
    engine = SqliteEngine(folder / "log.db", reserve=0, vfs=vfs.name)
    anchor = SqliteAnchor(folder / "anchor.db", vfs=vfs.name)
    signer = LogSigner(world.origin, world.log_key, carrier=HUB_KEY)
    exchange = make_exchange(Storage(engine, anchor, signer, world.trusted_root), config, clock)
    running = asyncio.create_task(exchange.run())
    try:
        yield Counter(exchange, world)
    finally:
        vfs.fault = None
        exchange.stop()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        exchange.close()
        engine.close()
        anchor.close()


@pytest.mark.parametrize("suffix", ["log.db-wal", "anchor.db-wal"])
@pytest.mark.parametrize("kind", ["lost", "kept"])
async def test_a_hub_whose_disk_fails_in_an_import_imports_again(
    tmp_path: Path, vfs: FaultyVfs, kind: str, suffix: str
) -> None:
    """Blocks of one entry each, so that the file is in several when the disk fails between them, or in one."""
    world, clock = make_world(carrier=True), TestClock()
    config = new_hub(world, tmp_path, clock, block_entries=1)
    async with station(ME, world, tmp_path, clock) as node:
        async with hub_on(vfs, config.data, config, world, clock) as counter:
            await node.take(await counter.make(ME))
        await node.send(OTHER, files=[b"a picture"])
        for _ in range(2):
            await node.send(OTHER, THIRD)
        data = await node.export()
        shutil.copytree(config.data, tmp_path / "undisturbed")
        async with hub_on(vfs, tmp_path / "undisturbed", config, world, clock) as counter:
            vfs.fault = record = Record(suffix)
            verdicts = [answer.verdict for answer in (await counter.hand_in(data)).answers]
            vfs.fault = None
            log = counter.entries()
        assert verdicts == [5, 6, 7]
        moments = record.moments(kind)
        assert len(moments) >= len(verdicts)
        for after in moments:
            place, crashed = tmp_path / f"{after}", tmp_path / f"{after}-crashed"
            shutil.copytree(config.data, place)
            async with hub_on(vfs, place, config, world, clock) as counter:
                vfs.fault, error = fault(kind, suffix, after)
                with pytest.raises(error):
                    await counter.hand_in(data)
                assert vfs.fault.met
                shutil.copytree(place, crashed)
            async with hub_on(vfs, crashed, config, world, clock) as counter:
                taken = await counter.hand_in(data)
                assert [answer.verdict for answer in taken.answers] == verdicts
                assert counter.entries() == log
        async with hub_on(vfs, crashed, config, world, clock) as counter:
            assert (await node.take(await counter.answer(taken)))["accepted"] == len(verdicts)
