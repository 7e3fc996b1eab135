from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodes.officer.charts import short_names
from tests.support.fake_node import FakeNode
from tests.unit.nodes.officer.conftest import OnTerminal, Run

CHANGE = {
    "index": 41,
    "id": "019ab000-0000-7000-8000-000000000041",
    "sender": "hk-customs",
    "topic": "watch",
    "marking": "amber",
    "address": ["sg-cnb"],
    "gained": [{"agency": "au-abf", "included": True, "rule": "copy", "reason": "agreed"}],
    "lost": [{"agency": "sg-cnb", "included": False, "rule": "never", "reason": "no agreement"}],
    "refusal": None,
}


def test_the_matrix_shows_every_pair(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    shown = on_terminal("route", "matrix", "--marking", "red", "--topic", "method", "--precedence", "flash")
    asked = node.calls[-1][3]
    assert (asked["kind"], asked["marking"], asked["precedence"]) == ("method", "red", "flash")
    lines = shown.splitlines()
    assert [f"{a}{b}" for a, b in zip(lines[0].split(), lines[1].split(), strict=True)] == [
        "au",
        "hk",
        "my",
        "nz",
        "sg",
    ]
    assert lines[2].split() == ["au-abf", "+", ".", "+", "+"]
    assert lines[3].split() == ["hk-customs", "+", ".", "h", "+"]
    assert "4 pairs: no agreement" in shown
    assert "3 pairs: is reached through au-abf: small" in shown


def test_piped_the_matrix_is_a_line_for_each_pair(run: Run, node: FakeNode) -> None:
    rows = [line.split("\t") for line in run("route", "matrix").stdout.splitlines()]
    assert len(rows) == 20
    assert ["hk-customs", "my-customs", "no", "never", "no agreement"] in rows
    assert set(json.loads(run("route", "matrix", "--json").stdout)) == {"agencies", "reach"}


def test_thirty_one_agencies_fit_in_120_columns() -> None:
    agencies = [f"{first}{second}-customs" for first in "abcdef" for second in "abcdef"][:31]
    assert len(max(agencies, key=len)) + 3 * len(short_names(agencies)) < 120
    assert short_names(["hk-customs", "hk-police", "sg-cnb"]) == ["01", "02", "sg"]


def test_simulate_lists_who_would_have_gained_and_lost(
    run: Run, on_terminal: OnTerminal, node: FakeNode, tmp_path: Path
) -> None:
    (tmp_path / "directory.json").write_text('{"format": 1}', encoding="utf-8")
    none = run("route", "simulate", str(tmp_path))
    assert node.calls[-1][3] == {"document": {"format": 1}}
    assert (none.exit_code, none.stdout) == (0, "")
    assert "0 of 3 alerts would have gone elsewhere." in none.stderr
    node.changes = [CHANGE, {**CHANGE, "gained": [], "lost": [], "refusal": "there is no operation 'marker'"}]
    rows = [line.split("\t") for line in run("route", "simulate", str(tmp_path / "directory.json")).stdout.splitlines()]
    assert rows[0] == ["41", CHANGE["id"], "hk-customs", "watch", "+", "au-abf", "copy", "agreed"]
    assert rows[1][4:] == ["-", "sg-cnb", "never", "no agreement"]
    assert rows[2][4:] == ["!", "", "", "there is no operation 'marker'"]
    assert "sg-cnb" in on_terminal("route", "simulate", str(tmp_path))
    assert json.loads(run("route", "simulate", str(tmp_path), "--json").stdout)["alerts"] == 3


@pytest.mark.parametrize("content", ["not json", "[]"])
def test_simulate_refuses_what_is_no_directory(run: Run, node: FakeNode, tmp_path: Path, content: str) -> None:
    file = tmp_path / "new.json"
    file.write_text(content, encoding="utf-8")
    result = run("route", "simulate", str(file))
    assert result.exit_code != 0
    assert "[directory-invalid]" in result.stderr


def test_simulate_needs_the_file(run: Run, node: FakeNode, tmp_path: Path) -> None:
    result = run("route", "simulate", str(tmp_path))
    assert result.exit_code == 1
    assert "[storage-failed]" in result.stderr
