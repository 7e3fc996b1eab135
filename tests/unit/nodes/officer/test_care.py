from __future__ import annotations

import json

import pytest

from tests.support.fake_node import NOW, FakeNode, identity
from tests.unit.nodes.officer.conftest import OnTerminal, Run

LETTER = {
    "number": 3,
    "handler": "case-system",
    "alert": identity(2),
    "attempts": 10,
    "error": "answered 500",
    "time": NOW,
}
REFUSED = {
    "index": 55,
    "id": identity(3),
    "sender": None,
    "code": "commitment-mismatch",
    "step": 8,
    "message": "the key does not match",
    "time": NOW,
}


@pytest.mark.parametrize("command", [("dead-letters",), ("dead-letters", "list")])
def test_dead_letters_are_listed(run: Run, on_terminal: OnTerminal, node: FakeNode, command: tuple[str, ...]) -> None:
    assert "No dead letters" in run(*command).stderr
    node.dead = [LETTER]
    assert run(*command).stdout == f"3\tcase-system\t{identity(2)}\t10\tanswered 500\t2026-11-23T02:13:20Z\n"
    assert "bearing dead-letters retry NO" in on_terminal(*command)


def test_a_dead_letter_is_tried_again(run: Run, node: FakeNode) -> None:
    result = run("dead-letters", "retry", "3", "4")
    assert result.exit_code == 0
    assert [call[1] for call in node.calls] == ["/v1/dead-letters/3/retry", "/v1/dead-letters/4/retry"]
    assert "Number 4 will be tried again." in result.stderr
    assert json.loads(run("dead-letters", "retry", "3", "--json").stdout) == {"retried": [{"number": 3}]}


def test_quarantine_says_what_failed_at_which_step(run: Run, node: FakeNode) -> None:
    assert "Quarantine is empty" in run("quarantine").stderr
    node.quarantined = [REFUSED]
    row = run("quarantine").stdout.rstrip("\n").split("\t")
    assert row == ["55", "unknown", "commitment-mismatch", "8", "the key does not match", "2026-11-23T02:13:20Z"]
    assert json.loads(run("quarantine", "--json").stdout) == {"quarantine": [REFUSED]}
    assert json.loads(run("dead-letters", "--json").stdout) == {"dead_letters": []}
