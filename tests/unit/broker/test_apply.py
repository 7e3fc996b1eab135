"""What entries change: deliveries, recalls, and who is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.acknowledgement import AdmittedReceipt
from broker.admission import AdmittedAlert
from broker.apply import apply_alert, apply_receipt
from broker.state import Changes, Delivery, KnownAlert, KnownOpener, Spent, Standing
from schemas.envelope.header import AttachmentRef, Relation, decode_header
from schemas.limits import DAY_MS
from schemas.session.frames import Submit
from tests.support.directory import NOW, make_world
from tests.support.hub_core import HubCore, altered

SENDER = "hk-customs"


@pytest.fixture
def core() -> HubCore:
    return HubCore(make_world())


def recall(core: HubCore, target: Submit, number: int = 99) -> Submit:
    relation = Relation("recall", decode_header(target.header).id)
    return altered(core.world, core.alert(SENDER, number=number), relation=relation)


def standings(core: HubCore, index: int) -> dict[str, Standing]:
    every = core.engine.contents.deliveries.values()
    return {delivery.agency: delivery.standing for delivery in every if delivery.index == index}


def test_an_alert_waits_for_each_recipient_with_its_rank_and_expiry(core: HubCore) -> None:
    alert = core.alert(precedence="flash")
    index = core.accepted(SENDER, alert)
    waiting = core.engine.waiting(index)
    assert [(d.agency, d.rank, d.expires) for d in waiting] == [
        (name, 0, decode_header(alert.header).expires) for name in ("au-abf", "sg-cnb")
    ]


def test_a_recall_withdraws_what_was_not_delivered_and_is_delivered_itself(core: HubCore) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    core.accepted("sg-cnb", core.signed(core.receipt("sg-cnb", index)))
    withdrawal = core.accepted(SENDER, recall(core, alert))
    assert standings(core, index) == {"au-abf": Standing.WITHDRAWN, "sg-cnb": Standing.STORED}
    assert standings(core, withdrawal) == {"au-abf": Standing.WAITING, "sg-cnb": Standing.WAITING}
    assert [d.index for d in core.engine.outstanding("au-abf", (-1, -1), 99, NOW, 99)] == [withdrawal]


def test_a_withdrawn_alert_that_was_on_its_way_can_still_be_receipted(core: HubCore) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    core.accepted(SENDER, recall(core, alert))
    core.accepted("au-abf", core.signed(core.receipt("au-abf", index)))
    assert standings(core, index)["au-abf"] is Standing.STORED


@pytest.mark.parametrize("kind", ["correct", "reply", "follow-up"])
def test_other_relations_withdraw_nothing(core: HubCore, kind: str) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    relation = Relation(kind, decode_header(alert.header).id)
    core.accepted(SENDER, altered(core.world, core.alert(number=2), relation=relation))
    assert set(standings(core, index).values()) == {Standing.WAITING}


SPENT = (Spent(SENDER, 3, 7),)
LEAF, MARK = b"l" * 32, b"f" * 32


def test_the_changes_of_an_alert_are_these_and_no_others(core: HubCore) -> None:
    picture = AttachmentRef(b"d" * 32, 9)
    header = replace(decode_header(core.alert(precedence="priority").header), attachments=(picture,))
    ends = -(-header.expires // DAY_MS) * DAY_MS
    assert header.expires < ends < header.expires + DAY_MS
    admitted = AdmittedAlert(header, MARK, {}, {}, b"", SPENT)
    assert apply_alert(core.engine, 7, LEAF, admitted, time=NOW, document=core.world.document) == Changes(
        alert=KnownAlert(7, header.id, SENDER, MARK, LEAF, header.expires),
        deliveries=tuple(Delivery(name, 7, 2, header.expires, Standing.WAITING, 0) for name in ("au-abf", "sg-cnb")),
        openers=tuple(KnownOpener(r.opener_id, SENDER, r.agency, ends) for r in header.recipients),
        attachments=(picture.digest,),
        spent=SPENT,
    )


@pytest.mark.parametrize(("until", "renewed"), [(-1, True), (0, False), (1, False)])
def test_an_opener_serves_as_long_as_the_longest_alert_that_names_it(core: HubCore, until: int, renewed: bool) -> None:
    header = decode_header(core.alert().header)
    held = {r.opener_id: KnownOpener(r.opener_id, SENDER, r.agency, header.expires + until) for r in header.recipients}
    changes = apply_alert(
        core.engine, 7, LEAF, AdmittedAlert(header, MARK, {}, held), time=NOW, document=core.world.document
    )
    assert [opener.id for opener in changes.openers] == [r.opener_id for r in header.recipients if renewed]


@pytest.mark.parametrize("late", [False, True])
def test_a_recall_ends_the_waiting_at_its_own_time_or_when_it_had_expired(core: HubCore, late: bool) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    header = decode_header(recall(core, alert).header)
    expires = decode_header(alert.header).expires
    time = expires + 5 if late else NOW + 5
    changes = apply_alert(
        core.engine, 9, LEAF, AdmittedAlert(header, MARK, {}, {}), time=time, document=core.world.document
    )
    assert changes.idle == ((index, expires if late else time),)
    assert [(d.agency, d.index, d.standing, d.expires) for d in changes.deliveries if d.index == index] == [
        (name, index, Standing.WITHDRAWN, expires) for name in ("au-abf", "sg-cnb")
    ]


@pytest.mark.parametrize("late", [False, True])
def test_the_changes_of_a_receipt_are_these_and_no_others(core: HubCore, late: bool) -> None:
    index = core.accepted(SENDER, core.alert())
    receipt = core.receipt("sg-cnb", index, state="read")
    mine = core.engine.delivery("sg-cnb", index)
    assert mine is not None
    time = mine.expires + 5 if late else NOW + 5
    admitted = AdmittedReceipt(receipt, (mine,), SPENT)
    read = Delivery("sg-cnb", index, mine.rank, mine.expires, Standing.READ, 9)
    one_waits = Changes(deliveries=(read,), notice=SENDER, spent=SPENT)
    assert apply_receipt(core.engine, 9, admitted, time=time) == one_waits
    core.accepted("au-abf", core.signed(core.receipt("au-abf", index)))
    none_waits = replace(one_waits, idle=((index, mine.expires if late else time),))
    assert apply_receipt(core.engine, 9, admitted, time=time) == none_waits
    again = AdmittedReceipt(receipt, (replace(mine, standing=Standing.STORED, receipt=8),), SPENT)
    assert apply_receipt(core.engine, 9, again, time=time) == one_waits, "it was idle already"
