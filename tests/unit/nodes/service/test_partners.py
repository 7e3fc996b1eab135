from __future__ import annotations

import json
from dataclasses import replace

from nodes.service.partners import directory_view
from schemas.routing.requests import StandingRequest
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
            "hub": None,
            "reason": "Nothing above green",
        },
        {
            "id": "host",
            "effect": "add",
            "when": {"operations": ["marker"]},
            "to": {"operation_host": True},
            "ceiling": None,
            "hub": None,
            "reason": "The host sees all",
        },
    ]
    assert view["requests"] == []
    assert json.loads(json.dumps(view)) == view


def test_standing_requests_are_seen_by_all() -> None:
    world = make_world()
    world.keys["sg-cnb"] = replace(
        world.keys["sg-cnb"], requests=(StandingRequest("boats", (), ("asia",), ("vessel",), "Boats come here."),)
    )
    world.publish("sg-cnb")
    assert directory_view(world.directory)["requests"] == [
        {"agency": "sg-cnb", "id": "boats", "regions": ["asia"], "subjects": ["vessel"], "reason": "Boats come here."}
    ]
