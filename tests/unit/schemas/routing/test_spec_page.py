"""The worked examples of docs/spec/routing.md, executed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from schemas.directory.state import Directory
from schemas.envelope.words import SUBJECTS
from schemas.errors import Nobody
from schemas.routing.requests import StandingRequest
from schemas.routing.resolve import RoutingQuery, resolve
from schemas.routing.rules import parse_rule
from tests.support.directory import NOW, make_world

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "spec" / "routing.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("## Worked examples")[1].splitlines()
    if line.startswith("| `")
]
REGIONS = {
    "far-east": ["cn-customs", "hk-customs"],
    "south-east-asia": ["sg-cnb"],
    "oceania": ["fj-customs", "nz-customs", "to-customs"],
}


@lru_cache
def directory() -> Directory:
    found = re.search(r"^```json rules\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    rules = [parse_rule(rule) for rule in json.loads(found[1])]
    world = make_world([agency for members in REGIONS.values() for agency in members], regions=REGIONS, rules=rules)
    boats = StandingRequest("boats", (), ("south-east-asia",), ("vessel",), "Boats come here.")
    world.keys["to-customs"] = replace(world.keys["to-customs"], requests=(boats,))
    world.publish("to-customs")
    return world.directory


def test_there_are_examples() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row[:5]) for row in ROWS])
def test_the_example_is_so(row: list[str]) -> None:
    sender, to, topic, marking, others, recipients, why = row
    else_ = [word.strip() for word in others.split(",") if word.strip()]
    query = RoutingQuery(
        sender=sender.strip("`"),
        address=(to.strip("`"),),
        topic=topic,
        marking=marking,
        precedence="routine",
        status="exercise" if "exercise" in else_ else "actual",
        operation=None,
        modes=tuple(word for word in else_ if word == "sea"),
        at=NOW,
        subjects=tuple(word for word in else_ if word in SUBJECTS),
    )
    if recipients == "nobody":
        with pytest.raises(Nobody):
            resolve(directory(), query)
        return
    resolution = resolve(directory(), query)
    assert list(resolution.recipients) == re.findall(r"`([^`]+)`", recipients)
    told = re.search(r"discloses (?:`(\w+)`|nothing)", why)
    if told is not None:
        assert resolution.subjects == ((told[1],) if told[1] else ())
    deciding = {decision.rule for decision in resolution.trace}
    named = [name for name in re.findall(r"`([^`]+)`", why) if name.startswith(("built-in:", "request:"))]
    assert set(named) <= deciding
