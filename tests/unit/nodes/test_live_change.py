"""The directory changes while alerts are on their way: sealed again for whom it holds now, and said in one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes.officer.recipients import resealed_words
from nodes.service.reading import Reading
from nodes.session import Parts
from schemas.alert.document import encode_alert
from schemas.envelope.header import Header, decode_header
from schemas.session.frames import Submit
from tests.support.directory import World, make_world, record
from tests.support.envelope import make_alert
from tests.support.fake_hub import FakeHub, FakeLink, HubEnd, id_of, node_parts
from tests.support.wait import until_async
from tests.unit.nodes.test_session import drive

ME = "sg-cnb"
BURST = 40


class Sender:
    """A node with one alert on its way, and its hub's end of the session."""

    def __init__(self, parts: Parts, hub: FakeHub, end: HubEnd) -> None:
        self.parts = parts
        self.hub = hub
        self.end = end
        self.alert = make_alert(hub.world, ME, to=["all"])

    async def send(self) -> Header:
        """Write the alert; the header of its first submission."""
        told = [
            agency for agency in self.hub.world.agencies if agency != ME and self.hub.world.directory.is_active(agency)
        ]
        await self.parts.store.write(
            lambda t: t.outbox.add(self.alert, encode_alert(self.alert), recipients=told, now=self.parts.clock())
        )
        return decode_header((await self.end.expect(Submit)).header)

    async def tell(self, role: str) -> None:
        """Publish the next version of a role, and send it to the node; answers go past it until the node holds it."""
        self.hub.publish(role)
        version = self.hub.world.directory.version
        await self.end.send(self.hub.directory(proven=self.end.proven, after=version - 1))
        self.end.proven = self.hub.size
        await until_async(lambda: self.parts.standing.version == version, what=f"directory version {version}")

    async def accept(self, submit: Submit) -> None:
        await self.end.accept(submit)

    async def settled(self, state: str) -> dict[str, Any]:
        """The alert as the officer sees it, once it is in that state."""
        store = self.parts.store
        async with asyncio.timeout(20):
            while True:
                seen = store.revision("events")
                view = await Reading(store).alert(self.alert.id)
                if view["state"] == state:
                    return view
                await store.wait("events", seen)


@pytest.fixture
def world() -> World:
    return make_world(("au-abf", "hk-customs", "sg-cnb"), suspended=("hk-customs",))


@pytest.fixture
async def sender(tmp_path: Path, world: World) -> AsyncIterator[Sender]:
    hub = FakeHub(world)
    link = FakeLink(hub)
    async with node_parts(tmp_path, hub, ME) as parts:
        task = asyncio.create_task(drive(parts, link))
        try:
            end = await link.accepted()
            await end.catch_up()
            yield Sender(parts, hub, end)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def rotate(world: World, agency: str, number: int = 1) -> None:
    """The agency's document names one sealing key more; its holder does not matter here."""
    keys = world.keys[agency]
    public = world.sealing[agency].public
    fresh = record(
        bytes([number % 256]) + public[1:-1] + bytes([number % 256]), starts=keys.sealing[-1].not_before + 1000
    )
    world.keys[agency] = replace(keys, sealing=(*keys.sealing, fresh)[-4:])


async def test_an_agency_reinstated_on_the_way_is_added(sender: Sender, world: World) -> None:
    first = await sender.send()
    assert [r.agency for r in first.recipients] == ["au-abf"]
    world.change_agency("hk-customs", status="active")
    await sender.tell("targets")
    await sender.tell("targets")
    await sender.end.refuse(first.id, "directory-stale")
    again = await sender.end.expect(Submit)
    header = decode_header(again.header)
    assert [r.agency for r in header.recipients] == ["au-abf", "hk-customs"]
    await sender.accept(again)
    view = await sender.settled("accepted")
    assert view["resealed"] == {
        "directory": header.directory,
        "added": ["hk-customs"],
        "dropped": [],
        "time": view["resealed"]["time"],
    }
    said = resealed_words(view["resealed"])
    assert said == f"sent again under directory version {header.directory}: now also to hk-customs"
    events = await sender.parts.store.read(lambda t: t.events.after(0))
    (event,) = [e for e in events if e.type == "state" and e.data["state"] == "accepted"]
    assert (event.data["directory"], event.data["added"]) == (header.directory, ["hk-customs"])


async def test_an_agency_suspended_on_the_way_is_dropped(sender: Sender, world: World) -> None:
    world.change_agency("hk-customs", status="active")
    await sender.tell("targets")
    first = await sender.send()
    assert len(first.recipients) == 2
    world.change_agency("hk-customs", status="suspended")
    await sender.tell("targets")
    await sender.end.refuse(first.id, "routing-mismatch")
    await sender.accept(await sender.end.expect(Submit))
    view = await sender.settled("accepted")
    assert resealed_words(view["resealed"]).endswith(": no longer to hk-customs")


async def test_an_alert_that_was_not_touched_says_nothing(sender: Sender) -> None:
    await sender.parts.store.write(
        lambda t: t.outbox.add(
            sender.alert, encode_alert(sender.alert), recipients=["au-abf"], now=sender.parts.clock()
        )
    )
    await sender.accept(await sender.end.expect(Submit))
    view = await sender.settled("accepted")
    assert view["resealed"] is None
    assert resealed_words(None) == ""


async def test_a_burst_of_rotations_costs_one_sealing_each_at_most(sender: Sender, world: World) -> None:
    await sender.send()
    submissions = 1
    for number in range(BURST):
        rotate(world, "au-abf", number)
        await sender.tell("au-abf")
        await sender.end.refuse(id_of(sender.alert), "directory-stale")
        submit = await sender.end.expect(Submit)
        submissions += 1
    assert submissions == BURST + 1
    assert sender.end.silent
    await sender.accept(submit)
    view = await sender.settled("accepted")
    assert resealed_words(view["resealed"]).endswith(": to the same agencies")


async def test_a_stale_alert_waits_for_the_directory_and_goes_out_with_it(sender: Sender, world: World) -> None:
    submit_id = (await sender.send()).id
    for _ in range(3):  # more than its version: the hub says so before the new one has come
        await sender.end.refuse(submit_id, "directory-stale")
        await sender.end.expect(Submit)
    await sender.end.refuse(submit_id, "directory-stale")
    rotate(world, "au-abf")
    await sender.tell("au-abf")
    async with asyncio.timeout(1.5):  # the back-off alone would be two seconds by now
        while True:
            submit = await sender.end.expect(Submit)
            if decode_header(submit.header).directory == world.directory.version:
                break
            await sender.end.refuse(submit_id, "directory-stale")
    await sender.accept(submit)
    await sender.settled("accepted")


async def test_eight_mismatches_under_one_directory_are_final(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.answers.retry_delay", lambda _: 0)
    refused = (await sender.send()).id
    for _ in range(7):
        await sender.end.refuse(refused, "routing-mismatch")
        await sender.end.expect(Submit)
    await sender.end.refuse(refused, "routing-mismatch")
    view = await sender.settled("refused")
    assert view["refusal"]["code"] == "routing-mismatch"


def test_the_sentence_names_both_sides() -> None:
    note = {"directory": 35, "added": ["a", "b"], "dropped": ["c"], "time": 0}
    assert resealed_words(note) == "sent again under directory version 35: now also to a, b; no longer to c"
