"""Logged headers under a proposed directory."""

from __future__ import annotations

import json
from dataclasses import replace

from schemas.envelope.header import Header, decode_header
from schemas.routing.requests import StandingRequest
from schemas.routing.rules import Condition, Rule, Target
from schemas.routing.simulate import Change, proposal, simulate
from tests.support.directory import World, make_world
from tests.support.envelope import make_alert, seal_alert

AGENCIES = ("au-abf", "hk-customs", "jp-customs", "nz-customs", "sg-cnb")


def logged(world: World) -> list[tuple[int, Header]]:
    alerts = [
        make_alert(world, "hk-customs", number=1, to=["sg-cnb"]),
        make_alert(world, "sg-cnb", number=2, to=["hk-customs"], operation="marker", marking="green"),
        make_alert(world, "au-abf", number=3, to=["nz-customs", "sg-cnb"], kind="seizure"),
    ]
    return [(50 + n, decode_header(seal_alert(world, alert)[0].header)) for n, alert in enumerate(alerts)]


def changes(world: World, *rules: Rule, **fields: object) -> list[Change]:
    document = replace(world.document, rules=rules, **fields)  # type: ignore[arg-type]  # the names are checked by replace
    return list(simulate(proposal(document, world.directory), logged(world)))


def rule(rule_id: str, effect: str, to: Target, **when: tuple[str, ...]) -> Rule:
    return Rule(rule_id, effect, Condition(**when), to, None, "why", None)  # type: ignore[arg-type]  # a literal


def test_the_same_rules_change_nothing() -> None:
    assert changes(make_world(AGENCIES)) == []


def test_who_would_have_gained_and_lost() -> None:
    world = make_world(AGENCIES)
    add = rule("add", "add", Target(agencies=("jp-customs",)), topics=("watch",))
    deny = rule("deny", "deny", Target(agencies=("sg-cnb",)), topics=("seizure",))
    first, second, third = changes(world, add, deny)
    assert [change.index for change in (first, second, third)] == [50, 51, 52]
    assert [(d.agency, d.rule) for d in first.gained] == [("jp-customs", "add")]
    assert [(d.agency, d.rule) for d in third.lost] == [("sg-cnb", "deny")]
    assert json.loads(json.dumps(third.as_dict()))["lost"][0]["reason"] == "why"


def test_what_could_not_have_been_sent() -> None:
    world = make_world(AGENCIES)
    by_index = {change.index: change for change in changes(world, operations={})}
    assert by_index[51].refusal == "there is no operation 'marker'"
    agencies = {name: agency for name, agency in world.document.agencies.items() if name != "nz-customs"}
    (gone,) = changes(world, agencies=agencies)
    assert (gone.index, gone.refusal) == (52, "there is no agency nz-customs")
    (nobody,) = changes(world, rule("deny", "deny", Target(agencies=("hk-customs",)), senders=("sg-cnb",)))
    assert (nobody.refusal, [d.agency for d in nobody.lost]) == ("it would have reached nobody", ["hk-customs"])


def test_requests_in_force_count_and_agencies_without_keys_are_shown() -> None:
    world = make_world(AGENCIES)
    request = StandingRequest("finds", ("seizure",), (), (), "We compare.")
    world.keys["jp-customs"] = replace(world.keys["jp-customs"], requests=(request,), sealing=())
    world.publish("jp-customs")
    permit = rule("permit", "permit", Target(everyone=True))
    (change,) = changes(world, permit)
    assert [(d.agency, d.rule) for d in change.gained] == [("jp-customs", "request:finds")]
    removed = {name: agency for name, agency in world.document.agencies.items() if name != "jp-customs"}
    assert changes(world, permit, agencies=removed) == []
