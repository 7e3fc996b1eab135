from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nodes.handlers import queue as module
from nodes.handlers.delivery import Delivery
from nodes.handlers.queue import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, HandlerQueue, backoff
from nodes.handlers.settings import FolderSettings
from nodes.handlers.when import When
from nodes.store.database import Tables
from nodes.store.jobs import Jobs
from nodes.waiting import until_first
from schemas.errors import HandlerFailed, StorageFailed, StorageFull, StorageTampered
from tests.support.edge import EdgeNode, edge_node
from tests.support.envelope import counting_random


class Recorder:
    """A handler that keeps what it is given, and fails as often as told."""

    def __init__(self) -> None:
        self.given: list[Delivery] = []
        self.failures = 0
        self.error: Exception = HandlerFailed("not now")
        self.closed = False
        self.arrived = asyncio.Event()

    async def deliver(self, delivery: Delivery) -> None:
        self.given.append(delivery)
        self.arrived.set()
        if self.failures:
            self.failures -= 1
            raise self.error

    async def close(self) -> None:
        self.closed = True

    @property
    def alerts(self) -> list[str]:
        return [delivery.alert_id for delivery in self.given]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    async with edge_node(tmp_path) as made:
        yield made


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def make_queue(node: EdgeNode, recorder: Recorder, *, when: When | None = None, attempts: int = 3) -> HandlerQueue:
    settings = FolderSettings("files", when or When(), node.home, attempts)
    return HandlerQueue(settings, recorder, node.store, now=node.clock, random=counting_random())


async def recall(node: EdgeNode, alert: str, sender: str = "hk-customs") -> str:
    about = {"type": "recall", "alert": alert}
    return await node.receive(sender, kind="recall", recall={"reason": "x"}, relation=about)


async def correct(node: EdgeNode, alert: str, sender: str = "hk-customs") -> str:
    about = {"type": "correct", "alert": alert}
    return await node.receive(sender, kind="correction", correction={"reason": "x"}, relation=about)


async def test_whoever_was_given_an_alert_is_given_its_correction_and_its_recall(
    node: EdgeNode, recorder: Recorder
) -> None:
    queue = make_queue(node, recorder, when=When(topics=("watch",)))
    await queue.work()
    alert = await node.receive("hk-customs")
    await queue.work()
    first = await correct(node, alert)
    again = await correct(node, first)
    taken = await recall(node, alert)
    await queue.work()
    assert recorder.alerts == [alert, first, again, taken]


async def test_corrections_and_recalls_of_other_alerts_and_by_others_are_not(
    node: EdgeNode, recorder: Recorder
) -> None:
    queue = make_queue(node, recorder, when=When(topics=("watch",), senders=("hk-customs",)))
    await queue.work()
    alert, other = await node.receive("hk-customs"), await node.receive("au-abf")
    await queue.work()
    await recall(node, other, "au-abf")
    await recall(node, alert, "au-abf")
    await recall(node, "019b0a5e-7c00-7abc-8def-0123456789ab")
    await queue.work()
    assert recorder.alerts == [alert]


async def test_what_was_recalled_before_it_was_handed_over_is_left_out(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    alert = await node.receive("hk-customs")
    taken = await recall(node, alert)
    await queue.work()
    assert recorder.alerts == [taken]


async def test_nothing_is_handed_over_after_its_recall(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    recorder.failures = 1
    alert = await node.receive("hk-customs")
    await queue.work()
    taken = await recall(node, alert)
    await queue.work()
    node.now += LONGEST_PAUSE_MS
    await queue.work()
    assert recorder.alerts == [alert, taken]


async def test_every_arrival_once(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    first, second = await node.receive("hk-customs"), await node.receive("au-abf")
    await queue.work()
    await queue.work()
    assert recorder.alerts == [first, second]
    delivery = recorder.given[0]
    assert (delivery.handler, delivery.sender, delivery.topic, delivery.attempt) == ("files", "hk-customs", "watch", 1)
    assert (delivery.marking, delivery.precedence, delivery.status, delivery.operation) == (
        "amber",
        "priority",
        "actual",
        None,
    )


async def test_the_payload_holds_alert_header_and_proof(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    alert = await node.receive("hk-customs", title="茶")
    await queue.work()
    payload = json.loads(recorder.given[0].payload)
    assert payload["id"] == payload["alert"]["id"] == payload["header"]["id"] == alert
    assert payload["alert"]["title"] == "茶"
    assert payload["proof"]["index"] == 5
    assert "茶".encode() in recorder.given[0].payload


async def test_a_new_handler_begins_with_what_comes_next(node: EdgeNode, recorder: Recorder) -> None:
    await node.receive("hk-customs")
    queue = make_queue(node, recorder)
    await queue.work()
    later = await node.receive("hk-customs")
    await queue.work()
    assert recorder.alerts == [later]


async def test_the_filter_decides(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder, when=When(senders=("au-abf",), operations=("marker",)))
    await queue.work()
    await node.receive("hk-customs", operation="marker")
    await node.receive("au-abf")
    wanted = await node.receive("au-abf", operation="marker")
    await queue.work()
    assert recorder.alerts == [wanted]


async def test_a_restart_goes_on_where_the_last_run_stopped(tmp_path: Path, recorder: Recorder) -> None:
    async with edge_node(tmp_path) as node:
        await make_queue(node, recorder).work()
        missed = await node.receive("hk-customs")
    async with edge_node(tmp_path) as node:
        await make_queue(node, recorder).work()
        await make_queue(node, recorder).work()
    assert recorder.alerts == [missed]


async def test_a_crash_before_the_success_is_noted_hands_it_over_again(
    node: EdgeNode, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    alert = await node.receive("hk-customs")

    def crash(*_: object) -> None:
        raise StorageFailed("the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(Jobs, "done", crash)
        with pytest.raises(StorageFailed):
            await queue.work()
    await make_queue(node, recorder).work()
    assert recorder.alerts == [alert, alert]
    assert len({delivery.key for delivery in recorder.given}) == 1
    assert len({delivery.payload for delivery in recorder.given}) == 1


async def test_a_crash_while_planning_loses_nothing(
    node: EdgeNode, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    alert = await node.receive("hk-customs")

    def crash(*_: object) -> None:
        raise StorageFailed("the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(Jobs, "set_cursor", crash)
        with pytest.raises(StorageFailed):
            await queue.work()
    assert recorder.given == []
    await make_queue(node, recorder).work()
    assert recorder.alerts == [alert]


async def test_a_failure_is_tried_again_after_a_pause(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    alert = await node.receive("hk-customs")
    recorder.failures = 1
    await queue.work()
    await queue.work()
    assert len(recorder.given) == 1
    node.now += FIRST_PAUSE_MS
    await queue.work()
    assert recorder.alerts == [alert, alert]
    assert [delivery.attempt for delivery in recorder.given] == [1, 2]


async def test_a_failing_alert_does_not_hold_up_the_others(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    first = await node.receive("hk-customs")
    recorder.failures = 1
    await queue.work()
    second = await node.receive("hk-customs")
    await queue.work()
    assert recorder.alerts == [first, second]


async def test_given_up_after_the_last_attempt_and_revived_by_a_person(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder, attempts=2)
    await queue.work()
    alert = await node.receive("hk-customs")
    recorder.failures = 2
    await queue.work()
    node.now += FIRST_PAUSE_MS
    await queue.work()
    (letter,) = (await node.service.reading.dead_letters())["dead_letters"]
    assert (letter["handler"], letter["alert"], letter["attempts"], letter["reason"]) == ("files", alert, 2, "not now")
    node.now += LONGEST_PAUSE_MS
    await queue.work()
    assert len(recorder.given) == 2
    await node.service.retry_dead_letter(letter["number"])
    await queue.work()
    assert recorder.alerts == [alert] * 3
    assert (await node.service.reading.dead_letters())["dead_letters"] == []


async def test_no_more_jobs_than_have_room_and_every_alert_in_the_end(
    node: EdgeNode, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_JOBS", 3)
    queue = make_queue(node, recorder, attempts=9)
    await queue.work()
    alerts = [await node.receive("hk-customs") for _ in range(8)]
    recorder.failures = 3
    await queue.work()
    assert recorder.alerts == alerts[:3]
    assert await node.store.read(lambda tables: tables.jobs.count_open("files")) == 3
    await make_queue(node, recorder).work()  # a restart forgets none of those that had no room
    assert len(recorder.given) == 3
    node.now += FIRST_PAUSE_MS
    await queue.work()
    assert recorder.alerts[3:] == alerts
    assert await node.store.read(lambda tables: tables.jobs.count_open("files")) == 0


async def test_what_finds_no_room_among_the_dead_letters_is_tried_on(
    node: EdgeNode, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DEAD_LETTERS", 1)
    queue = make_queue(node, recorder, attempts=1)
    await queue.work()
    alerts = [await node.receive("hk-customs") for _ in range(2)]
    recorder.failures = 4
    await queue.work()
    (letter,) = (await node.service.reading.dead_letters())["dead_letters"]
    assert letter["alert"] == alerts[0]
    for _ in range(2):
        node.now += LONGEST_PAUSE_MS
        await queue.work()
    assert recorder.alerts == [*alerts, alerts[1], alerts[1]]
    assert await node.store.read(lambda tables: tables.jobs.count_dead()) == 1
    node.now += LONGEST_PAUSE_MS
    await queue.work()
    assert recorder.alerts[-1] == alerts[1]
    assert await node.store.read(lambda tables: tables.jobs.count_open("files")) == 0


async def test_a_defect_of_the_handler_is_a_failure_like_any_other(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder, attempts=1)
    await queue.work()
    await node.receive("hk-customs")
    recorder.failures, recorder.error = 1, ZeroDivisionError()
    await queue.work()
    (letter,) = (await node.service.reading.dead_letters())["dead_letters"]
    assert letter["reason"] == "the handler met a case it was not written for"


async def test_many_events_that_matter_to_nobody(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()

    def chatter(tables: Tables) -> None:
        for number in range(600):
            tables.events.add("link", {"connected": bool(number % 2)}, now=node.now)

    await node.store.write(chatter)
    alert = await node.receive("hk-customs")
    await queue.work()
    assert recorder.alerts == [alert]
    assert await node.store.read(lambda tables: tables.jobs.cursor("files")) == 601


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set whenever a running queue has nothing to do and begins to wait."""
    begun = asyncio.Event()

    async def wait(*works: Coroutine[Any, Any, object]) -> None:
        begun.set()
        await until_first(*works)

    monkeypatch.setattr(module, "until_first", wait)
    return begun


async def test_running_wakes_for_arrivals_and_closes_the_handler(
    node: EdgeNode, recorder: Recorder, idle: asyncio.Event
) -> None:
    running = asyncio.create_task(make_queue(node, recorder).run())
    await idle.wait()
    alert = await node.receive("hk-customs")
    await recorder.arrived.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert recorder.alerts == [alert]
    assert recorder.closed


async def test_running_wakes_when_a_retry_is_due(
    node: EdgeNode, recorder: Recorder, idle: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_MS", 20)
    running = asyncio.create_task(make_queue(node, recorder).run())
    await idle.wait()
    recorder.failures = 1
    await node.receive("hk-customs")
    await recorder.arrived.wait()
    recorder.arrived.clear()
    idle.clear()
    await idle.wait()
    node.now += 20
    await recorder.arrived.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [delivery.attempt for delivery in recorder.given] == [1, 2]


async def test_running_wakes_when_a_person_revives_a_dead_letter(
    node: EdgeNode, recorder: Recorder, idle: asyncio.Event
) -> None:
    recorder.failures = 1
    running = asyncio.create_task(make_queue(node, recorder, attempts=1).run())
    await idle.wait()
    idle.clear()
    await node.receive("hk-customs")
    await recorder.arrived.wait()
    await idle.wait()
    recorder.arrived.clear()
    (letter,) = (await node.service.reading.dead_letters())["dead_letters"]
    await node.service.retry_dead_letter(letter["number"])
    await recorder.arrived.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(recorder.given) == 2


async def test_a_job_whose_alert_is_gone_is_a_damaged_store(node: EdgeNode, recorder: Recorder) -> None:
    queue = make_queue(node, recorder)
    await queue.work()
    await node.store.write(lambda tables: tables.jobs.plan("files", bytes(16), 1, now=node.now))
    with pytest.raises(StorageTampered):
        await queue.work()


async def test_a_full_disk_is_waited_out(node: EdgeNode, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL_DISK_PAUSE", 0)
    queue = make_queue(node, recorder)
    await queue.plan()
    real, failures = Jobs.done, [StorageFull("no room"), StorageFull("no room")]
    noted = asyncio.Event()
    loop = asyncio.get_running_loop()

    def sometimes(jobs: Jobs, job: int) -> None:
        if failures:
            raise failures.pop()
        real(jobs, job)
        loop.call_soon_threadsafe(noted.set)

    monkeypatch.setattr(Jobs, "done", sometimes)
    running = asyncio.create_task(queue.run())
    await node.receive("hk-customs")
    await noted.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(recorder.given) == 3


def test_pauses_double_up_to_half_an_hour_with_a_little_chance() -> None:
    longest = [backoff(attempts, lambda _: b"\0") for attempts in range(1, 13)]
    assert longest[:4] == [5_000, 10_000, 20_000, 40_000]
    assert longest[-1] == LONGEST_PAUSE_MS
    assert backoff(10_000, lambda _: b"\0") == LONGEST_PAUSE_MS
    assert [backoff(attempts, lambda _: b"\xff") for attempts in (1, 2)] == [4_000, 8_000]
    assert 5_000_000 < sum(longest[:11]) < 7_000_000
