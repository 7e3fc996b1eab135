from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.notices import Notice, apply_notices, read_notice
from nodes.session import Parts
from nodes.store.alerts import AlertRow
from schemas.alert.document import Alert, encode_alert
from schemas.errors import ProtocolError
from schemas.log.entry import ReceiptEntry, decode_entry
from schemas.log.merkle import leaf_hash
from tests.support.directory import NOW
from tests.support.envelope import make_alert
from tests.support.fake_hub import FakeHub, id_of, node_parts

ME = "sg-cnb"


class Sender:
    """A node that sent one alert, which the hub has logged."""

    def __init__(self, parts: Parts, hub: FakeHub, alert: Alert, index: int) -> None:
        self.parts = parts
        self.hub = hub
        self.alert = alert
        self.index = index

    async def take(self, place: int) -> Notice:
        entry = decode_entry(self.hub.log.leaves[place])
        assert isinstance(entry, ReceiptEntry)
        notice = read_notice(place, entry, self.parts.standing)
        await self.parts.store.write(lambda tables: apply_notices(tables, [notice], now=NOW))
        return notice

    async def row(self) -> AlertRow:
        row = await self.parts.store.read(lambda tables: tables.alerts.get("out", id_of(self.alert)))
        assert row is not None
        return row

    async def states(self) -> dict[str, str]:
        found = await self.parts.store.read(lambda tables: tables.alerts.deliveries(1))
        return {delivery.agency: delivery.state for delivery in found}

    async def alarms(self) -> list[str]:
        return [alarm.code for alarm in await self.parts.store.read(lambda tables: tables.alarms.standing())]


@pytest.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Sender]:
    hub = FakeHub()
    async with node_parts(tmp_path, hub, ME) as parts:
        parts.standing.history = hub.world.history
        alert = make_alert(hub.world, ME)
        wire = encode_alert(alert)
        await parts.store.write(
            lambda tables: tables.outbox.add(alert, wire, recipients=["au-abf", "hk-customs"], now=NOW)
        )
        yield Sender(parts, hub, alert, hub.enter_sealed(alert))


async def accept(sender: Sender, index: int) -> None:
    await sender.parts.store.write(lambda tables: tables.outbox.accept(id_of(sender.alert), index, now=NOW))


async def test_a_receipt_sets_its_recipients_state_and_moves_the_cursor(sender: Sender) -> None:
    await accept(sender, sender.index)
    place = sender.hub.enter_receipt("hk-customs", [sender.index])
    notice = await sender.take(place)
    assert notice.fault is None
    assert await sender.states() == {"au-abf": "accepted", "hk-customs": "stored"}
    assert (await sender.row()).leaf == leaf_hash(sender.hub.log.leaves[sender.index])
    assert await sender.parts.store.read(lambda tables: tables.held.notices) == place + 1
    assert await sender.alarms() == []


async def test_a_receipt_that_overtakes_the_acceptance_stands_for_it(sender: Sender) -> None:
    await sender.take(sender.hub.enter_receipt("hk-customs", [sender.index]))
    row = await sender.row()
    assert (row.state, row.index) == ("accepted", sender.index)
    assert await sender.states() == {"au-abf": "accepted", "hk-customs": "stored"}


async def test_a_refusal_carries_its_code(sender: Sender) -> None:
    await accept(sender, sender.index)
    await sender.take(sender.hub.enter_receipt("hk-customs", [sender.index], "read"))
    await sender.take(sender.hub.enter_receipt("au-abf", [sender.index], "actioned"))
    assert await sender.states() == {"au-abf": "actioned", "hk-customs": "read"}


async def test_a_forged_signature_is_an_alarm_and_changes_nothing(sender: Sender) -> None:
    await accept(sender, sender.index)
    place = sender.hub.enter_receipt("hk-customs", [sender.index])
    entry = decode_entry(sender.hub.log.leaves[place])
    assert isinstance(entry, ReceiptEntry)
    notice = read_notice(place, replace(entry, signature=bytes(64)), sender.parts.standing)
    assert notice.fault is not None
    assert notice.fault.code == "bad-signature"
    await sender.parts.store.write(lambda tables: apply_notices(tables, [notice], now=NOW))
    assert await sender.alarms() == ["bad-receipt"]
    assert await sender.states() == {"au-abf": "accepted", "hk-customs": "accepted"}


async def test_two_recipients_with_different_entries_are_an_alarm(sender: Sender) -> None:
    await accept(sender, sender.index)
    await sender.take(sender.hub.enter_receipt("hk-customs", [sender.index]))
    await sender.take(sender.hub.enter_receipt("au-abf", [sender.index], leaf=b"x" * 32))
    assert await sender.alarms() == ["bad-receipt"]
    assert (await sender.states())["au-abf"] == "accepted"


async def test_another_index_than_was_accepted_is_an_alarm(sender: Sender) -> None:
    await accept(sender, sender.index + 1)
    await sender.take(sender.hub.enter_receipt("hk-customs", [sender.index]))
    assert await sender.alarms() == ["bad-receipt"]


async def test_a_receipt_for_what_was_never_sent_is_an_alarm(sender: Sender) -> None:
    other = sender.hub.enter_sealed(make_alert(sender.hub.world, ME, number=9))
    await sender.take(sender.hub.enter_receipt("hk-customs", [other]))
    assert await sender.alarms() == ["bad-receipt"]


async def test_a_receipt_about_anothers_alert_is_an_alarm(sender: Sender) -> None:
    foreign = sender.hub.enter_alert("hk-customs")
    await sender.take(sender.hub.enter_receipt("au-abf", [foreign]))
    assert await sender.alarms() == ["bad-receipt"]


async def test_a_receipt_before_its_directory_breaks_the_protocol(sender: Sender) -> None:
    entry = ReceiptEntry(NOW, 99, b"receipt", bytes(64))
    with pytest.raises(ProtocolError, match="before the directory"):
        read_notice(sender.hub.size, entry, sender.parts.standing)
