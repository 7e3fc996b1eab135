"""One alert's trail, from the log alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.auditor.mirror import LogFolder
from nodes.auditor.text import when
from nodes.auditor.trail import Trail, trail
from nodes.auditor.trail_page import trail_dict, trail_lines
from nodes.auditor.verify import Question
from schemas.envelope.carriage import sign_carried
from schemas.errors import BadId, LogTampered, NotFound
from schemas.limits import DAY_MS
from schemas.log.entry import AlertEntry
from schemas.log.receipt import ReceiptItem
from schemas.routing.rules import Condition, Rule, Target
from tests.support.auditing import flip, quiet
from tests.support.directory import make_world
from tests.support.log_builder import LogBuilder


def followed(log: LogBuilder, folder: Path, index: int) -> Trail:
    log.write(folder)
    return trail(LogFolder(folder), log.alert_id(index), Question(log.world.trusted_root, log.keys), quiet)


def steps(found: Trail) -> list[tuple[str, str, int | None]]:
    return [(event.what, event.by, event.index) for event in found.events]


def test_everything_that_became_of_an_alert_in_its_order(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert("hk-customs", ["region:asia"])
    log.receipt("sg-cnb", [index], time=log.now - 5000)
    log.receipt("sg-cnb", [index], "read")
    log.receipt("sg-cnb", [index], "actioned")
    log.receipt("au-abf", [index], "refused")
    answer = log.relate("reply", index, "sg-cnb", ["hk-customs"])
    log.relate("correct", index, "hk-customs", ["sg-cnb"])
    log.relate("recall", index, "hk-customs", ["sg-cnb"])
    log.alert("hk-customs", ["sg-cnb"])
    found = followed(log, tmp_path, index)
    assert steps(found) == [
        ("accepted", "hk-customs", 11),
        ("stored", "sg-cnb", 12),
        ("read", "sg-cnb", 13),
        ("actioned", "sg-cnb", 14),
        ("refused", "au-abf", 15),
        ("answered", "sg-cnb", 16),
        ("corrected", "hk-customs", 17),
        ("recalled", "hk-customs", 18),
    ]
    assert found.faultless
    refused = found.events[4]
    assert (refused.code, refused.step) == ("body-unreadable", 9)
    assert found.events[5].alert == log.alert_id(answer)
    assert found.events[1].key == log.world.signing["sg-cnb"].key_id.hex()
    told = "\n".join(trail_lines(found))
    for words in (
        "refused, with body-unreadable at step 9 of opening it, signed by au-abf",
        "its own clock said",
        "sg-cnb  actioned",
        "because: addressed as region:asia (built-in:addressed)",
        "every signature above is good",
    ):
        assert words in told


def test_what_a_courier_brought_is_told_with_the_time_of_its_sealing(log: LogBuilder, tmp_path: Path) -> None:
    sealed = log.seal("hk-customs", ["sg-cnb"])
    word = sign_carried(sealed.header, log.world.signing["hk-customs"])
    log.now += 2 * DAY_MS
    entry = AlertEntry(log.now, log.world.directory.version, sealed.header, sealed.signature, word)
    log.append(entry)
    found = followed(log, tmp_path, len(log.entries) - 1)
    assert found.faultless
    (event,) = found.events
    assert (event.what, event.carried, event.time - (event.said or 0)) == ("accepted", True, 2 * DAY_MS)
    told = "\n".join(trail_lines(found))
    assert f"brought by a courier, sealed {when(event.said or 0)}" in told
    assert "its own clock said" not in told


def test_the_rule_that_made_an_agency_a_recipient_is_named(tmp_path: Path) -> None:
    rule = Rule("copy-au", "add", Condition(), Target(agencies=("au-abf",)), None, "Copies are agreed.")
    log = LogBuilder(make_world(rules=[rule]))
    index = log.alert("hk-customs", ["sg-cnb"])
    found = followed(log, tmp_path, index)
    rules = {delivery.owed.agency: delivery.decision.rule for delivery in found.deliveries if delivery.decision}
    assert rules == {"au-abf": "copy-au", "sg-cnb": "built-in:addressed"}
    assert "because: Copies are agreed. (copy-au)" in "\n".join(trail_lines(found)).replace("  ", " ")


def test_a_recipient_that_no_rule_gives_is_told_as_such(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert("hk-customs", ["sg-cnb", "au-abf"], change=lambda header: replace(header, address=("sg-cnb",)))
    found = followed(log, tmp_path, index)
    assert "the routing rules do not make it a recipient" in "\n".join(trail_lines(found))
    assert not found.faultless


def test_an_expired_alert_says_who_never_acknowledged_it(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert("hk-customs", ["au-abf", "sg-cnb"])
    log.receipt("sg-cnb", [index])
    log.now = log.header(index).expires + 1
    log.refusal()
    found = followed(log, tmp_path, index)
    assert steps(found)[-1] == ("expired", "the hub", None)
    assert found.events[-1].note == "never acknowledged by au-abf"
    assert [delivery.owed.standing for delivery in found.deliveries] == ["expired", "stored"]


def test_a_deletion_is_part_of_the_trail(log: LogBuilder, tmp_path: Path) -> None:
    log.purge(5)
    found = followed(log, tmp_path, 5)
    assert steps(found)[-1] == ("deleted", "the hub", 11)


@pytest.mark.parametrize("fault", ["signature", "leaf", "recall"])
def test_what_is_not_good_is_shown_as_such(log: LogBuilder, tmp_path: Path, fault: str) -> None:
    if fault == "signature":
        log.receipt("sg-cnb", [7], "read", signature=bytes(64))
    elif fault == "leaf":
        log.receipt("sg-cnb", [7], "read", items=(ReceiptItem(7, log.header(7).id, bytes(32)),))
    else:
        log.relate("recall", 7, "sg-cnb", ["au-abf"])
    found = followed(log, tmp_path, 7)
    assert not found.faultless
    assert len(found.events[-1].faults) == 1
    assert "NOT GOOD: " in "\n".join(trail_lines(found))
    assert [delivery.owed.standing for delivery in found.deliveries] == ["stored"]


def test_the_trail_as_data(log: LogBuilder, tmp_path: Path) -> None:
    data = trail_dict(followed(log, tmp_path, 5))
    assert (data["format"], data["ok"], data["alert"], data["index"]) == (
        "crossbearing/trail/1",
        True,
        log.alert_id(5),
        5,
    )
    events = data["events"]
    assert isinstance(events, list)
    assert [event["what"] for event in events] == ["accepted", "stored"]
    assert not any("carried" in event for event in events)


def test_a_copy_that_proves_nothing_gives_no_trail(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    question = Question(log.world.trusted_root, log.keys)
    with pytest.raises(NotFound):
        trail(LogFolder(folder), "0123456789ab", question, quiet)
    with pytest.raises(BadId):
        trail(LogFolder(folder), "xyz", question, quiet)
    flip(folder / "tile/entries/000.p/11", 2000)
    with pytest.raises(LogTampered):
        trail(LogFolder(folder), log.alert_id(5), question, quiet)
    with pytest.raises(LogTampered):
        trail(LogFolder(tmp_path / "empty"), log.alert_id(5), question, quiet)
