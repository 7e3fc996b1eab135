from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fake_node import FakeNode, received
from tests.unit.nodes.officer.conftest import OnTerminal, Run


def test_explain_says_who_and_why(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    rows = [line.split("\t") for line in run("route", "explain", "region:oceania").stdout.splitlines()]
    assert rows[:2] == [["au-abf", "yes", "address", "addressed"], ["nz-customs", "yes", "address", "addressed"]]
    assert all(row[1] == "no" for row in rows[2:])
    shown = on_terminal("route", "explain", "region:oceania")
    assert "2 agencies receive it." in shown
    for agency in ("au-abf", "nz-customs", "my-customs", "sg-cnb"):
        assert agency in shown


def test_explain_asks_with_all_that_decides(run: Run, node: FakeNode) -> None:
    result = run(
        *("route", "explain", "all", "--kind", "seizure", "--marking", "green", "--precedence", "flash", "--json"),
        *("--status", "exercise", "--operation", "marker", "--mode", "sea", "--mode", "air", "--subject", "vessel"),
    )
    assert set(json.loads(result.stdout)) == {"recipients", "trace"}
    assert node.calls[-1][3] == {
        "to": ["all"],
        "modes": ["sea", "air"],
        "subjects": ["vessel"],
        "kind": "seizure",
        "marking": "green",
        "precedence": "flash",
        "status": "exercise",
        "operation": "marker",
    }


def test_explain_a_draft_or_an_alert(run: Run, node: FakeNode, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text("kind: watch\ntitle: A ship\nto: [sg-cnb]\n", encoding="utf-8")
    assert run("route", "explain", "--draft", str(draft)).exit_code == 0
    assert node.calls[-1][3] == {"document": {"kind": "watch", "title": "A ship", "to": ["sg-cnb"]}}
    node.add(received(1))
    assert run("route", "explain", "--alert", "00000001").exit_code == 0
    assert node.calls[-1][3] == {"alert": "00000001"}


@pytest.mark.parametrize("given", [(), ("all", "--alert", "00000001")])
def test_explain_takes_one_of_three(run: Run, node: FakeNode, given: tuple[str, ...]) -> None:
    result = run("route", "explain", *given)
    assert result.exit_code == 2
    assert "--draft FILE" in result.stderr


def test_an_address_that_leads_nowhere_is_an_error(run: Run, node: FakeNode) -> None:
    result = run("route", "explain", "sg-cbn")
    assert result.exit_code == 2
    assert "[unknown-agency]" in result.stderr


def test_requests_are_seen_by_all(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    assert "No agency asks" in run("route", "requests").stderr
    node.requests = [
        {
            "agency": "nz-customs",
            "id": "craft",
            "topics": ["seizure", "watch"],
            "subjects": ["vessel"],
            "reason": "Boats",
        }
    ]
    row = run("route", "requests").stdout.rstrip("\n").split("\t")
    assert row == ["nz-customs", "craft", "seizure, watch", "", "vessel", "Boats"]
    assert "any" in on_terminal("route", "requests")
    assert json.loads(run("route", "requests", "--json").stdout)["requests"] == node.requests


def test_lint_says_what_is_wrong_and_fails(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    clean = run("route", "lint")
    assert (clean.exit_code, clean.stdout) == (0, "")
    assert "Nothing is wrong" in clean.stderr
    node.findings = [{"code": "contradicts", "rules": ["a", "b"], "message": "a never takes effect"}]
    found = run("route", "lint")
    assert (found.exit_code, found.stdout) == (1, "contradicts\ta, b\ta never takes effect\n")
    assert json.loads(run("route", "lint", "--json").stdout) == {"findings": node.findings}
