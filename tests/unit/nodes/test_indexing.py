from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from nodes.indexing import TOGETHER, keep_indexed
from nodes.store.database import Tables
from nodes.store.store import Store
from schemas.alert.document import encode_alert
from schemas.errors import StorageFull
from tests.support.directory import NOW, make_world
from tests.support.envelope import make_alert
from tests.support.fake_hub import DATABASE_KEY, eventually

WORLD = make_world()


def send(first: int, count: int) -> Callable[[Tables], None]:
    alerts = [make_alert(WORLD, "sg-cnb", number=number) for number in range(first, first + count)]

    def add(tables: Tables) -> None:
        for alert in alerts:
            tables.outbox.add(alert, encode_alert(alert), recipients=["hk-customs"], now=NOW)

    return add


async def test_alerts_are_indexed_when_they_have_gathered(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.db", DATABASE_KEY)
    slept = asyncio.Semaphore(0)

    async def sleep(_: float) -> None:
        await slept.acquire()

    async def all_in() -> bool:
        return await store.read(lambda tables: tables.search.pending()) == 0

    await store.write(send(0, TOGETHER + 1))
    task = asyncio.create_task(keep_indexed(store, sleep=sleep))
    await eventually(all_in)
    await store.write(send(1000, 3))
    assert not await all_in()
    slept.release()
    await eventually(all_in)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


async def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "node.db", DATABASE_KEY)
    tried, slept = asyncio.Event(), asyncio.Event()
    write = store.write

    async def full(_: object) -> bool:
        tried.set()
        raise StorageFull("no space left")

    async def sleep(_: float) -> None:
        await slept.wait()

    async def all_in() -> bool:
        return await store.read(lambda tables: tables.search.pending()) == 0

    await write(send(0, 2))
    with monkeypatch.context() as patch:
        patch.setattr(store, "write", full)
        task = asyncio.create_task(keep_indexed(store, sleep=sleep))
        await tried.wait()
    await write(send(10, 2))
    slept.set()
    await eventually(all_in)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()
