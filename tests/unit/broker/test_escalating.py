"""Which escalations enter the log, step by step, and what they change."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.draft import NewDirectory
from broker.escalating import STEPS, Escalate
from broker.state import Escalated, Standing
from schemas.directory.contacts import Contact
from schemas.envelope.header import Relation
from schemas.errors import REGISTRY
from schemas.log.entry import EscalationEntry
from tests.support.directory import NOW, make_world
from tests.support.hub_core import HubCore, altered

SENDER, AGENCY, OTHER = "hk-customs", "sg-cnb", "au-abf"
DUE = 120_000
CONTACT = Contact("desk", "https://desk.example/page", bytes(32))


@pytest.fixture
def core() -> HubCore:
    world = make_world(publish=False)
    world.keys[AGENCY] = replace(world.keys[AGENCY], contacts=(CONTACT,))
    world.publish("root", "targets", *world.agencies)
    return HubCore(world)


def due(core: HubCore, number: int = 1, **fields: Any) -> int:
    """A flash alert that has just become due."""
    index = core.accepted(SENDER, core.alert(number=number, precedence="flash", **fields))
    core.clock.now += DUE
    return index


def refused(core: HubCore, wanted: Escalate) -> tuple[str, object]:
    refusal = core.refused("", wanted)
    return refusal.code, refusal.context["step"]


def test_an_escalation_goes_from_due_to_reached_and_its_sender_is_to_see_each_step(core: HubCore) -> None:
    index = due(core)
    places = []
    for outcome, contact in (("due", None), ("unreachable", None), ("reached", "desk")):
        places.append(core.accepted("", Escalate(index, AGENCY, outcome, contact)))  # type: ignore[arg-type]  # all three are
        delivery = core.engine.delivery(AGENCY, index)
        assert delivery is not None
        assert (delivery.standing, delivery.escalated.name.lower()) == (Standing.WAITING, outcome)
        assert delivery.escalation == places[-1]
    assert core.engine.notices(SENDER, 0, 99, 9) == places
    assert core.engine.delivery(OTHER, index).escalated is Escalated.NO  # type: ignore[union-attr]  # it is a recipient
    last, known = core.entries()[-1], core.engine.alert_at(index)
    assert known is not None
    assert last == EscalationEntry(
        core.clock.now, core.history.latest.version, index, known.id, AGENCY, "reached", "desk"
    )


def test_what_is_not_there_is_refused_at_step_1(core: HubCore) -> None:
    index = due(core)
    assert refused(core, Escalate(99, AGENCY, "due")) == ("missing", 1)
    assert refused(core, Escalate(0, AGENCY, "due")) == ("missing", 1)
    assert refused(core, Escalate(index, SENDER, "due")) == ("missing", 1)


@pytest.mark.parametrize("state", ["stored", "refused"])
def test_what_was_answered_is_refused_at_step_2(core: HubCore, state: str) -> None:
    index = due(core)
    core.accepted(AGENCY, core.signed(core.receipt(AGENCY, index, state=state)))  # type: ignore[arg-type]  # both are states
    assert refused(core, Escalate(index, AGENCY, "due")) == ("wrong-state", 2)
    assert isinstance(core.verdict("", Escalate(index, OTHER, "due")), int)


def test_what_was_recalled_or_expired_is_refused_at_step_2(core: HubCore) -> None:
    alert = core.alert(precedence="flash", expires_hours=1)
    index = core.accepted(SENDER, alert)
    header = core.engine.alert_at(index)
    assert header is not None
    second = due(core, 2)
    recall = altered(core.world, core.alert(number=3), relation=Relation("recall", header.id))
    core.accepted(SENDER, recall)
    assert refused(core, Escalate(index, AGENCY, "due")) == ("wrong-state", 2)
    core.accepted("", Escalate(second, AGENCY, "due"))
    expires = core.engine.delivery(AGENCY, second).expires  # type: ignore[union-attr]  # it is a recipient
    core.clock.now = expires
    assert refused(core, Escalate(second, AGENCY, "unreachable")) == ("wrong-state", 2)


def test_a_suspended_agency_is_refused_at_step_3(core: HubCore) -> None:
    index = due(core)
    core.world.change_agency(AGENCY, status="suspended")
    made = core.world.bundle("targets")
    core.accepted("", NewDirectory(made.role, made.version, made.bundle))
    assert refused(core, Escalate(index, AGENCY, "due")) == ("suspended", 3)


def test_what_is_not_due_is_refused_at_step_4(core: HubCore) -> None:
    index = due(core)
    core.clock.now -= 1
    assert refused(core, Escalate(index, AGENCY, "due")) == ("wrong-state", 4)
    core.clock.now += 1
    calm = core.accepted(SENDER, core.alert(number=2, precedence="immediate"))
    core.clock.now += DUE
    assert refused(core, Escalate(calm, AGENCY, "due")) == ("wrong-state", 4)


def test_what_does_not_continue_the_log_is_refused_at_step_5(core: HubCore) -> None:
    index = due(core)
    assert refused(core, Escalate(index, AGENCY, "unreachable")) == ("wrong-state", 5)
    assert refused(core, Escalate(index, AGENCY, "reached", "desk")) == ("wrong-state", 5)
    core.accepted("", Escalate(index, AGENCY, "due"))
    assert refused(core, Escalate(index, AGENCY, "due")) == ("wrong-state", 5)
    core.accepted("", Escalate(index, AGENCY, "reached", "desk"))
    for outcome in ("due", "unreachable", "reached"):
        contact = "desk" if outcome == "reached" else None
        assert refused(core, Escalate(index, AGENCY, outcome, contact)) == ("wrong-state", 5)


def test_a_contact_that_nobody_publishes_is_refused_at_step_6(core: HubCore) -> None:
    index = due(core)
    core.accepted("", Escalate(index, AGENCY, "due"))
    core.accepted("", Escalate(index, OTHER, "due"))
    assert refused(core, Escalate(index, AGENCY, "reached", "deputy")) == ("missing", 6)
    assert refused(core, Escalate(index, OTHER, "reached", "desk")) == ("missing", 6)


def test_nothing_is_logged_of_what_the_hub_refuses_itself(core: HubCore) -> None:
    size = core.tree.size
    core.refused("", Escalate(99, AGENCY, "due"))
    assert core.tree.size == size


def test_a_receipt_ends_it_and_keeps_what_became_of_it(core: HubCore) -> None:
    index = due(core)
    core.accepted("", Escalate(index, AGENCY, "due"))
    assert [d.index for d in core.engine.escalations(AGENCY, core.clock.now, 9, logged=True)] == [index]
    core.accepted(AGENCY, core.signed(core.receipt(AGENCY, index)))
    assert core.engine.escalations(AGENCY, core.clock.now, 9, logged=True) == []
    delivery = core.engine.delivery(AGENCY, index)
    assert delivery is not None
    assert (delivery.standing, delivery.escalated) == (Standing.STORED, Escalated.DUE)


def test_the_time_allowed_is_that_of_the_directory_in_force(core: HubCore) -> None:
    document = core.world.document
    core.world.document = replace(document, limits=replace(document.limits, flash_seconds=10))
    made = core.world.bundle("targets")
    core.accepted("", NewDirectory(made.role, made.version, made.bundle))
    index = core.accepted(SENDER, core.alert(number=4, precedence="flash"))
    assert core.engine.delivery(AGENCY, index).escalates == NOW + 10_000  # type: ignore[union-attr]  # it is a recipient


def test_the_page_has_the_same_steps() -> None:
    page = (Path(__file__).parents[3] / "docs/spec/admission.md").read_text(encoding="utf-8")
    section = page.partition("## An escalation")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(STEPS)
    assert {code for _, codes in rows for code in re.findall(r"`([a-z-]+)`", codes)} <= REGISTRY.keys()
