"""Calling desks from the running hub: what is due, what becomes of the calls, and what a restart goes on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from broker.draft import Work
from broker.escalation import Escalation
from schemas.directory.contacts import Contact
from schemas.errors import StorageFull, Unreachable
from schemas.limits import MAX_ALERTS_IN_CALL
from schemas.log.entry import EscalationEntry, decode_entry
from schemas.log.proof import parse_proof, verify_proof
from tests.support.desk import Desk
from tests.support.directory import make_world
from tests.support.hub import TestClock, new_hub, running_hub
from tests.support.wait import until_async
from tests.unit.broker.test_sessions import RECIPIENT, SENDER, Scene, send

DUE = 120_000
DESK, DEPUTY = (Contact(name, "https://127.0.0.1:9/", bytes(32)) for name in ("desk", "deputy"))


@dataclass
class Desks:
    """A port that reaches whom it is told."""

    answering: set[str] = field(default_factory=lambda: {"desk", "deputy"})
    called: list[tuple[str, bytes, str]] = field(default_factory=list)

    async def call(self, contact: Contact, body: bytes, key: str) -> None:
        self.called.append((contact.id, body, key))
        if contact.id not in self.answering:
            raise Unreachable("it does not answer")


@asynccontextmanager
async def staged(folder: Path, contacts: tuple[Contact, ...] = (DESK, DEPUTY)) -> AsyncIterator[Scene]:
    world, clock = make_world(publish=False), TestClock()
    world.keys[RECIPIENT] = replace(world.keys[RECIPIENT], contacts=contacts)
    world.publish("root", "targets", *world.agencies)
    config = new_hub(world, folder, clock)
    async with running_hub(config, clock) as hub, AsyncExitStack() as stack:
        yield Scene(world, hub, folder, clock, stack)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as scene:
        yield scene


def logged(scene: Scene) -> list[tuple[int, str, str, str | None]]:
    """What the log says of escalations."""
    engine = scene.hub.exchange.engine
    entries = map(decode_entry, engine.entries(0, engine.size()))
    return [(e.index, e.agency, e.outcome, e.contact) for e in entries if isinstance(e, EscalationEntry)]


async def look(escalation: Escalation) -> None:
    """One look, and all the calls that it makes."""
    await escalation.look()
    await escalation.settle()


async def flash(scene: Scene, number: int = 1) -> int:
    """A flash alert to one agency, sent by a node."""
    sender = await scene.open(SENDER)
    index = await send(sender, scene.alert(number, precedence="flash", to=[RECIPIENT]))
    await sender.socket.close()
    return index


async def test_a_desk_is_called_when_the_time_is_over_and_not_before(scene: Scene) -> None:
    desks = Desks()
    escalation = Escalation(scene.hub.exchange, desks.call)
    index = await flash(scene)
    scene.clock.now += DUE - 1
    await look(escalation)
    assert logged(scene) == []
    scene.clock.now += 1
    await look(escalation)
    await look(escalation)
    assert logged(scene) == [(index, RECIPIENT, "due", None), (index, RECIPIENT, "reached", "desk")]
    assert [contact for contact, _, _ in desks.called] == ["desk"]
    assert (
        scene.hub.exchange.metrics.registry.get_sample_value("crossbearing_escalations_total", {"outcome": "reached"})
        == 1
    )


async def test_nobody_is_called_about_what_was_stored_or_is_no_flash(scene: Scene) -> None:
    desks = Desks()
    escalation = Escalation(scene.hub.exchange, desks.call)
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
    await send(sender, scene.alert(1, precedence="flash", to=[RECIPIENT]))
    await send(sender, scene.alert(2, precedence="immediate", to=[RECIPIENT]))
    await recipient.until(lambda: len(recipient.inbox) == 2)
    assert (await recipient.acknowledge(recipient.inbox[0])).accepted
    scene.clock.now += DUE
    await look(escalation)
    assert (logged(scene), desks.called) == ([], [])


async def test_the_sender_is_shown_each_step_with_its_proof(scene: Scene) -> None:
    escalation = Escalation(scene.hub.exchange, Desks().call)
    sender = await scene.open(SENDER)
    await send(sender, scene.alert(1, precedence="flash", to=[RECIPIENT]))
    scene.clock.now += DUE
    await look(escalation)
    await look(escalation)
    await sender.until(lambda: len(sender.notices) == 2)
    assert [decode_entry(item.entry).outcome for item in sender.notices] == ["due", "reached"]  # type: ignore[union-attr]


async def test_the_next_contact_is_called_when_one_does_not_answer(scene: Scene) -> None:
    desks = Desks(answering={"deputy"})
    escalation = Escalation(scene.hub.exchange, desks.call)
    index = await flash(scene)
    scene.clock.now += DUE
    await look(escalation)
    await look(escalation)
    assert logged(scene)[-1] == (index, RECIPIENT, "reached", "deputy")
    assert [contact for contact, _, _ in desks.called] == ["desk", "deputy"]


async def test_that_nobody_answers_is_logged_once_and_tried_again_until_somebody_does(scene: Scene) -> None:
    desks = Desks(answering=set())
    escalation = Escalation(scene.hub.exchange, desks.call, first=0.0)
    index = await flash(scene)
    scene.clock.now += DUE
    for _ in range(4):
        await look(escalation)
    assert [outcome for _, _, outcome, _ in logged(scene)] == ["due", "unreachable"]
    assert len(desks.called) == 8
    assert len({key for _, _, key in desks.called}) == 1, "the same words come under the same key"
    desks.answering = {"desk"}
    await look(escalation)
    assert logged(scene)[-1] == (index, RECIPIENT, "reached", "desk")
    calls = len(desks.called)
    await look(escalation)
    assert len(desks.called) == calls


async def test_a_desk_that_fails_is_left_alone_for_a_while(scene: Scene) -> None:
    desks = Desks(answering=set())
    escalation = Escalation(scene.hub.exchange, desks.call, first=3_600.0)
    await flash(scene)
    scene.clock.now += DUE
    for _ in range(4):
        await look(escalation)
    assert [contact for contact, _, _ in desks.called] == ["desk", "deputy"]


async def test_an_agency_without_contacts_is_unreachable_until_it_publishes_one(tmp_path: Path) -> None:
    async with staged(tmp_path, contacts=()) as scene:
        desks = Desks()
        escalation = Escalation(scene.hub.exchange, desks.call, first=0.0)
        index = await flash(scene)
        scene.clock.now += DUE
        await look(escalation)
        await look(escalation)
        assert [outcome for _, _, outcome, _ in logged(scene)] == ["due", "unreachable"]
        assert desks.called == []
        scene.world.keys[RECIPIENT] = replace(scene.world.keys[RECIPIENT], contacts=(DESK,))
        await scene.publish(RECIPIENT)
        await look(escalation)
        assert logged(scene)[-1] == (index, RECIPIENT, "reached", "desk")


async def test_a_desk_is_told_all_that_waits_in_one_call_and_can_prove_it(scene: Scene) -> None:
    desks = Desks()
    escalation = Escalation(scene.hub.exchange, desks.call)
    indexes = [await flash(scene, number) for number in (1, 2)]
    scene.clock.now += DUE
    await look(escalation)
    await look(escalation)
    ((_, body, _),) = desks.called
    said = Desk.read(body)
    assert (said["agency"], said["log"]) == (RECIPIENT, scene.world.origin)
    assert [alert["index"] for alert in said["alerts"]] == indexes
    assert said["text"].startswith("2 flash alerts from hk-customs not stored by the node of sg-cnb in time.")
    for alert in said["alerts"]:
        proof = parse_proof(alert["proof"].encode())
        assert proof.extra is not None
        verify_proof(proof, proof.extra, scene.world.origin, scene.world.directory.log_keys())
        entry = decode_entry(proof.extra)
        assert isinstance(entry, EscalationEntry)
        assert (entry.index, entry.agency) == (alert["index"], RECIPIENT)


async def test_more_than_one_call_holds_are_told_in_several(scene: Scene) -> None:
    desks = Desks()
    escalation = Escalation(scene.hub.exchange, desks.call, between=0.0)
    sender = await scene.open(SENDER)
    for number in range(1, MAX_ALERTS_IN_CALL + 3):
        await send(sender, scene.alert(number, precedence="flash", to=[RECIPIENT]))
    scene.clock.now += DUE
    for _ in range(3):
        await look(escalation)
    assert [len(Desk.read(body)["alerts"]) for _, body, _ in desks.called] == [MAX_ALERTS_IN_CALL, 2]
    assert sum(outcome == "reached" for _, _, outcome, _ in logged(scene)) == MAX_ALERTS_IN_CALL + 2


async def test_what_becomes_due_beyond_one_look_is_logged_at_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.escalation.MAX_NEW_ESCALATIONS", 2)
    escalation = Escalation(scene.hub.exchange, Desks().call, between=3_600.0)
    for number in (1, 2, 3):
        await flash(scene, number)
    scene.clock.now += DUE
    for expected in (2, 3):
        await look(escalation)
        assert sum(outcome == "due" for _, _, outcome, _ in logged(scene)) == expected


async def test_a_desk_that_was_just_called_is_told_the_next_alerts_together(scene: Scene) -> None:
    desks = Desks()
    escalation = Escalation(scene.hub.exchange, desks.call, between=3_600.0)
    for number in (1, 2, 3):
        await flash(scene, number)
        scene.clock.now += DUE
        await look(escalation)
    assert [len(Desk.read(body)["alerts"]) for _, body, _ in desks.called] == [1]
    assert [outcome for _, _, outcome, _ in logged(scene)] == ["due", "reached", "due", "due"]
    await look(Escalation(scene.hub.exchange, desks.call))
    assert [len(Desk.read(body)["alerts"]) for _, body, _ in desks.called] == [1, 2]


async def test_a_restart_goes_on_where_the_log_stands(scene: Scene) -> None:
    lost = Desks(answering=set())
    index = await flash(scene)
    scene.clock.now += DUE
    before = Escalation(scene.hub.exchange, lost.call)
    await look(before)
    await look(before)
    desks = Desks()
    after = Escalation(scene.hub.exchange, desks.call)
    await look(after)
    await look(after)
    assert [outcome for _, _, outcome, _ in logged(scene)] == ["due", "unreachable", "reached"]
    again = Escalation(scene.hub.exchange, desks.call)
    await look(again)
    assert [contact for contact, _, _ in desks.called] == ["desk"]
    assert logged(scene)[-1][0] == index


async def test_a_node_that_stores_while_its_desk_is_called_is_called_no_more(scene: Scene) -> None:
    recipient = await scene.open(RECIPIENT)
    index = await flash(scene)
    await recipient.until(lambda: recipient.inbox)

    async def store_meanwhile(contact: Contact, body: bytes, key: str) -> None:
        assert (await recipient.acknowledge(recipient.inbox[0])).accepted

    escalation = Escalation(scene.hub.exchange, store_meanwhile, first=0.0)
    scene.clock.now += DUE
    await look(escalation)
    await look(escalation)
    await look(escalation)
    assert logged(scene) == [(index, RECIPIENT, "due", None)]


async def test_a_full_disk_calls_nobody_and_is_tried_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    desks = Desks()
    escalation = Escalation(scene.hub.exchange, desks.call, interval=0.0)
    index = await flash(scene)
    scene.clock.now += DUE
    exchange = scene.hub.exchange
    refused = asyncio.get_running_loop().create_future()
    refused.set_result(StorageFull("the hub's storage is full"))
    with monkeypatch.context() as full:
        full.setattr(exchange, "submit", lambda _: refused)
        await look(escalation)
    assert (logged(scene), desks.called) == ([], [])
    await look(escalation)
    await look(escalation)
    assert logged(scene)[-1] == (index, RECIPIENT, "reached", "desk")
    assert isinstance(await exchange.submit(Work(SENDER, scene.alert(9))), int)


async def test_the_hub_looks_by_itself(scene: Scene) -> None:
    """With the real caller, whose rules forbid the loopback address that this agency publishes."""
    index = await flash(scene)
    scene.clock.now += DUE
    await until_async(lambda: len(logged(scene)) >= 2)
    assert [outcome for _, _, outcome, _ in logged(scene)][:2] == ["due", "unreachable"]
    assert logged(scene)[0][0] == index
