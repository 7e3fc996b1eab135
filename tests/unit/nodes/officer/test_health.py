from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fake_node import NOW, FakeNode
from tests.unit.nodes.officer.conftest import OnTerminal, Run

CHECKS = [
    {"name": "hub", "ok": True, "state": "ok", "detail": "connected", "hint": ""},
    {"name": "clock", "ok": False, "state": "warning", "detail": "7 s behind", "hint": "Run a time service."},
    {"name": "disk", "ok": False, "state": "failed", "detail": "12 MB left", "hint": "Free some space."},
]


def test_status_is_one_screen(run: Run, node: FakeNode) -> None:
    page = run("status").stdout
    assert page.startswith("Hong Kong Customs and Excise Department (hk-customs)\n")
    assert "connected to wss://127.0.0.1:7443/session" in page
    assert "1 unread of 2" in page
    assert "97 entries, verified" in page
    assert page.endswith("No alarms.\n")
    assert len(page.splitlines()) < 24


def test_status_says_in_words_what_is_wrong(run: Run, node: FakeNode) -> None:
    node.state |= {
        "connected": False,
        "outbox": {"waiting": 2, "refused": 1},
        "clock_offset_ms": 400_000,
        "quarantine": 1,
        "dead_letters": 2,
        "alarms": [{"code": "fork", "message": "two histories", "hint": "Tell the governors.", "time": NOW}],
        "log": {"size": 0, "root": "", "checkpoint_time": None},
        "directory": {"version": 0, "name": None},
    }
    page = run("status").stdout
    for words in (
        "not connected to",
        "2 waiting, 1 refused",
        "400 s behind the hub",
        "1 item; see `bearing quarantine`",
        "2 deliveries; see `bearing dead-letters`",
        "1 alarm:",
        "two histories",
        "Tell the governors.",
        "no checkpoint seen yet",
    ):
        assert words in page


@pytest.mark.parametrize(
    ("offset", "words"), [(None, "not compared"), (-4_999, "agrees with the hub"), (-6_000, "6 s ahead of the hub")]
)
def test_the_clock_in_words(run: Run, node: FakeNode, offset: int | None, words: str) -> None:
    node.state["clock_offset_ms"] = offset
    assert words in run("status").stdout


def test_status_json_is_the_nodes_answer(run: Run, node: FakeNode) -> None:
    assert json.loads(run("status", "--json").stdout) == node.state


def test_doctor_fails_when_a_check_does(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    node.checks = CHECKS[:2]
    assert run("doctor").exit_code == 0
    node.checks = CHECKS
    result = run("doctor")
    assert result.exit_code == 1
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        ["ok", "hub", "connected", ""],
        ["warning", "clock", "7 s behind", "Run a time service."],
        ["failed", "disk", "12 MB left", "Free some space."],
    ]
    shown = on_terminal("doctor", env={"NO_COLOR": "1"})
    assert "To do: Free some space." in shown
    assert "3 checks: 1 failed, 1 warning." in shown
    assert run("doctor", "--json").exit_code == 1


def test_doctor_helps_when_there_is_no_node(run: Run, home: Path) -> None:
    def rows(*options: str) -> list[list[str]]:
        result = run("doctor", *options)
        assert result.exit_code == 5
        return [line.split("\t") for line in result.stdout.splitlines()]

    missing = home / "missing"
    assert rows("--home", str(missing))[0][:3] == ["failed", "home", f"there is no directory {missing}"]
    assert rows()[0][:3] == ["failed", "home", f"{home} is no node's home"]
    (home / "node.toml").write_text("")
    assert [row[:2] for row in rows()] == [["ok", "home"], ["failed", "node"]]
    assert "bearing node run" in rows()[1][3]
