"""When a body may go, what goes with it, and what the log then says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from broker.draft import DeleteBody, NewDirectory
from broker.purging import STEPS
from broker.state import Standing
from schemas.directory.documents import PurgeOrder
from schemas.envelope.header import AttachmentRef, Relation, decode_header
from schemas.errors import REGISTRY
from schemas.ids import format_id, sha256
from schemas.limits import DAY_MS
from schemas.log.entry import PurgeEntry
from schemas.session.frames import Submit
from tests.support.directory import NOW, make_world
from tests.support.hub_core import HubCore, altered

SENDER, FIRST, SECOND = "hk-customs", "au-abf", "sg-cnb"
RETENTION = 30 * DAY_MS


@pytest.fixture
def core() -> HubCore:
    return HubCore(make_world())


def idle_since(core: HubCore, index: int) -> int | None:
    known = core.engine.alert_at(index)
    assert known is not None
    return known.idle_since


def deliver(core: HubCore, index: int, *agencies: str) -> None:
    for agency in agencies:
        core.accepted(agency, core.signed(core.receipt(agency, index)))


def order(core: HubCore, alert: Submit, basis: str) -> None:
    """The governors publish an order to delete the alert."""
    named = format_id(decode_header(alert.header).id)
    core.world.document = replace(core.world.document, purges={named: PurgeOrder(named, basis)})
    published = core.world.bundle("targets")
    core.accepted("", NewDirectory(published.role, published.version, published.bundle))


def test_an_alert_is_idle_when_the_last_recipient_has_it(core: HubCore) -> None:
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    assert idle_since(core, index) == decode_header(alert.header).expires
    deliver(core, index, FIRST)
    assert idle_since(core, index) == decode_header(alert.header).expires
    core.clock.now += 5_000
    core.accepted(SECOND, core.signed(core.receipt(SECOND, index, state="refused")))
    assert idle_since(core, index) == NOW + 5_000
    core.clock.now += 5_000
    core.accepted(SECOND, core.signed(core.receipt(SECOND, index, state="read")))
    assert idle_since(core, index) == NOW + 5_000, "what is said after that changes nothing"


def test_an_alert_that_expired_is_idle_from_then_on_whoever_comes_later(core: HubCore) -> None:
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    expires = decode_header(alert.header).expires
    core.clock.now = expires + 5_000
    deliver(core, index, FIRST, SECOND)
    assert idle_since(core, index) == expires


def test_a_recalled_alert_is_idle_from_the_recall_on(core: HubCore) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    deliver(core, index, FIRST)
    core.clock.now += 5_000
    recall = Relation("recall", decode_header(alert.header).id)
    core.accepted(SENDER, altered(core.world, core.alert(number=2), relation=recall))
    assert idle_since(core, index) == NOW + 5_000


def test_a_body_goes_when_its_retention_is_over_and_not_before(core: HubCore) -> None:
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    deliver(core, index, FIRST, SECOND)
    core.clock.now = NOW + RETENTION - 1
    size = core.engine.size()
    assert core.refused("", DeleteBody(index)).code == "retained"
    assert core.engine.size() == size, "the log does not say that the hub asked itself"
    core.clock.now += 1
    place = core.accepted("", DeleteBody(index))
    assert core.entries()[place] == PurgeEntry(core.clock.now, 5, index, "retention", ())
    assert not core.engine.has_body(index)
    assert core.refused("", DeleteBody(index)).code == "purged"


def test_two_alerts_with_the_same_body_have_it_each_for_itself(core: HubCore) -> None:
    """So the deletion of one takes nothing from the other. Its recipients refuse what was sealed under another id."""
    first = core.alert(number=1)
    index = core.accepted(SENDER, first)
    named = decode_header(first.header)
    second = replace(core.alert(number=2), body=first.body)
    again = core.accepted(SENDER, altered(core.world, second, body_digest=named.body_digest, body_size=named.body_size))
    deliver(core, index, FIRST, SECOND)
    core.clock.now = NOW + RETENTION
    core.accepted("", DeleteBody(index))
    assert (core.engine.body(index), core.engine.body(again)) == (None, first.body)


def test_an_expired_alert_that_nobody_got_goes_too(core: HubCore) -> None:
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    core.clock.now = decode_header(alert.header).expires + RETENTION
    core.accepted("", DeleteBody(index))
    assert {core.engine.delivery(name, index).standing for name in (FIRST, SECOND)} == {Standing.WITHDRAWN}  # type: ignore[union-attr]  # both are recipients
    deliver(core, index, FIRST)
    assert idle_since(core, index) is None, "a late receipt brings nothing back"


def test_governors_can_order_one_deletion(core: HubCore) -> None:
    ordered, other = core.alert(number=1), core.alert(number=2)
    first, second = core.accepted(SENDER, ordered), core.accepted(SENDER, other)
    order(core, ordered, "Order 12/2026 of the district court")
    place = core.accepted("", DeleteBody(first))
    entry = core.entries()[place]
    assert isinstance(entry, PurgeEntry)
    assert (entry.basis, entry.approvers) == ("Order 12/2026 of the district court", ("governors",))
    assert core.engine.waiting(first) == (), "what is gone is not waited for"
    assert core.refused("", DeleteBody(second)).code == "retained"


def test_an_attachment_goes_with_the_last_alert_that_names_it(core: HubCore) -> None:
    data = b"an x-ray image"
    core.engine.upload(SENDER, sha256(data), 0, len(data), data)
    named = (AttachmentRef(sha256(data), len(data)),)
    first, second = (
        core.accepted(SENDER, altered(core.world, core.alert(number=number), attachments=named)) for number in (1, 2)
    )
    deliver(core, first, FIRST, SECOND)
    deliver(core, second, FIRST, SECOND)
    core.clock.now += RETENTION
    core.accepted("", DeleteBody(first))
    assert core.engine.attachment(sha256(data)) == len(data)
    core.accepted("", DeleteBody(second))
    assert core.engine.attachment(sha256(data)) is None


@pytest.mark.parametrize(("index", "code", "step"), [(0, "missing", 1), (99, "missing", 1), (6, "retained", 3)])
def test_each_step_refuses(core: HubCore, index: int, code: str, step: int) -> None:
    core.accepted(SENDER, core.alert(number=1))
    core.accepted(SENDER, core.alert(number=2))
    refusal = core.refused("", DeleteBody(index))
    assert (refusal.code, refusal.context["step"]) == (code, step)
    assert code in REGISTRY
    assert list(STEPS) == [1, 2, 3]


def test_an_opener_is_remembered_with_the_last_day_on_which_it_is_needed(core: HubCore) -> None:
    alert = core.alert()
    core.accepted(SENDER, alert)
    recipients = decode_header(alert.header).recipients
    first = recipients[0]
    held = core.engine.opener(first.opener_id)
    assert held is not None
    assert 0 <= held.until - decode_header(alert.header).expires < DAY_MS
    assert held.until % DAY_MS == 0
    later = decode_header(alert.header).expires + DAY_MS
    longer = altered(core.world, core.alert(number=3), recipients=recipients, expires=later)
    core.accepted(SENDER, replace(longer, openers=()))
    again = core.engine.opener(first.opener_id)
    assert again is not None
    assert again.until == held.until + DAY_MS


def test_the_page_on_admission_has_the_same_words() -> None:
    page = (Path(__file__).parents[3] / "docs" / "spec" / "admission.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| ([^|]*) \| `[a-z]+` \|$", page.split("## Deleting a body")[1], re.MULTILINE)
    assert {int(number): words for number, words in rows} == STEPS
