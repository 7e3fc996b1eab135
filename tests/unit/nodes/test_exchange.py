from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodes.exchange import FIRST_DELAY, LONGEST_DELAY, Exchange
from nodes.session import Parts
from schemas.alert.document import encode_alert
from schemas.errors import NotPinned, StorageFull, StorageInDoubt, StorageTampered, Unreachable
from schemas.session.frames import Block, Bye, Hello, SendReceipt, Submit
from tests.support.envelope import make_alert
from tests.support.fake_hub import FakeHub, FakeLink, HubEnd, eventually, node_parts

ME = "sg-cnb"


class Pauses:
    """In place of sleeping between attempts: notes each pause, and waits until the test lets it pass."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._asked: asyncio.Queue[None] = asyncio.Queue()
        self._passes = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self._asked.put_nowait(None)
        await self._passes.acquire()

    async def next(self) -> float:
        """Let the next pause pass; how long it would have been."""
        async with asyncio.timeout(10):
            await self._asked.get()
        self._passes.release()
        return self.taken[-1]


class Running:
    def __init__(self, exchange: Exchange, link: FakeLink, pauses: Pauses, task: asyncio.Task[None]) -> None:
        self.exchange = exchange
        self.link = link
        self.pauses = pauses
        self.task = task


@asynccontextmanager
async def running(parts: Parts, link: FakeLink) -> AsyncIterator[Running]:
    pauses = Pauses()
    exchange = Exchange(parts, link, sleep=pauses)
    task = asyncio.create_task(exchange.run())
    try:
        yield Running(exchange, link, pauses, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
async def parts(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Parts]:
    async with node_parts(tmp_path, hub, ME) as made:
        yield made


async def events(parts: Parts, kind: str) -> list[dict[str, object]]:
    found = await parts.store.read(lambda t: t.events.after(0))
    return [event.as_dict() for event in found if event.type == kind]


async def test_it_connects_and_says_so(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, FakeLink(hub)) as run:
        await (await run.link.accepted()).catch_up()
        await eventually(lambda: events(parts, "link"))
        state = run.exchange.state
    assert state.connected
    assert state.clock_offset is not None
    assert abs(state.clock_offset) < 10_000


async def test_it_connects_again_after_the_hub_went_away(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.catch_up()
        await end.close()
        await run.pauses.next()
        assert not run.exchange.state.connected
        assert run.exchange.state.code == "unreachable"
        assert (await (await run.link.accepted()).expect(Hello)).agency == ME


async def test_the_pauses_grow_with_jitter_up_to_a_limit(parts: Parts, hub: FakeHub) -> None:
    link = FakeLink(hub)
    link.down = Unreachable("no route")
    async with running(parts, link) as run:
        pauses = [await run.pauses.next() for _ in range(12)]
    longest = [min(LONGEST_DELAY, FIRST_DELAY * 2 ** (n + 1)) for n in range(12)]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, longest, strict=True))
    assert len(set(pauses)) > 6


async def test_being_unreachable_raises_no_alarm_and_no_event(parts: Parts, hub: FakeHub) -> None:
    link = FakeLink(hub)
    link.down = Unreachable("no route")
    async with running(parts, link) as run:
        await run.pauses.next()
        await run.pauses.next()
        assert run.exchange.state.message == "no route"
    assert await parts.store.read(lambda t: t.alarms.standing()) == []
    assert await events(parts, "link") == []


async def test_an_impostor_raises_an_alarm(parts: Parts, hub: FakeHub) -> None:
    link = FakeLink(hub)
    link.down = NotPinned("another key", hint="suspect an impostor")
    async with running(parts, link) as run:
        await run.pauses.next()
        (alarm,) = await parts.store.read(lambda t: t.alarms.standing())
    assert (alarm.code, alarm.hint) == ("not-pinned", "suspect an impostor")


async def test_a_lasting_session_clears_the_alarms_of_earlier_ones(
    parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.exchange.PROVEN_AFTER", 0)
    await parts.store.write(lambda t: t.alarms.raise_("duplicate-session", "two nodes", "stop one", now=1))
    await parts.store.write(lambda t: t.alarms.raise_("bad-receipt", "a receipt", "ask", now=1))
    async with running(parts, FakeLink(hub)) as run:
        await (await run.link.accepted()).catch_up()
        await eventually(lambda: parts.store.read(lambda t: t.alarms.get("duplicate-session") is None))
    assert await parts.store.read(lambda t: t.alarms.get("bad-receipt")) is not None


async def test_a_wrong_clock_raises_an_alarm_until_it_is_right(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.welcome(at=hub.clock() + 900_000)
        await eventually(lambda: parts.store.read(lambda t: t.alarms.get("clock-off")))
        await end.close()
        await run.pauses.next()
        await (await run.link.accepted()).welcome()
        await eventually(lambda: parts.store.read(lambda t: t.alarms.get("clock-off") is None))


async def test_after_a_fork_the_hub_is_not_called_but_alerts_are_taken_in(parts: Parts, hub: FakeHub) -> None:
    other = FakeHub(hub.world)
    for _ in range(3):
        forged = other.enter_alert("au-abf")
    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.catch_up()
        await end.block(hub.enter_alert())
        await end.expect(SendReceipt)
        block = other.block(forged, proven=end.proven)
        await end.send(Block(block.checkpoint, block.proof, block.items))
        assert (await end.expect(Bye)).code == "fork"
        await run.pauses.next()
        await eventually(lambda: state_code(run.exchange, "fork"))
        await compose(parts, hub)
        assert await parts.store.read(lambda t: t.outbox.count_waiting()) == 1
        assert run.pauses.taken == run.pauses.taken[:1]
    async with running(parts, FakeLink(hub)) as again:
        await eventually(lambda: state_code(again.exchange, "fork"))
        await parts.store.write(lambda t: t.held.resume())
    async with running(parts, FakeLink(hub)) as resumed:
        await (await resumed.link.accepted()).expect(Hello)


async def state_code(exchange: Exchange, code: str) -> bool:
    await asyncio.sleep(0)
    return exchange.state.code == code


async def compose(parts: Parts, hub: FakeHub) -> None:
    alert = make_alert(hub.world, ME)
    await parts.store.write(lambda t: t.outbox.add(alert, encode_alert(alert), recipients=["hk-customs"], now=1))


async def test_a_failure_in_mid_block_takes_nothing_in_and_the_next_session_does(
    parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.catch_up()
        index = hub.enter_alert()
        with monkeypatch.context() as patch:
            patch.setattr("nodes.receive.apply_notices", boom)
            await end.block(index)
            await run.pauses.next()
        assert await parts.store.read(lambda t: t.alerts.count("in")) == 0
        assert (await parts.store.read(lambda t: t.alarms.get("internal"))) is not None
        end = await run.link.accepted()
        hello = await end.catch_up()
        assert hello.size == 5
        await end.block(index)
        await end.expect(SendReceipt)
    assert await parts.store.read(lambda t: t.alerts.count("in")) == 1


async def test_a_damaged_page_met_by_a_session_raises_an_alarm(
    parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise StorageTampered("a page of node.db was altered")

    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.catch_up()
        monkeypatch.setattr("nodes.receive.apply_notices", damaged)
        await end.block(hub.enter_alert())
        await run.pauses.next()
        alarm = await parts.store.read(lambda t: t.alarms.get("storage-tampered"))
        assert alarm is not None
        assert alarm.hint


def boom(*_: object, **__: object) -> None:
    raise ValueError("a defect")


async def test_doubt_about_the_disk_ends_the_daemon(
    parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doubtful(*_: object, **__: object) -> None:
        raise StorageInDoubt("a commit may or may not be on the disk")

    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.catch_up()
        monkeypatch.setattr("nodes.receive.apply_notices", doubtful)
        await end.block(hub.enter_alert())
        async with asyncio.timeout(10):
            with pytest.raises(StorageInDoubt):
                await run.task


async def test_a_stop_says_goodbye(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.catch_up()
        await end.block(hub.enter_alert())
        await end.expect(SendReceipt)
    assert await end.expect(Bye) == Bye("", "")


async def test_the_outbox_is_sent_by_whichever_session_comes(parts: Parts, hub: FakeHub) -> None:
    await compose(parts, hub)
    async with running(parts, FakeLink(hub)) as run:
        first: HubEnd = await run.link.accepted()
        await first.welcome()
        await first.close()
        await run.pauses.next()
        second = await run.link.accepted()
        await second.catch_up()
        await second.accept(await second.expect(Submit))
        await eventually(lambda: parts.store.read(lambda t: t.alerts.count("out", "accepted")))


async def test_a_store_that_fails_while_a_session_ends_does_not_end_the_node(
    parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StorageFull("no space left")

    async with running(parts, FakeLink(hub)) as run:
        end = await run.link.accepted()
        await end.catch_up()
        await eventually(lambda: events(parts, "link"))
        with monkeypatch.context() as patch:
            patch.setattr(parts.store, "write", full)
            await end.close()
            await run.pauses.next()
        await (await run.link.accepted()).catch_up()
        await eventually(lambda: is_connected(run.exchange))


async def is_connected(exchange: Exchange) -> bool:
    await asyncio.sleep(0)
    return exchange.state.connected


async def test_it_connects_anew_when_asked_to(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, FakeLink(hub)) as run:
        run.exchange.reconnect()  # nothing is open yet: there is nothing to end
        await (await run.link.accepted()).catch_up()
        await eventually(lambda: events(parts, "link"))
        run.exchange.reconnect()
        await run.pauses.next()
        assert run.exchange.state.code == "unreachable"
        await (await run.link.accepted()).catch_up()
        await eventually(lambda: settled_links(parts, 3))
        assert run.exchange.state.connected


async def settled_links(parts: Parts, count: int) -> bool:
    return len(await events(parts, "link")) == count
