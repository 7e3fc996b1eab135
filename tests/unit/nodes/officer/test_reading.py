from __future__ import annotations

import json

import pytest

from nodes.officer.when import full
from tests.support.fake_node import NOW, FakeNode, identity, received, sent
from tests.unit.nodes.officer.conftest import OnTerminal, Run

CASE = {
    "sender": "nz-customs",
    "officer": "Desk 4",
    "kind": "seizure",
    "marking": "amber+strict",
    "title": "36.7 kg methamphetamine in machine tools",
    "narrative": "Found in a crate.\n\nNobody came for it.",
    "grading": {"source": "B", "information": 2},
    "caveats": ["no-judicial-use", "a-later-caveat"],
    "handling": "call before use",
    "hazards": [{"hazard": "synthetic-opioid", "advice": "mask"}],
    "operation": "marker",
    "modes": ["sea"],
    "expires_hours": 48,
    "relation": {"type": "follow-up", "alert": identity(8)},
    "dates": [{"event": "arrival", "date": "2026-11-18", "until": "2026-11-19", "about": True, "basis": "estimated"}],
    "partners": [{"agency": "my-customs", "roles": ["tip", "joint-operation"]}],
    "references": ["NZ-2026-1181"],
    "revisions": [{"what": "weight", "was": "40 kg", "now": "36.7 kg"}],
    "attachments": [{"name": "x-ray.png", "media_type": "image/png", "size": 234567, "digest": "0", "key": "secret"}],
}


def test_the_page_has_everything_and_its_marking_first_and_last(run: Run, node: FakeNode) -> None:
    node.add(received(2, **CASE), received(8))
    node.alerts[identity(2)]["thread"] = [identity(8), identity(2)]
    lines = run("show", "0002").stdout.splitlines()
    assert "TLP:AMBER+STRICT" in lines[0]
    assert "TLP:AMBER+STRICT" in lines[-1]
    assert lines[-2].startswith("In the log at index 42 of 97, verified.")
    page = "\n".join(lines)
    for part in (
        CASE["title"],
        identity(2),
        "nz-customs, Desk 4",
        "Found in a crate.",
        "Nobody came for it.",
        "B2 (usually reliable, probably true)",
        "no judicial use: intelligence, not evidence; a later caveat",
        "call before use",
        "synthetic opioid: mask",
        "48 hours",
        f"follow-up to {identity(8)}",
        "about 2026-11-18 to 2026-11-19, estimated",
        "tip, joint operation",
        "NZ-2026-1181",
        "weight: was 40 kg, now 36.7 kg",
        "x-ray.png, image/png, 234,567 bytes",
        "container     CSQU3054383",
        "00000008  watch  sg-cnb  Look out for container number 8",
    ):
        assert str(part) in page
    assert "secret" not in page


def test_what_changes_the_reading_comes_first(run: Run, node: FakeNode) -> None:
    node.add(received(3, status="exercise", recalled_by=identity(4), corrected_by=identity(5)))
    lines = run("show", "0003").stdout.splitlines()
    assert lines[1] == "EXERCISE - not a real case"
    assert lines[2] == "RECALLED - do not rely on this; see 00000004"
    assert lines[3] == "CORRECTED - the correction is 00000005"


@pytest.mark.parametrize(
    ("kind", "relation", "words"),
    [("recall", "recall", "nothing is left to do"), ("correction", "correct", "all of it")],
)
def test_a_recall_of_what_never_arrived_says_so(run: Run, node: FakeNode, kind: str, relation: str, words: str) -> None:
    about = {"type": relation, "alert": identity(4)}
    node.add({**received(3, kind=kind, relation=about), "thread": [identity(3)]})
    assert words in run("show", "0003").stdout.splitlines()[1]
    node.add({**received(5, kind=kind, relation=about), "thread": [identity(4), identity(5)]}, received(4))
    assert words not in run("show", "0005").stdout


def test_a_recall_that_waits_is_not_taken_for_one_that_was_made(run: Run, node: FakeNode) -> None:
    node.add(sent(6, [], recalled_by=identity(7)) | {"recall_state": "waiting"})
    assert "RECALL NOT SENT YET - 00000007 waits in the outbox" in run("show", "0006").stdout
    node.add(sent(8, [], recalled_by=identity(9)) | {"recall_state": "accepted"})
    assert "RECALLED - do not rely on this; see 00000009" in run("show", "0008").stdout


def test_an_own_alert_shows_its_recipients_and_whether_it_is_logged(run: Run, node: FakeNode) -> None:
    recipient = {"agency": "sg-cnb", "state": "waiting", "time": None, "code": None, "officer": None}
    node.add({**sent(6, [recipient], state="waiting"), "proof": None})
    page = run("show", "0006").stdout
    assert "sg-cnb  waiting" in page
    assert "Not in the log yet." in page


def test_reading_says_nothing_to_the_sender_unless_asked(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    node.add(received(1))
    assert run("show", "0001").exit_code == 0
    assert {call[0] for call in node.calls} == {"GET"}
    assert "bearing ack 00000001" in on_terminal("show", "0001")
    result = run("show", "0001", "--ack", "--officer", "Lim", "--json")
    assert json.loads(result.stdout)["state"] == "read"
    assert node.calls[-1][3] == {"state": "read", "officer": "Lim"}


def test_ack_takes_several_and_says_how_far(run: Run, node: FakeNode) -> None:
    node.add(received(1), received(2))
    assert run("ack", "0001", "0002").stdout == "0001\tread\n0002\tread\n"
    assert run("ack", "0001", "--actioned").stdout == "0001\tactioned\n"
    assert json.loads(run("ack", "0001", "--json").stdout) == {"acknowledged": [{"id": "0001", "state": "read"}]}
    assert run("ack", "0009").exit_code == 3


def test_an_alert_that_a_courier_brought_says_so(run: Run, node: FakeNode) -> None:
    node.add(received(2), received(3))
    node.alerts[identity(2)]["carried"] = {"sealed": NOW - 48 * 3_600_000, "entered": NOW}
    page = " ".join(run("show", "0002").stdout.split())
    said = f"Carried by a courier: sealed {full(NOW - 48 * 3_600_000)}, entered the log {full(NOW)}"
    assert said in page
    assert "courier" not in run("show", "0003").stdout


def test_an_alert_that_is_with_a_courier_says_so(run: Run, node: FakeNode) -> None:
    node.add(sent(2, []))
    node.alerts[identity(2)]["exported"] = NOW
    page = " ".join(run("show", "0002").stdout.split())
    assert f"Exported {full(NOW)}, for a courier; the hub has not answered yet" in page
