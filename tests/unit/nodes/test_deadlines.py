from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes.deadlines import ALARM, GRACE_MS, NAMED, DeadlineWatch, alarm_words
from nodes.store.deadlines import Overdue
from nodes.store.events import Alarm, Event
from schemas.directory.documents import Agency
from schemas.errors import StorageFull
from schemas.ids import parse_id
from tests.support.alerts import watch
from tests.support.directory import make_world
from tests.support.edge import EdgeNode, edge_node

ALLOWED = 120_000
HOUR = 3_600_000


class Watched:
    """A node whose deadlines are looked at when the test says so."""

    def __init__(self, node: EdgeNode) -> None:
        self.node = node
        self.watch = DeadlineWatch(node.store, node.standing, node.clock)

    async def flash(self, *to: str, **fields: Any) -> str:
        sent = await self.node.service.sending.send(watch(list(to), precedence="flash", **fields))
        return str(sent["id"])

    async def after(self, ms: int) -> None:
        self.node.now += ms
        await self.watch.look()

    async def alarm(self) -> Alarm | None:
        return await self.node.store.read(lambda tables: tables.alarms.get(ALARM))

    async def events(self, kind: str) -> list[Event]:
        return [e for e in await self.node.store.read(lambda tables: tables.events.after(0)) if e.type == kind]

    async def states(self, alert: str) -> dict[str, str]:
        shown = await self.node.service.reading.alert(alert)
        return {entry["agency"]: entry["state"] for entry in shown["recipients"]}


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    world = make_world(publish=False)
    world.change_agency("hk-customs", contact="Duty officer, +852 2545 6182")
    world.publish("root", "targets", *world.agencies)
    async with edge_node(tmp_path, world=world) as node:
        yield Watched(node)


async def test_a_flash_that_nobody_stores_raises_the_alarm_with_the_line_to_call(watched: Watched) -> None:
    alert = await watched.flash("hk-customs", "au-abf")
    await watched.node.accept(alert)
    await watched.node.receipt(alert, "au-abf", "stored")
    await watched.after(ALLOWED + GRACE_MS - 1)
    assert (await watched.alarm(), await watched.events("overdue")) == (None, [])
    await watched.after(1)
    alarm = await watched.alarm()
    assert alarm is not None
    assert alarm.message == f"flash alert {alert[-8:]} is not stored by hk-customs"
    assert alarm.hint == "telephone them. hk-customs: Duty officer, +852 2545 6182"
    (event,) = await watched.events("overdue")
    assert event.data == {"alert": alert, "agency": "hk-customs", "telephone": "Duty officer, +852 2545 6182"}
    await watched.after(HOUR)
    assert len(await watched.events("overdue")) == 1


async def test_one_that_cannot_even_leave_is_noticed_too(watched: Watched) -> None:
    alert = await watched.flash("hk-customs")
    await watched.after(ALLOWED + GRACE_MS)
    assert (await watched.alarm()) is not None
    assert (await watched.states(alert)) == {"hk-customs": "waiting"}


@pytest.mark.parametrize("state", ["stored", "refused"])
async def test_the_alarm_ends_when_the_recipient_answers(watched: Watched, state: str) -> None:
    alert = await watched.flash("hk-customs")
    await watched.node.accept(alert)
    await watched.after(ALLOWED + GRACE_MS)
    await watched.node.receipt(alert, "hk-customs", state)
    await watched.after(1)
    assert (await watched.alarm()) is None


async def test_the_alarm_names_who_is_left(watched: Watched) -> None:
    alert = await watched.flash("hk-customs", "au-abf")
    await watched.node.accept(alert)
    await watched.after(ALLOWED + GRACE_MS)
    await watched.node.receipt(alert, "hk-customs", "stored")
    await watched.after(1)
    alarm = await watched.alarm()
    assert alarm is not None
    assert alarm.message.endswith("is not stored by au-abf")
    assert "au-abf: no line is in the directory" in alarm.hint


async def test_a_recall_ends_the_alarm_and_so_does_the_end_of_the_alert(watched: Watched) -> None:
    recalled, expiring = await watched.flash("hk-customs"), await watched.flash("au-abf", expires_hours=1)
    for number, alert in enumerate((recalled, expiring)):
        await watched.node.accept(alert, index=900 + number)
    await watched.after(ALLOWED + GRACE_MS)
    recall = await watched.node.service.sending.recall(recalled, reason="Wrong ship.")
    await watched.node.accept(recall["id"], index=902)
    await watched.node.receipt(recall["id"], "hk-customs", "stored")
    await watched.after(1)
    alarm = await watched.alarm()
    assert alarm is not None
    assert recalled[-8:] not in alarm.message
    await watched.after(HOUR)
    assert (await watched.alarm()) is None
    assert (await watched.states(expiring)) == {"au-abf": "expired"}


async def test_nothing_but_flash_is_watched_for_that(watched: Watched) -> None:
    sent = await watched.node.service.sending.send(watch(["hk-customs"], precedence="immediate"))
    await watched.node.accept(sent["id"])
    await watched.after(HOUR)
    assert (await watched.alarm()) is None


async def test_the_sender_hears_within_a_second_who_never_had_an_expired_alert(watched: Watched) -> None:
    sent = await watched.node.service.sending.send(watch(["hk-customs", "au-abf"], expires_hours=1))
    await watched.node.accept(sent["id"])
    await watched.node.receipt(sent["id"], "au-abf", "read")
    await watched.after(HOUR - 1)
    assert (await watched.states(sent["id"])) == {"au-abf": "read", "hk-customs": "accepted"}
    await watched.after(1)
    assert (await watched.states(sent["id"])) == {"au-abf": "read", "hk-customs": "expired"}
    told = [event.data for event in await watched.events("state") if event.data["state"] == "expired"]
    assert [(data["code"], data["agencies"]) for data in told] == [("alert-expired", ["hk-customs"])]


async def test_the_governors_rule_the_time(tmp_path: Path) -> None:
    world = make_world(publish=False)
    world.document = replace(world.document, limits=replace(world.document.limits, flash_seconds=10))
    world.publish("root", "targets", *world.agencies)
    async with edge_node(tmp_path, world=world) as node:
        watched = Watched(node)
        await watched.flash("hk-customs")
        await watched.after(10_000 + GRACE_MS)
        assert (await watched.alarm()) is not None


async def test_a_look_that_finds_nothing_writes_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = await watched.flash("hk-customs")
    await watched.node.accept(alert)
    await watched.after(0)

    async def full(work: object) -> None:
        raise StorageFull("no room")

    monkeypatch.setattr(watched.node.store, "write", full)
    await watched.after(1)
    with pytest.raises(StorageFull):
        await watched.after(ALLOWED + GRACE_MS)


async def test_a_full_disk_is_waited_out(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    class EnoughError(Exception):
        pass

    async def look() -> None:
        raise StorageFull("no room")

    async def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise EnoughError

    waiting = DeadlineWatch(watched.node.store, watched.node.standing, watched.node.clock, sleep=sleep)
    monkeypatch.setattr(waiting, "look", look)
    with pytest.raises(EnoughError):
        await waiting.run()
    assert looks == [1.0, 1.0, 1.0]


def test_the_words_stay_short_however_many_wait() -> None:
    alerts = [f"01a05c3e-a400-7000-8000-{number:012}" for number in range(40)]
    agencies = {"sg-cnb": Agency("sg-cnb", "CNB", "SG", "UTC", (), "active", "+65 1800")}
    message, hint = alarm_words([Overdue(alert, "sg-cnb") for alert in alerts], agencies)
    assert message.count("flash alert") == NAMED
    assert message.endswith("; and 35 more")
    assert hint == "telephone them. sg-cnb: +65 1800"
    assert parse_id(alerts[0])
