"""The line is down, and a courier goes back and forth: what the hub and the nodes hold at the end is as by the line."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.carrier.making import Position
from broker.state import Standing
from nodes.service.reading import Reading
from schemas.alert.document import Alert
from schemas.directory.documents import ByPrecedence
from schemas.errors import (
    BadConfig,
    BadSignature,
    CarrierDamaged,
    CarrierGap,
    CarrierMisdirected,
    CarrierUnknown,
    CrossbearingError,
    Fork,
    NotReady,
    Suspended,
    UnknownAgency,
    WrongSender,
)
from schemas.limits import DAY_MS
from schemas.session.frames import SendReceipt
from tests.support.carrying import HELLO, TO_HUB, reader, written
from tests.support.courier import Counter, Station, station
from tests.support.directory import World, make_world
from tests.support.hub import TestClock, new_hub, running_hub

ME, OTHER, THIRD = "hk-customs", "sg-cnb", "au-abf"
HOUR = 3_600_000


class Place:
    """A hub, and three agencies without a line."""

    def __init__(self, world: World, counter: Counter, clock: TestClock, stations: dict[str, Station]) -> None:
        self.world = world
        self.counter = counter
        self.clock = clock
        self.stations = stations

    def __getitem__(self, agency: str) -> Station:
        return self.stations[agency]

    async def begin(self) -> None:
        """Every node gets the directory, as it had it when the line was cut."""
        for agency, node in self.stations.items():
            await node.take(await self.counter.make(agency))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    world, clock = make_world(carrier=True), TestClock()
    config = new_hub(world, tmp_path, clock)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(running_hub(config, clock))
        stations = {
            agency: await stack.enter_async_context(station(agency, world, tmp_path, clock))
            for agency in (ME, OTHER, THIRD)
        }
        place = Place(world, Counter(hub.exchange, world), clock, stations)
        await place.begin()
        yield place


def standing(counter: Counter) -> Standing:
    """How far the first alert came with its recipient, as the hub knows."""
    delivery = counter.exchange.engine.delivery(OTHER, 5)
    assert delivery is not None
    return delivery.standing


async def test_an_alert_and_its_receipt_go_all_the_way_by_courier(place: Place) -> None:
    sender, recipient, counter = place[ME], place[OTHER], place.counter
    picture = random.Random(1).randbytes(2_500_000)
    first, second = await sender.send(OTHER, files=[picture]), await sender.send(OTHER, THIRD)
    data = await sender.export()
    assert (sender.summary["alerts"], sender.summary["attachments"]) == (2, 1)
    place.clock.now += 2 * DAY_MS
    taken = await counter.hand_in(data)
    assert [answer.verdict for answer in taken.answers] == [5, 6]
    assert all(entry.carried for entry in counter.alerts())
    brought = await sender.take(await counter.answer(taken))
    assert (brought["accepted"], brought["refused"]) == (2, 0)
    assert await sender.state(first) == ("accepted", {OTHER: "accepted"})

    brought = await recipient.take(await counter.make(OTHER, Position(5, 5)))
    assert (brought["alerts"], brought["attachments"], brought["quarantined"]) == (2, 1, 0)
    back = await recipient.export()
    assert recipient.summary["receipts"] == 1
    assert standing(counter) is Standing.WAITING, "not before the receipt is back"
    await counter.hand_in(back)
    assert standing(counter) is Standing.STORED
    brought = await counter.exchange_files(sender)
    assert brought["receipts"] == 1
    assert await sender.state(first) == ("accepted", {OTHER: "stored"})
    assert await sender.state(second) == ("accepted", {OTHER: "stored", THIRD: "accepted"})


async def test_an_alert_says_that_it_was_carried(place: Place) -> None:
    sender, recipient, counter = place[ME], place[OTHER], place.counter
    alert = await sender.send(OTHER)
    data, sealed = await sender.export(), place.clock.now
    assert (await Reading(sender.store).alert(alert.id))["exported"] == sealed
    place.clock.now += 2 * DAY_MS
    await sender.take(await counter.answer(await counter.hand_in(data)))
    shown = await Reading(sender.store).alert(alert.id)
    assert (shown["state"], shown["exported"]) == ("accepted", None)
    await recipient.take(await counter.make(OTHER))
    assert (await Reading(recipient.store).alert(alert.id))["carried"] == {"sealed": sealed, "entered": place.clock.now}


async def test_everything_again_changes_nothing(place: Place) -> None:
    sender, recipient, counter = place[ME], place[OTHER], place.counter
    await sender.send(OTHER, files=[b"a picture"])
    outward = await sender.export()
    answer = await counter.answer(await counter.hand_in(outward))
    await sender.take(answer)
    inward = await counter.make(OTHER)
    await recipient.take(inward)
    back = await recipient.export()
    closing = await counter.answer(await counter.hand_in(back))
    await recipient.take(closing)
    final = await counter.make(ME)
    await sender.take(final)
    log, mine, theirs = counter.entries(), await sender.everything(), await recipient.everything()
    assert mine[2] == [(OTHER, "stored", mine[0][0][0])]
    for data in (outward, back, outward):
        again = await counter.hand_in(data)
        assert all(isinstance(answer.verdict, int) for answer in again.answers)
    for data in (answer, final, answer):
        assert (await sender.take(data))["alerts"] == 0
    for data in (inward, closing, inward):
        assert (await recipient.take(data))["alerts"] == 0
    assert counter.entries() == log
    assert await sender.everything() == mine
    assert await recipient.everything() == theirs


@pytest.mark.parametrize("seed", range(4))
async def test_files_in_any_order_and_number_come_to_the_same(place: Place, seed: int) -> None:
    """Couriers overtake each other, come twice, or not at all; the last file of each side comes at some time."""
    chance, sender, recipient, counter = random.Random(seed), place[ME], place[OTHER], place.counter
    alerts, outward, inward = [], [], []
    for _ in range(4):
        alerts.append(await sender.send(OTHER))
        outward.append(await sender.export())
        place.clock.now += HOUR
    for data in [*chance.choices(outward, k=5), outward[-1]]:
        await counter.hand_in(data)
        inward.append(await counter.make(OTHER))
        place.clock.now += HOUR
    assert len(counter.alerts()) == 4
    rest = [*chance.choices(inward, k=6), inward[-1]]
    chance.shuffle(rest)
    for data in rest:
        await recipient.take(data)
    assert await recipient.inbox() == sorted(alert.id.replace("-", "") for alert in alerts)
    for _ in range(2):
        await counter.exchange_files(recipient)
        await counter.exchange_files(sender)
    assert [await sender.state(alert) for alert in alerts] == [("accepted", {OTHER: "stored"})] * 4
    assert (await recipient.everything())[3:] == (0, 0, [], [])
    assert (await sender.everything())[3:] == (0, 0, [], [])


def recall(alert: Alert) -> dict[str, Any]:
    """The fields of a recall of that alert."""
    relation = {"type": "recall", "alert": alert.id}
    return {"kind": "recall", "relation": relation, "recall": {"reason": "sent in error"}}


async def test_a_recall_follows_its_alert_in_one_file(place: Place) -> None:
    sender, counter = place[ME], place.counter
    alert = await sender.send(OTHER)
    await sender.send(
        OTHER, kind="recall", relation={"type": "recall", "alert": alert.id}, recall={"reason": "sent in error"}
    )
    taken = await counter.hand_in(await sender.export())
    assert [answer.verdict for answer in taken.answers] == [5, 6]


async def test_what_changed_meanwhile_is_refused_by_name_and_sealed_again(place: Place) -> None:
    sender, counter = place[ME], place.counter
    alert = await sender.send("region:asia")
    data = await sender.export()
    place.world.change_agency(THIRD, status="suspended")
    await counter.publish("targets")
    place.clock.now += DAY_MS
    taken = await counter.hand_in(data)
    (answer,) = taken.answers
    assert isinstance(answer.verdict, CrossbearingError)
    assert answer.verdict.code == "routing-mismatch"
    assert THIRD in answer.verdict.message
    brought = await sender.take(await counter.answer(taken))
    assert (brought["refused"], brought["directories"]) == (1, 1)
    assert (await sender.state(alert))[0] == "waiting"
    assert (await counter.exchange_files(sender))["accepted"] == 1
    assert await sender.state(alert) == ("accepted", {OTHER: "accepted"})
    again = await counter.hand_in(data)
    assert again.answers[0].verdict.code == "replay-differs"  # type: ignore[union-attr]  # it is no index
    await sender.take(await counter.answer(again))
    assert (await sender.state(alert))[0] == "accepted", "an answer to older bytes is no answer to these"


async def test_what_was_exported_is_not_sealed_anew_before_the_hub_refused_it(place: Place) -> None:
    """The way back was lost for days: what the log holds is not doubted, what it does not hold is sealed again."""
    sender, counter = place[ME], place.counter
    here, lost = await sender.send(OTHER), await sender.send(OTHER)
    first = reader(await sender.export(), "node")
    await counter.hand_in(written("node", [next(first.records())], greeting=first.greeting))
    place.clock.now += 9 * DAY_MS
    taken = await counter.hand_in(await sender.export())
    assert taken.answers[0].verdict == 5
    assert taken.answers[1].verdict.code == "clock-off"  # type: ignore[union-attr]  # it is no index
    await sender.take(await counter.answer(taken))
    assert [(await sender.state(alert))[0] for alert in (here, lost)] == ["accepted", "waiting"]
    assert (await counter.exchange_files(sender))["accepted"] == 1
    assert [(await sender.state(alert))[0] for alert in (here, lost)] == ["accepted", "accepted"]


async def test_an_opener_comes_with_each_alert_since_the_first_may_be_refused(place: Place) -> None:
    sender, counter = place[ME], place.counter
    await sender.send(OTHER, expires_hours=1)
    await sender.send(OTHER)
    data = await sender.export()
    place.clock.now += DAY_MS
    taken = await counter.hand_in(data)
    assert taken.answers[0].verdict.code == "alert-expired"  # type: ignore[union-attr]  # it is no index
    assert taken.answers[1].verdict == 6, "after the refusal"


async def test_a_refusal_for_good_and_an_expiry_are_told(place: Place) -> None:
    sender, counter = place[ME], place.counter
    short = await sender.send(OTHER, expires_hours=1)
    data = await sender.export()
    place.clock.now += DAY_MS
    await sender.take(await counter.answer(await counter.hand_in(data)))
    assert (await sender.state(short))[0] == "expired"


async def test_the_governors_may_forbid_it(place: Place) -> None:
    sender, counter = place[ME], place.counter
    limits = replace(place.world.document.limits, carried_days=0)
    place.world.document = replace(place.world.document, limits=limits)
    await counter.publish("targets")
    await sender.take(await counter.make(ME))
    await sender.send(OTHER)
    data = await sender.export()
    assert (sender.summary["alerts"], sender.summary["forbidden"]) == (0, 1)
    assert (await counter.hand_in(data)).answers == ()


async def test_a_hub_that_takes_no_files_is_named(place: Place) -> None:
    broker = replace(place.world.document.brokers[0], sealing=b"")
    place.world.document = replace(place.world.document, brokers=(broker,))
    await place.counter.publish("targets")
    await place[ME].take(await place.counter.make(ME))
    with pytest.raises(NotReady, match="no hub"):
        await place[ME].export()


async def test_more_than_the_allowance_waits_and_keeps_its_order(place: Place) -> None:
    limits = replace(place.world.document.limits, alerts_per_minute=ByPrecedence(2, 2, 2, 2))
    place.world.document = replace(place.world.document, limits=limits)
    await place.counter.publish("targets")
    sender = place[ME]
    await sender.take(await place.counter.make(ME))
    first = await sender.send(OTHER)
    for _ in range(3):
        await sender.send(OTHER)
    await sender.send(
        OTHER, kind="recall", relation={"type": "recall", "alert": first.id}, recall={"reason": "sent in error"}
    )
    data = await sender.export()
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        place.clock.now += 30_000

    place.counter.sleep = sleep
    taken = await place.counter.hand_in(data)
    indexes = [answer.verdict for answer in taken.answers if isinstance(answer.verdict, int)]
    assert len(indexes) == 5
    assert indexes[:4] == sorted(indexes[:4])
    assert indexes[4] > indexes[0], "the recall"
    assert waited


# -- files that are not what they should be ----------------------------------------------------------------------------


async def refused_at_hub(place: Place, data: bytes) -> CrossbearingError:
    log = place.counter.entries()
    with pytest.raises(CrossbearingError) as caught:
        await place.counter.hand_in(data)
    assert place.counter.entries() == log, "nothing was taken in"
    return caught.value


async def test_the_hub_takes_no_file_that_is_damaged_or_strange(place: Place) -> None:
    await place[ME].send(OTHER)
    good = await place[ME].export()
    assert isinstance(await refused_at_hub(place, good[:-1]), CarrierDamaged)
    assert isinstance(await refused_at_hub(place, good[:-40] + bytes(40)), CarrierDamaged)
    assert isinstance(await refused_at_hub(place, b"\xff\xd8\xff\xe0 a photograph"), CarrierUnknown)
    assert isinstance(await refused_at_hub(place, b""), CarrierUnknown)
    inward = await place.counter.make(ME)
    assert isinstance(await refused_at_hub(place, inward), CarrierMisdirected), "it was made for a node"


async def test_the_hub_believes_the_agency_that_signed_and_none_other(place: Place) -> None:
    held = place[ME].standing
    hello = replace(HELLO, directory=held.version, size=held.checkpoint.size, root=held.checkpoint.root)
    for changes, expected in (
        ({"sign": place.world.signing[OTHER].sign}, BadSignature),
        ({"manifest": replace(TO_HUB, maker=OTHER)}, CrossbearingError),
        ({"manifest": replace(TO_HUB, maker="zz-nobody")}, UnknownAgency),
        ({"manifest": replace(TO_HUB, origin="other.example/log")}, CarrierMisdirected),
        ({"manifest": replace(TO_HUB, to=ME)}, CarrierMisdirected),
        ({"greeting": replace(hello, agency=OTHER)}, WrongSender),
        ({"greeting": replace(hello, root=bytes(32))}, Fork),
        ({"greeting": replace(hello, size=99)}, Fork),
    ):
        error = await refused_at_hub(place, written("node", [], **{"greeting": hello, **changes}))
        assert isinstance(error, expected), error


async def test_one_agency_cannot_carry_anothers_alert_as_its_own(place: Place) -> None:
    """It would have to be in a file that it signs: the alert is refused by admission, like by the line."""
    await place[OTHER].send(ME)
    stolen = list(reader(await place[OTHER].export(), "node").records())
    held = place[ME].standing
    hello = replace(HELLO, directory=held.version, size=held.checkpoint.size, root=held.checkpoint.root)
    taken = await place.counter.hand_in(written("node", stolen, greeting=hello))
    assert [answer.verdict.code for answer in taken.answers] == ["wrong-sender"]  # type: ignore[union-attr]


async def test_a_suspended_agency_carries_nothing_and_is_carried_nothing(place: Place) -> None:
    await place[ME].send(OTHER)
    data = await place[ME].export()
    place.world.change_agency(ME, status="suspended")
    await place.counter.publish("targets")
    assert isinstance(await refused_at_hub(place, data), Suspended)
    with pytest.raises(Suspended):
        await place.counter.make(ME)


async def test_the_hub_makes_no_file_from_beyond_its_log(place: Place) -> None:
    with pytest.raises(BadConfig):
        await place.counter.make(ME, Position(999))
    with pytest.raises(UnknownAgency):
        await place.counter.make("zz-nobody")


async def refused_at_node(node: Station, data: bytes) -> CrossbearingError:
    before = await node.everything(), node.standing.checkpoint, node.standing.version
    with pytest.raises(CrossbearingError) as caught:
        await node.take(data)
    assert (await node.everything(), node.standing.checkpoint, node.standing.version) == before
    return caught.value


async def test_a_node_takes_no_file_that_is_damaged_or_strange(place: Place) -> None:
    await place[ME].send(OTHER)
    await place.counter.hand_in(await place[ME].export())
    good, node = await place.counter.make(OTHER), place[OTHER]
    assert isinstance(await refused_at_node(node, good[:-1]), CarrierDamaged)
    assert isinstance(await refused_at_node(node, good[:100]), CarrierDamaged)
    assert isinstance(await refused_at_node(node, b"no such file"), CarrierUnknown)
    assert isinstance(await refused_at_node(node, await place.counter.make(THIRD)), CarrierMisdirected)
    assert isinstance(await refused_at_node(node, await node.export()), CarrierMisdirected)
    assert (await node.take(good))["alerts"] == 1


async def test_a_node_says_what_is_missing_before_a_file(place: Place) -> None:
    node, counter = place[OTHER], place.counter
    held = node.standing.checkpoint.size
    await place[ME].send(OTHER)
    await counter.hand_in(await place[ME].export())
    head = counter.exchange.head.size
    for position in (Position(head, 5), Position(held, 5, held + 1)):
        error = await refused_at_node(node, await counter.make(OTHER, position))
        assert isinstance(error, CarrierGap)
        assert f"{held}/" in error.message
    await counter.publish(THIRD)
    await counter.publish(THIRD)
    error = await refused_at_node(node, await counter.make(OTHER, Position(held, 6)))
    assert isinstance(error, CarrierGap)
    assert "directory versions from 7" in error.message


async def test_an_older_file_brings_answers_and_nothing_else(place: Place) -> None:
    sender, counter = place[ME], place.counter
    alert = await sender.send(OTHER)
    answer = await counter.answer(await counter.hand_in(await sender.export()))
    await place[THIRD].send(ME)
    await counter.hand_in(await place[THIRD].export())
    assert (await sender.take(await counter.make(ME)))["alerts"] == 1
    assert (await sender.state(alert))[0] == "waiting", "that file had no answer"
    brought = await sender.take(answer)
    assert (brought["older"], brought["accepted"], brought["alerts"]) == (True, 1, 0)


async def test_a_log_that_does_not_continue_what_the_node_holds_halts_it(place: Place, tmp_path: Path) -> None:
    """The hub's data were put back to before the node's last checkpoint, and another history grew."""
    node, counter = place[OTHER], place.counter
    await counter.publish(THIRD)
    before = counter.exchange.head.size
    await node.take(await counter.make(OTHER))
    await node.store.write(lambda t: _pretend(t, before))
    await node.store.read(node.standing.restore)
    await counter.publish(THIRD)
    with pytest.raises(Fork):
        await node.take(await counter.make(OTHER))
    assert await node.store.read(lambda tables: tables.held.halted) is not None
    with pytest.raises(Fork):
        await node.take(await counter.make(OTHER))
    with pytest.raises(Fork):
        await node.export()


def _pretend(tables: Any, size: int) -> None:
    held = tables.held.checkpoint
    assert held.size == size
    tables.held.set_checkpoint(replace(held, root=bytes(32)))


async def test_a_receipt_that_is_nobodys_is_refused_and_its_node_hears_of_it(place: Place) -> None:
    held = place[ME].standing
    hello = replace(HELLO, directory=held.version, size=held.checkpoint.size, root=held.checkpoint.root)
    taken = await place.counter.hand_in(written("node", [SendReceipt(b"none", bytes(64))], greeting=hello))
    assert [answer.verdict.code for answer in taken.answers] == ["bad-receipt"]  # type: ignore[union-attr]
