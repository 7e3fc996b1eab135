from __future__ import annotations

import json
from typing import Any

from tests.support.fake_node import NOW, FakeNode, identity, received, sent
from tests.unit.nodes.officer.conftest import OnTerminal, Run

RECIPIENTS: list[dict[str, Any]] = [
    {"agency": "nz-customs", "state": "actioned", "time": 1_795_400_000_000, "code": None, "officer": "Desk 4"},
    {"agency": "sg-cnb", "state": "refused", "time": 1_795_400_060_000, "code": "body-unreadable", "officer": None},
    {"agency": "au-abf", "state": "accepted", "time": None, "code": None, "officer": None},
]


def test_inbox_piped_has_whole_ids_and_utc(run: Run, node: FakeNode) -> None:
    node.add(received(1), received(2, state="read", precedence="flash", received=1_795_400_000_000))
    lines = [line.split("\t") for line in run("inbox").stdout.splitlines()]
    assert [line[1] for line in lines] == [identity(1), identity(2)]
    assert lines[1] == [
        "read",
        identity(2),
        "flash",
        "sg-cnb",
        "watch",
        "Look out for container number 2",
        "2026-11-23T02:13:20Z",
    ]


def test_inbox_asks_the_node_for_what_was_asked(run: Run, node: FakeNode) -> None:
    result = run(
        *("inbox", "--state", "unread", "--from", "sg-cnb", "--kind", "watch", "--operation", "marker"),
        *("--limit", "5", "--before", "0009"),
    )
    assert result.exit_code == 0
    assert node.calls[-1][:3] == (
        "GET",
        "/v1/inbox",
        {"state": "unread", "sender": "sg-cnb", "kind": "watch", "operation": "marker", "limit": "5", "before": "0009"},
    )


def test_an_exercise_and_a_recall_cannot_be_overlooked(run: Run, node: FakeNode) -> None:
    node.add(received(1, status="exercise"), received(2, recalled_by=identity(9)))
    exercise, recalled = (line.split("\t") for line in run("inbox").stdout.splitlines())
    assert exercise[5].startswith("[EXERCISE] ")
    assert recalled[0] == "recalled"


def test_json_is_the_nodes_answer(run: Run, node: FakeNode) -> None:
    node.add(received(1))
    before, after = run("--json", "inbox"), run("inbox", "--json")
    assert before.stdout == after.stdout
    assert json.loads(after.stdout)["alerts"][0]["short"] == "00000001"


def test_a_full_page_says_how_to_see_more(on_terminal: OnTerminal, run: Run, node: FakeNode) -> None:
    node.add(received(1), received(2), received(3))
    assert "Older ones: bearing inbox --before 00000002" in on_terminal("inbox", "--limit", "2")
    assert "Older ones" not in on_terminal("inbox", "--limit", "25")
    assert run("inbox", "--limit", "2").stderr == ""


def test_sent_counts_who_holds_it(on_terminal: OnTerminal, run: Run, node: FakeNode) -> None:
    node.add(sent(5, RECIPIENTS, to=["region:oceania", "sg-cnb"]))
    line = run("sent").stdout.rstrip("\n").split("\t")
    assert line[3] == "region:oceania, sg-cnb"
    assert line[6] == "recipients=3,actioned=1,accepted=1,refused=1"
    shown = on_terminal("sent", columns=140, env={"NO_COLOR": "1"})
    assert "1 of 3, 1 refused" in shown
    assert "1, 1 actioned" in shown


def test_sent_with_an_id_shows_each_recipient(run: Run, node: FakeNode) -> None:
    node.add(sent(5, RECIPIENTS))
    assert [line.split("\t") for line in run("sent", "0005").stdout.splitlines()] == [
        ["nz-customs", "actioned", "2026-11-23T02:13:20Z", "Desk 4", ""],
        ["sg-cnb", "refused", "2026-11-23T02:14:20Z", "", "body-unreadable"],
        ["au-abf", "accepted", "", "", ""],
    ]
    assert json.loads(run("sent", "0005", "--json").stdout)["recipients"] == RECIPIENTS


def test_sent_with_an_id_says_that_the_directory_changed(on_terminal: OnTerminal, node: FakeNode) -> None:
    note = {"directory": 35, "added": ["au-abf"], "dropped": [], "time": 0}
    node.add({**sent(5, RECIPIENTS), "resealed": note})
    assert "sent again under directory version 35: now also to au-abf" in on_terminal("sent", "0005")


def test_an_alert_that_was_put_off_says_until_when_and_that_it_goes_by_itself(
    on_terminal: OnTerminal, node: FakeNode
) -> None:
    node.add({**sent(5, RECIPIENTS), "state": "waiting", "waits": {"code": "quota", "until": 4_000_000_000_000}})
    for command in ("sent", "show"):
        shown = on_terminal(command, "0005", env={"NO_COLOR": "1"})
        assert "NOT SENT YET - quota until" in shown
        assert "it goes out by itself then" in shown
        assert "REFUSED" not in shown


def test_a_received_alert_has_no_recipients_to_show(run: Run, node: FakeNode) -> None:
    node.add(received(1))
    result = run("sent", "0001")
    assert result.exit_code == 3
    assert f"bearing show {identity(1)}" in result.stderr


def escalated(agency: str, outcome: str, contact: str | None = None, state: str = "escalated") -> dict[str, Any]:
    said = {"time": NOW, "outcome": outcome, "contact": contact}
    return {"agency": agency, "state": state, "time": NOW, "code": None, "officer": None, "escalation": said}


def test_sent_says_who_did_not_store_in_time_and_whether_the_desk_knows(
    on_terminal: OnTerminal, node: FakeNode
) -> None:
    recipients = [
        escalated("sg-cnb", "reached", "duty-desk"),
        escalated("fj-customs", "unreachable"),
        escalated("au-abf", "due"),
        escalated("nz-customs", "reached", "duty-desk", "stored"),
    ]
    node.add(sent(5, recipients, precedence="flash"))
    shown = " ".join(on_terminal("sent", "0005", env={"NO_COLOR": "1", "TZ": "UTC", "COLUMNS": "80"}).split())
    for words in ("escalated", "its duty desk was reached (duty-desk)", "its duty desk is being called"):
        assert words in shown
    assert "3 escalated" in on_terminal("sent", env={"NO_COLOR": "1", "TZ": "UTC", "COLUMNS": "80"})


def test_an_unknown_id_is_not_found(run: Run, node: FakeNode) -> None:
    assert run("sent", "0005").exit_code == 3
    assert run("show", "0005").exit_code == 3


def test_search_covers_both_directions(run: Run, node: FakeNode) -> None:
    node.add(received(1, title="Blue crate"), sent(2, [], title="Blue crate, again"), received(3, title="Red"))
    lines = [line.split("\t")[0] for line in run("search", "blue", "crate").stdout.splitlines()]
    assert lines == ["in", "out"]
    assert node.calls[-1][2]["q"] == "blue crate"
    assert run("search", "green").stderr == "Nothing contains green.\n"
    assert len(json.loads(run("search", "red", "--json").stdout)["alerts"]) == 1
