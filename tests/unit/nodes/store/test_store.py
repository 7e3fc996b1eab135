from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from nodes.store.database import Database, Failed, Tables
from nodes.store.store import Follower, Store
from schemas.errors import NotFound, ShuttingDown

KEY = bytes(range(32))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "node.db", KEY)
    yield made
    await made.close()


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.db", KEY)
    await store.write(lambda t: t.held.put("name", b"value"))
    await store.close()
    store = Store(tmp_path / "node.db", KEY)
    assert await store.read(lambda t: t.held.get("name")) == b"value"
    await store.close()


async def test_work_that_raises_is_rolled_back_and_its_neighbours_are_not(store: Store) -> None:
    def bad(tables: Tables) -> None:
        tables.held.put("bad", b"x")
        raise NotFound("on purpose")

    results = await asyncio.gather(
        store.write(lambda t: t.held.put("a", b"1")),
        store.write(bad),
        store.write(lambda t: t.held.put("b", b"2")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), NotFound, type(None)]
    held = await store.read(lambda t: [t.held.get(name) for name in ("a", "bad", "b")])
    assert held == [b"1", None, b"2"]


async def test_a_burst_of_writes_shares_commits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    write_all = Database.write_all

    def counting(self: Database, works: Any) -> Any:
        commits.append(len(works))
        return write_all(self, works)

    monkeypatch.setattr(Database, "write_all", counting)
    await asyncio.gather(*(store.write(lambda t, n=n: t.held.put(str(n), b"x")) for n in range(200)))  # type: ignore[misc]
    assert sum(commits) == 200
    assert len(commits) < 150


def followed(work: Callable[[Tables], object] | None, told: list[object]) -> Follower:
    return Follower("outbox", lambda: work, told.append)


def touch(tables: Tables) -> None:
    tables.topics.add("outbox")


def changing(tables: Tables) -> None:
    tables.held.put("a", b"1")
    touch(tables)


async def test_what_follows_a_change_is_durable_with_it_and_told_before_the_next_begins(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all, commits, told = Database.write_all, list[int](), list[object]()

    def counting(self: Database, works: Sequence[Callable[[Tables], object]]) -> object:
        commits.append(len(told))
        return write_all(self, works)

    monkeypatch.setattr(Database, "write_all", counting)
    with store.follow(followed(lambda tables: tables.held.get("a"), told)):
        later = store.write(lambda tables: tables.held.put("a", b"2")), store.write(touch)  # while the first is done
        await asyncio.gather(store.write(changing), *later)
        assert (commits, told) == ([0, 1], [b"1", b"2"])
        await store.write(lambda tables: tables.held.put("a", b"3"))
        await store.read(touch)
        assert len(told) == 2, "nothing of the topic changed"
    await store.write(touch)
    assert len(told) == 2, "nobody follows any more"


async def test_a_follower_that_fails_is_told_so_and_takes_nothing_with_it(store: Store) -> None:
    def broken(tables: Tables) -> None:
        tables.held.put("b", b"2")
        raise NotFound("broken")

    told: list[object] = []
    with store.follow(followed(broken, told)), store.follow(followed(None, told)):
        await store.write(changing)
    assert [type(outcome.error) for outcome in told if isinstance(outcome, Failed)] == [NotFound]
    assert await store.read(lambda tables: (tables.held.get("a"), tables.held.get("b"))) == (b"1", None)


async def test_work_alone_that_raises_leaves_nothing_and_nothing_follows_it(store: Store) -> None:
    def bad(tables: Tables) -> None:
        changing(tables)
        raise NotFound("on purpose")

    told: list[object] = []
    with store.follow(followed(lambda tables: tables.held.put("b", b"2"), told)):
        with pytest.raises(NotFound):
            await store.write(bad)
        assert await store.read(lambda tables: (tables.held.get("a"), tables.held.get("b"))) == (None, None)
        await store.write(changing)
    assert told == [None]
    assert await store.read(lambda tables: (tables.held.get("a"), tables.held.get("b"))) == (b"1", b"2")


async def test_a_follower_is_told_nothing_of_a_commit_that_failed(store: Store) -> None:
    def rude(tables: Tables) -> None:
        touch(tables)
        tables.held._db.execute("ROLLBACK")
        raise ValueError("rude")

    told: list[object] = []
    with store.follow(followed(lambda tables: 1, told)):
        with pytest.raises(ValueError, match="rude"):
            await store.write(rude)
        await store.write(touch)
    assert told == [1]


async def test_a_reader_raises_what_its_work_raises(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.read(lambda t: t.alerts.find("abcdef"))


async def test_waiting_ends_with_a_change_of_the_topic(store: Store) -> None:
    seen = store.revision("events")
    waiting = asyncio.create_task(store.wait("events", seen))
    await store.write(lambda t: t.held.put("other", b"x"))
    assert not waiting.done()
    await store.write(lambda t: t.events.add("link", {"connected": True}, now=1))
    async with asyncio.timeout(10):
        assert await waiting == seen + 1


async def test_waiting_for_what_already_happened_returns_at_once(store: Store) -> None:
    await store.write(lambda t: t.events.add("link", {"connected": True}, now=1))
    async with asyncio.timeout(10):
        assert await store.wait("events", 0) == 1


async def test_a_change_rolled_back_wakes_nobody_for_good(store: Store) -> None:
    def bad(tables: Tables) -> None:
        tables.events.add("link", {"connected": True}, now=1)
        raise NotFound("on purpose")

    with pytest.raises(NotFound):
        await store.write(bad)
    assert await store.read(lambda t: t.events.after(0)) == []


async def test_a_caller_that_gave_up_disturbs_nobody(store: Store) -> None:
    task = asyncio.create_task(store.write(lambda t: t.held.put("a", b"1")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await store.read(lambda t: t.held.get("a")) == b"1"


async def test_closing_finishes_what_was_submitted_and_refuses_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.db", KEY)
    writes = [asyncio.create_task(store.write(lambda t, n=n: t.held.put(str(n), b"x"))) for n in range(50)]  # type: ignore[misc]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    with pytest.raises(ShuttingDown):
        await store.read(lambda t: t.held.get("0"))
    await store.close()


async def test_work_that_ends_the_transaction_itself_fails_all_and_the_store_goes_on(store: Store) -> None:
    def rude(tables: Tables) -> None:
        tables.held._db.execute("ROLLBACK")
        raise ValueError("rude")

    results = await asyncio.gather(
        store.write(rude), store.write(lambda t: t.held.put("a", b"1")), return_exceptions=True
    )
    assert isinstance(results[0], ValueError)
    await store.write(lambda t: t.held.put("b", b"2"))
    assert await store.read(lambda t: t.held.get("b")) == b"2"


# The write-ahead log --------------------------------------------------------------------------------------------------


async def test_the_log_is_folded_in_when_nothing_else_is_to_be_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fold = Database.fold

    def noted(self: Database) -> None:
        done.append("folded")
        fold(self)

    def put(name: str) -> Callable[[Tables], None]:
        def work(tables: Tables) -> None:
            done.append(name)
            tables.held.put(name, bytes(10_000))

        return work

    monkeypatch.setattr(Database, "fold", noted)
    monkeypatch.setattr("nodes.store.database.FOLD_AT", 5)
    monkeypatch.setattr("nodes.store.store._BATCH", 1)
    await asyncio.gather(*(store.write(put(name)) for name in "abc"))
    await store.read(lambda t: done.append("read"))
    assert done == ["a", "b", "c", "folded", "read"]
    monkeypatch.setattr("nodes.store.database.FOLD_AT", 500)
    await store.write(put("d"))
    assert done[-1] == "d"


async def test_a_long_log_is_folded_in_however_busy_the_store_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[int] = []
    monkeypatch.setattr(Database, "fold", lambda self: folded.append(self._unfolded))
    monkeypatch.setattr("nodes.store.database.FOLD_AT", 1_000_000)
    monkeypatch.setattr("nodes.store.database.FOLD_NOW", 20)
    for name in range(9):
        await store.write(partial(_put, name=str(name)))
    assert folded
    assert folded[0] >= 20


def _put(tables: Tables, *, name: str) -> None:
    tables.held.put(name, bytes(10_000))


async def test_a_log_that_cannot_be_folded_in_is_no_failure(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def wal_checkpoint(self, **_: object) -> None:
            raise apsw.FullError("no space left")

    monkeypatch.setattr(store._database, "_connection", Full())
    store._database.fold()
    assert not store._database.wants_folding
