from __future__ import annotations

import json

import pytest

from tests.support.fake_node import FakeNode
from tests.unit.nodes.officer.conftest import OnTerminal, Run


def test_the_directory_lists_every_address(run: Run, node: FakeNode) -> None:
    rows = [line.split("\t") for line in run("directory").stdout.splitlines()]
    assert ["sg-cnb", "agency", "Central Narcotics Bureau of Singapore", "south-east-asia", "active"] in rows
    assert [row[0] for row in rows[-4:]] == ["region:oceania", "region:far-east", "operation:marker", "all"]
    assert json.loads(run("directory", "--json").stdout)["version"] == 33


def test_route_explain_says_who_and_why(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    rows = [line.split("\t") for line in run("route", "explain", "region:oceania").stdout.splitlines()]
    assert rows[:2] == [["au-abf", "yes", "address", "addressed"], ["nz-customs", "yes", "address", "addressed"]]
    assert all(row[1] == "no" for row in rows[2:])
    shown = on_terminal("route", "explain", "region:oceania")
    assert "2 agencies receive it. 3 others are not addressed." in shown
    assert "my-customs" not in shown


def test_route_explain_asks_with_all_that_decides(run: Run, node: FakeNode) -> None:
    result = run(
        *("route", "explain", "all", "--kind", "seizure", "--marking", "green", "--precedence", "flash", "--json"),
        *("--status", "exercise", "--operation", "marker", "--mode", "sea", "--mode", "air"),
    )
    assert set(json.loads(result.stdout)) == {"recipients", "trace"}
    assert node.calls[-1][3] == {
        "to": ["all"],
        "modes": ["sea", "air"],
        "kind": "seizure",
        "marking": "green",
        "precedence": "flash",
        "status": "exercise",
        "operation": "marker",
    }


@pytest.mark.parametrize(
    ("address", "code", "exit_code"), [("sg-cbn", "unknown-agency", 2), ("hk-customs", "nobody", 4)]
)
def test_an_address_that_reaches_nobody_is_an_error(
    run: Run, node: FakeNode, address: str, code: str, exit_code: int
) -> None:
    result = run("route", "explain", address)
    assert result.exit_code == exit_code
    assert f"[{code}]" in result.stderr
