"""Receipts: every step of their admission, and what they change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from broker.draft import Work
from broker.state import Standing
from schemas.codec import encode
from schemas.errors import CrossbearingError
from schemas.limits import CLOCK_SKEW_MS
from schemas.log.entry import ReceiptEntry
from schemas.log.receipt import State, sign_receipt
from schemas.session.frames import SendReceipt
from tests.support.directory import DAY_MS, NOW, make_world, record
from tests.support.hub_core import HubCore
from tests.support.publishing import publish

SENDER, RECIPIENT = "hk-customs", "sg-cnb"


@pytest.fixture
def core() -> HubCore:
    return HubCore(make_world())


@pytest.fixture
def index(core: HubCore) -> int:
    return core.accepted(SENDER, core.alert(to=[RECIPIENT]))


def check(refusal: CrossbearingError, code: str, step: int) -> None:
    assert (refusal.code, refusal.context.get("step")) == (code, step), refusal.message
    assert " " in refusal.message


def standing(core: HubCore, index: int, agency: str = RECIPIENT) -> Standing:
    delivery = core.engine.delivery(agency, index)
    assert delivery is not None
    return delivery.standing


def test_a_receipt_is_logged_and_moves_its_delivery_on(core: HubCore, index: int) -> None:
    sent = core.signed(core.receipt(RECIPIENT, index))
    at = core.accepted(RECIPIENT, sent)
    assert core.entries()[at] == ReceiptEntry(NOW, core.world.directory.version, sent.receipt, sent.signature)
    assert standing(core, index) is Standing.STORED
    assert core.engine.notices(SENDER, 0, 99, 99) == [at]
    assert core.engine.outstanding(RECIPIENT, (-1, -1), 99, NOW, 99) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [("refused", Standing.REFUSED), ("read", Standing.READ), ("actioned", Standing.ACTIONED)],
)
def test_every_state_has_its_standing(core: HubCore, index: int, state: State, expected: Standing) -> None:
    core.accepted(RECIPIENT, core.signed(core.receipt(RECIPIENT, index, state=state)))
    assert standing(core, index) is expected


def test_step_1_refuses_what_does_not_decode(core: HubCore) -> None:
    for data in (b"", b"\xc1", encode({"agency": RECIPIENT})):
        check(core.refused(RECIPIENT, SendReceipt(data, bytes(64))), "bad-receipt", 1)


def test_step_2_refuses_another_agency_than_the_certificate_names(core: HubCore, index: int) -> None:
    check(core.refused("au-abf", core.signed(core.receipt(RECIPIENT, index))), "wrong-sender", 2)


def test_step_3_refuses_a_suspended_agency(core: HubCore, index: int) -> None:
    core.world.change_agency(RECIPIENT, status="suspended")
    publish(core, "targets")
    check(core.refused(RECIPIENT, core.signed(core.receipt(RECIPIENT, index))), "suspended", 3)


def test_step_4_refuses_a_key_that_does_not_count(core: HubCore, index: int) -> None:
    receipt = core.signed(core.receipt(RECIPIENT, index))
    other = core.world.signing["au-abf"]
    unknown = replace(core.receipt(RECIPIENT, index), key=other.key_id)
    check(core.refused(RECIPIENT, SendReceipt(*sign_receipt(unknown, other))), "unknown-key", 4)
    own = core.world.signing[RECIPIENT].public
    keys = core.world.keys[RECIPIENT]
    core.world.keys[RECIPIENT] = replace(keys, signing=(record(own, starts=NOW - 9 * DAY_MS, ends=NOW - DAY_MS),))
    publish(core, RECIPIENT)
    check(core.refused(RECIPIENT, receipt), "key-not-valid", 4)
    core.world.keys[RECIPIENT] = replace(keys, signing=(replace(keys.signing[0], status="retired"),))
    publish(core, RECIPIENT)
    check(core.refused(RECIPIENT, receipt), "key-retired", 4)


def test_step_5_refuses_a_bad_signature(core: HubCore, index: int) -> None:
    receipt = core.signed(core.receipt(RECIPIENT, index))
    check(core.refused(RECIPIENT, replace(receipt, signature=bytes(64))), "bad-signature", 5)


def test_step_6_refuses_a_receipt_from_the_future_but_not_from_the_past(core: HubCore, index: int) -> None:
    future = core.receipt(RECIPIENT, index, time=NOW + CLOCK_SKEW_MS + 1)
    refusal = core.refused(RECIPIENT, core.signed(future))
    check(refusal, "clock-off", 6)
    assert refusal.context["offset"] == CLOCK_SKEW_MS + 1
    assert f"is from {CLOCK_SKEW_MS + 1} ms in the future" in refusal.message
    core.accepted(RECIPIENT, core.signed(core.receipt(RECIPIENT, index, time=NOW - 30 * DAY_MS)))
    bearable = core.receipt(RECIPIENT, index, state="read", time=NOW + CLOCK_SKEW_MS)
    core.accepted(RECIPIENT, core.signed(bearable))


def test_step_7_refuses_items_that_name_no_alert_of_that_sender(core: HubCore, index: int) -> None:
    good = core.receipt(RECIPIENT, index)
    item = good.items[0]
    for changed in (
        replace(good, items=(structs.replace(item, index=index - 1),)),
        replace(good, items=(structs.replace(item, index=index + 1),)),
        replace(good, items=(structs.replace(item, alert_id=item.alert_id[:-1] + b"x"),)),
        replace(good, items=(structs.replace(item, leaf=bytes(32)),)),
        replace(good, sender="au-abf"),
    ):
        refusal = core.refused(RECIPIENT, core.signed(changed))
        check(refusal, "bad-receipt", 7)
        assert refusal.context["index"] == changed.items[0].index


def test_step_8_refuses_a_receipt_for_others_alerts(core: HubCore, index: int) -> None:
    refusal = core.refused("au-abf", core.signed(core.receipt("au-abf", index)))
    check(refusal, "not-a-party", 8)
    assert refusal.context["index"] == index


def test_step_9_gives_the_same_acceptance_for_what_is_known(core: HubCore, index: int) -> None:
    first = core.signed(core.receipt(RECIPIENT, index))
    at = core.accepted(RECIPIENT, first)
    size = core.engine.size()
    assert core.accepted(RECIPIENT, first) == at
    assert core.accepted(RECIPIENT, core.signed(core.receipt(RECIPIENT, index, time=NOW - 5))) == at
    assert core.accepted(RECIPIENT, core.signed(core.receipt(RECIPIENT, index, state="refused"))) == at
    assert core.engine.size() == size
    read = core.signed(core.receipt(RECIPIENT, index, state="read"))
    assert core.accepted(RECIPIENT, read) == size
    actioned = core.accepted(RECIPIENT, core.signed(core.receipt(RECIPIENT, index, state="actioned")))
    assert core.accepted(RECIPIENT, read) == actioned, "the newest that says as much"


def test_step_9_sees_what_its_own_block_holds(core: HubCore, index: int) -> None:
    receipt = core.signed(core.receipt(RECIPIENT, index))
    first, second = core.commit(Work(RECIPIENT, receipt), Work(RECIPIENT, receipt)).verdicts
    assert first == second


def test_one_receipt_covers_many_alerts(core: HubCore, index: int) -> None:
    other = core.accepted(SENDER, core.alert(number=2, to=[RECIPIENT]))
    core.accepted(RECIPIENT, core.signed(core.receipt(RECIPIENT, index, other)))
    assert standing(core, index) is standing(core, other) is Standing.STORED


def test_step_10_refuses_more_than_the_allowance() -> None:
    core = HubCore(make_world(), receipts_per_minute=1)
    first = core.accepted(SENDER, core.alert(number=1))
    second = core.accepted(SENDER, core.alert(number=2))
    core.accepted(RECIPIENT, core.signed(core.receipt(RECIPIENT, first)))
    check(core.refused(RECIPIENT, core.signed(core.receipt(RECIPIENT, second))), "quota", 10)
