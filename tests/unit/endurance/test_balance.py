"""What in a daemon's log counts against a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.demo.exchange import Exchange, example_agencies
from tests.endurance.balance import complaints


@pytest.mark.parametrize(
    ("line", "few", "all_nodes"),
    [
        (json.dumps({"event": "session failed", "level": "error"}), True, True),
        (json.dumps({"event": "a witness holds another history", "level": "critical"}), True, True),
        ("Traceback (most recent call last):", True, True),
        (json.dumps({"event": "quorum missing", "level": "error"}), False, True),
        (json.dumps({"event": "not connected", "level": "warning"}), False, False),
        ("words that are no JSON", False, False),
    ],
)
def test_a_grave_line_counts(tmp_path: Path, line: str, few: bool, all_nodes: bool) -> None:
    for agencies, expected in ((["hk-customs", "sg-cnb"], few), (example_agencies(), all_nodes)):
        exchange = Exchange(tmp_path, agencies)
        exchange.logs.mkdir(exist_ok=True)
        (exchange.logs / "broker.log").write_text(f"{line}\n", encoding="utf-8")
        assert bool(complaints(exchange)) is expected


def test_evidence_at_the_hub_counts(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path, ["hk-customs"])
    assert complaints(exchange) == []
    (exchange.broker_data / "evidence" / "witness-sg-cnb-1").mkdir(parents=True)
    assert complaints(exchange) == ["evidence at the hub: witness-sg-cnb-1"]
