from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes.auditor.escalation_check import GRACE_MS
from nodes.auditor.mirror import LogFolder
from nodes.auditor.trail import trail
from nodes.auditor.trail_page import trail_lines
from nodes.auditor.verify import Question
from schemas.directory.contacts import Contact
from schemas.envelope.header import Relation
from schemas.log.entry import Outcome
from tests.support.auditing import audit, found, quiet
from tests.support.directory import make_world
from tests.support.log_builder import LogBuilder

DUE = 120_000


@pytest.fixture
def log() -> LogBuilder:
    world = make_world()
    world.keys["sg-cnb"] = replace(world.keys["sg-cnb"], contacts=(Contact("desk", "https://desk.example", bytes(32)),))
    builder = LogBuilder(world)
    builder.publish("sg-cnb")
    return builder


def flash(log: LogBuilder, **more: Any) -> int:
    """A flash alert that has just become due."""
    entered = log.now
    index = log.alert(precedence="flash", **more)
    log.now = entered + DUE
    return index


def audited(log: LogBuilder, folder: Path) -> list[tuple[str, str, int | None]]:
    return found(audit(log, log.write(folder / str(log.size))))


def test_an_escalation_in_its_time_is_in_order(log: LogBuilder, tmp_path: Path) -> None:
    index = flash(log)
    log.escalation(index)
    log.escalation(index, outcome="unreachable")
    log.escalation(index, outcome="reached", contact="desk")
    log.now += GRACE_MS
    log.receipt("sg-cnb", [index])
    assert audited(log, tmp_path) == []


@pytest.mark.parametrize("late", [0, 1])
def test_one_that_was_due_and_never_made_is_found(log: LogBuilder, tmp_path: Path, late: int) -> None:
    index = flash(log)
    log.now += GRACE_MS + late
    log.some_traffic()
    log.receipt("sg-cnb", [index])
    expected = [("escalation-missing", "broker", index)]
    assert audited(log, tmp_path) == expected


def test_nothing_is_missing_as_long_as_it_may_still_come(log: LogBuilder, tmp_path: Path) -> None:
    flash(log)
    log.now += GRACE_MS - 2_000
    log.some_traffic()
    assert audited(log, tmp_path) == []


def test_one_that_comes_after_the_grace_is_missing_too(log: LogBuilder, tmp_path: Path) -> None:
    index = flash(log)
    log.now += GRACE_MS + 1
    log.escalation(index)
    assert audited(log, tmp_path) == [("escalation-missing", "broker", index)]


@pytest.mark.parametrize("state", ["stored", "refused"])
def test_whoever_answered_in_time_is_not_escalated(log: LogBuilder, tmp_path: Path, state: str) -> None:
    index = log.alert(precedence="flash")
    log.receipt("sg-cnb", [index], state)  # type: ignore[arg-type]  # both are states
    log.now += DUE + 2 * GRACE_MS
    log.some_traffic()
    assert audited(log, tmp_path) == []
    log.escalation(index)
    assert audited(log, tmp_path) == [("escalation-unfounded", "broker", log.size - 1)]


def test_a_recall_ends_what_is_due(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert(precedence="flash")
    target = log.header(index).id
    recall = log.alert(change=lambda header: replace(header, relation=Relation("recall", target)))
    log.receipt("sg-cnb", [recall])
    log.now += DUE + 2 * GRACE_MS
    log.some_traffic()
    assert audited(log, tmp_path) == []
    log.escalation(index)
    assert audited(log, tmp_path) == [("escalation-unfounded", "broker", log.size - 1)]


def test_a_suspended_agency_need_not_be_called_and_must_not_be(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert(precedence="flash")
    document = log.world.document
    idle = replace(document.agencies["sg-cnb"], status="suspended")
    log.world.document = replace(document, agencies={**document.agencies, "sg-cnb": idle})
    log.publish("targets")
    log.now += DUE + 2 * GRACE_MS
    assert audited(log, tmp_path) == []
    log.escalation(index)
    assert audited(log, tmp_path) == [("escalation-unfounded", "broker", log.size - 1)]


def test_the_rule_is_that_of_the_directory_in_force_when_the_alert_was_entered(log: LogBuilder, tmp_path: Path) -> None:
    document = log.world.document
    log.world.document = replace(document, limits=replace(document.limits, flash_seconds=30))
    log.publish("targets")
    entered = log.now
    index = log.alert(precedence="flash")
    log.world.document = document
    log.publish("targets")
    log.now = entered + 30_000
    log.escalation(index)
    assert audited(log, tmp_path) == []


@pytest.mark.parametrize(
    ("agency", "outcome", "contact"),
    [
        ("sg-cnb", "due", None),  # again
        ("sg-cnb", "reached", "deputy"),  # which nobody published
        ("au-abf", "due", None),  # no recipient
    ],
)
def test_what_does_not_continue_is_unfounded(
    log: LogBuilder, tmp_path: Path, agency: str, outcome: Outcome, contact: str | None
) -> None:
    index = flash(log)
    log.escalation(index)
    place = log.escalation(index, agency, outcome, contact)
    assert audited(log, tmp_path) == [("escalation-unfounded", "broker", place)]


def test_what_nobody_asked_for_is_unfounded(log: LogBuilder, tmp_path: Path) -> None:
    calm = log.alert(precedence="immediate")
    log.now += DUE
    early = log.alert(precedence="flash")
    log.now += DUE - 3_000
    places = [log.escalation(calm), log.escalation(early), log.escalation(99)]
    log.now += 10_000
    out_of_turn = log.escalation(early, outcome="due")
    assert audited(log, tmp_path) == [("escalation-unfounded", "broker", place) for place in [*places, out_of_turn]]


def test_in_an_alerts_last_moment_nothing_is_escalated(log: LogBuilder, tmp_path: Path) -> None:
    index = flash(log, expires_hours=1)
    log.escalation(index)
    log.now = log.header(index).expires
    log.escalation(index, outcome="unreachable")
    assert audited(log, tmp_path) == [("escalation-unfounded", "broker", log.size - 1)]


def test_the_trail_tells_of_it(log: LogBuilder, tmp_path: Path) -> None:
    index = flash(log)
    other = flash(log)
    log.escalation(index)
    log.escalation(other)
    log.escalation(index, outcome="unreachable")
    log.escalation(index, outcome="reached", contact="desk")
    log.receipt("sg-cnb", [index])
    question = Question(log.world.trusted_root, log.keys)
    followed = trail(LogFolder(log.write(tmp_path)), log.alert_id(index), question, quiet)
    assert [event.what for event in followed.events] == ["accepted", "escalated", "escalated", "escalated", "stored"]
    text = "\n".join(trail_lines(followed))
    assert "sg-cnb had not stored it in time, so its duty desk is called (the hub's word)" in text
    assert "contact desk of sg-cnb was reached (the hub's word)" in text
    assert "NOT GOOD" not in text


def test_each_party_to_it_has_it_in_its_own_copy(log: LogBuilder) -> None:
    index = log.alert(to=["sg-cnb", "au-abf"], precedence="flash")
    log.now += DUE
    escalation = log.entries[log.escalation(index)]
    width = log.size
    shown = {
        agency: escalation in log.get(f"party/{agency}/tile/entries/000.p/{width}") for agency in log.world.agencies
    }
    assert shown == {agency: agency in ("hk-customs", "sg-cnb") for agency in log.world.agencies}
