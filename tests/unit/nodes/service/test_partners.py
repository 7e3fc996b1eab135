from __future__ import annotations

import json

from nodes.service.partners import directory_view
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import make_world


def test_who_can_be_addressed() -> None:
    rule = Rule(
        "host", "add", Condition(operations=("marker",)), Target(operation_host=True), None, "The host sees all"
    )
    ceiling = Rule("cap", "ceiling", Condition(), Target(regions=("asia",)), "green", "Nothing above green")
    view = directory_view(make_world(rules=[rule, ceiling], suspended=["sg-cnb"]).directory)
    assert view["version"] == 5
    assert view["name"] == "Test directory"
    assert [(agency["id"], agency["status"]) for agency in view["agencies"]] == [
        ("au-abf", "active"),
        ("hk-customs", "active"),
        ("sg-cnb", "suspended"),
    ]
    assert view["agencies"][0]["regions"] == ["asia"]
    assert view["regions"] == [{"id": "asia", "name": "Region asia"}]
    assert view["operations"][0]["host"] == "au-abf"
    assert view["operations"][0]["participants"] is None
    assert view["rules"] == [
        {
            "id": "cap",
            "effect": "ceiling",
            "when": {},
            "to": {"regions": ["asia"]},
            "ceiling": "green",
            "reason": "Nothing above green",
        },
        {
            "id": "host",
            "effect": "add",
            "when": {"operations": ["marker"]},
            "to": {"operation_host": True},
            "ceiling": None,
            "reason": "The host sees all",
        },
    ]
    assert json.loads(json.dumps(view)) == view
