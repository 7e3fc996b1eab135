from __future__ import annotations

import json

from tests.support.fake_node import NOW, FakeNode, identity
from tests.unit.nodes.officer.conftest import OnTerminal, Run

ALERT = {
    "seq": 7,
    "type": "alert",
    "time": NOW,
    "alert": identity(1),
    "sender": "sg-cnb",
    "kind": "watch",
    "precedence": "flash",
    "status": "exercise",
    "title": "Look out\x1b[2J",
}
RECEIPT = {
    "seq": 8,
    "type": "receipt",
    "time": NOW,
    "alert": identity(5),
    "agency": "nz-customs",
    "state": "read",
    "officer": "Desk 4",
}
REFUSAL = {
    "seq": 9,
    "type": "receipt",
    "time": NOW,
    "alert": identity(5),
    "agency": "sg-cnb",
    "state": "refused",
    "code": "body-unreadable",
}
STATE = {"seq": 10, "type": "state", "time": NOW, "alert": identity(5), "direction": "out", "state": "accepted"}
ALARM = {"seq": 11, "type": "alarm", "time": NOW, "code": "fork", "message": "two histories"}
OVER = {"seq": 12, "type": "alarm", "time": NOW, "code": "fork", "message": "two histories", "cleared": True}
LINK = {"seq": 13, "type": "link", "time": NOW, "connected": False, "code": "unreachable", "message": "no route"}
UP = {"seq": 14, "type": "link", "time": NOW, "connected": True}


def test_each_event_is_a_line(run: Run, node: FakeNode) -> None:
    node.streams = [[ALERT, RECEIPT, REFUSAL, STATE, ALARM, OVER, LINK, UP]]
    result = run("follow", "--once", "--after", "6")
    assert node.calls[0][2] == {"after": "6"}
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:3] for row in rows[:2]] == [
        ["7", "2026-11-23T02:13:20Z", "alert"],
        ["8", "2026-11-23T02:13:20Z", "receipt"],
    ]
    assert [row[3] for row in rows] == [
        r"00000001  flash  watch  from sg-cnb  [EXERCISE] Look out\x1b[2J",
        "00000005  nz-customs (Desk 4): read",
        "00000005  sg-cnb: refused [body-unreadable]",
        "00000005  sent: accepted",
        "two histories [fork]",
        "over: two histories [fork]",
        "disconnected: no route [unreachable]",
        "connected",
    ]
    assert result.exit_code == 5


def test_a_changed_directory_is_said_beside_the_state(run: Run, node: FakeNode) -> None:
    node.streams = [[{**STATE, "directory": 35, "added": ["au-abf", "nz-customs"], "dropped": ["sg-cnb"]}]]
    said = run("follow", "--once").stdout.rstrip("\n").split("\t")[3]
    assert said == (
        "00000005  sent: accepted; sent again under directory version 35: now also to au-abf, nz-customs; "
        "no longer to sg-cnb"
    )


def test_json_is_one_event_a_line(run: Run, node: FakeNode) -> None:
    node.streams = [[ALERT, UP]]
    lines = run("follow", "--once", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [ALERT, UP]


def test_a_restart_of_the_node_leaves_no_gap(run: Run, node: FakeNode) -> None:
    node.streams = [[RECEIPT], [STATE], []]
    result = run("follow", "--retry-seconds", "0")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["8", "10"]
    assert [call[2] for call in node.calls] == [{}, {"after": "8"}, {"after": "10"}, {"after": "10"}]
    assert "waiting for it to come back" in result.stderr
    assert result.exit_code == 3  # the script's own end


def test_no_node_to_begin_with_is_an_error_at_once(run: Run) -> None:
    assert run("follow").exit_code == 5


def test_on_a_terminal_events_line_up(on_terminal: OnTerminal, node: FakeNode) -> None:
    node.streams = [[RECEIPT, STATE]]
    shown = on_terminal("follow", "--once", env={"NO_COLOR": "1", "TZ": "UTC"})
    assert "receipt     00000005  nz-customs (Desk 4): read\n" in shown
    assert "state       00000005  sent: accepted\n" in shown


def test_who_did_not_take_an_urgent_alert_is_said_with_what_to_do(run: Run, node: FakeNode) -> None:
    about = {"time": NOW, "alert": identity(5), "agency": "sg-cnb"}
    node.streams = [
        [
            {"seq": 1, "type": "escalation", "outcome": "due", **about},
            {"seq": 2, "type": "escalation", "outcome": "unreachable", **about},
            {"seq": 3, "type": "escalation", "outcome": "reached", "contact": "desk", **about},
            {"seq": 4, "type": "overdue", "telephone": "+65 1800", **about},
            {"seq": 5, "type": "overdue", **about},
            {**STATE, "seq": 6, "state": "expired", "code": "alert-expired", "agencies": ["sg-cnb", "au-abf"]},
        ]
    ]
    said = [line.split("\t")[3] for line in run("follow", "--once").stdout.splitlines()]
    assert [words.partition("; ")[2] for words in said[:3]] == [
        "its duty desk is being called",
        "its duty desk cannot be reached: telephone",
        "its duty desk was reached (desk)",
    ]
    assert said[3:] == [
        "00000005  not stored by sg-cnb in time; telephone +65 1800",
        "00000005  not stored by sg-cnb in time; telephone",
        "00000005  sent: expired, never had by sg-cnb, au-abf [alert-expired]",
    ]
