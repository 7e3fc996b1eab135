"""Each finding of the linter, by a set of rules that has that fault and one that has not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from schemas.errors import CrossbearingError
from schemas.routing.lint import Finding, lint
from schemas.routing.resolve import RoutingQuery, resolve
from schemas.routing.rules import Condition, Rule, Target
from tests.support.routing import AGENCIES, QUERIES, SETTINGS, Setting

SETTING = Setting(
    members={
        "far-east": ("cn-customs", "hk-customs", "jp-customs"),
        "oceania": ("au-abf", "fj-customs", "nz-customs"),
        "coast": (),
    },
    suspended=("cn-customs",),
    participants=("au-abf", "hk-customs"),
    rules=(),
    requests={},
)
GREEN = ("clear", "green")


def rule(
    rule_id: str, effect: Any, to: Target, *, ceiling: str | None = None, hub: str | None = None, **when: Any
) -> Rule:
    return Rule(rule_id, effect, Condition(**when), to, ceiling, "why", hub)


def findings(*rules: Rule) -> list[tuple[str, tuple[str, ...]]]:
    return [(finding.code, finding.rules) for finding in found(*rules)]


def found(*rules: Rule) -> list[Finding]:
    return lint(replace(SETTING, rules=rules).directory().require_document())


ALL = Target(everyone=True)
OCEANIA = Target(regions=("oceania",))
SG = Target(agencies=("sg-cnb",))
FJ = Target(agencies=("fj-customs",))


def test_good_rules_have_no_findings() -> None:
    assert (
        found(
            rule("copy", "add", OCEANIA, modes=("sea",), sender_regions=("far-east",), markings=GREEN),
            rule("host", "add", Target(operation_host=True), operations=("marker",)),
            rule("cap", "ceiling", ALL, ceiling="green", topics=("bulletin",)),
            rule("hub", "via", FJ, hub="nz-customs", topics=("method",), markings=GREEN),
            rule("drill", "only", Target(sender_regions=True), statuses=("exercise",)),
            rule("ask", "permit", ALL, markings=GREEN),
            rule("near", "only", OCEANIA, topics=("risk",), sender_regions=("oceania",)),
        )
        == []
    )


@pytest.mark.parametrize(
    ("dead", "words"),
    [
        (
            rule("r", "deny", SG, senders=("hk-customs",), sender_regions=("oceania",)),
            "no active agency is such a sender",
        ),
        (rule("r", "deny", SG, senders=("cn-customs",)), "no active agency is such a sender"),
        (rule("r", "deny", SG, senders=("jp-customs",), operations=("marker",)), "no active agency is such a sender"),
        (rule("r", "via", SG, hub="au-abf", senders=("au-abf",)), "no active agency is such a sender"),
        (rule("r", "add", SG, markings=("red",)), "no rule can copy"),
        (rule("r", "add", OCEANIA, markings=("red", "amber+strict")), "no rule can copy"),
        (rule("r", "permit", SG, markings=("amber+strict",)), "no rule can copy"),
        (rule("r", "ceiling", SG, ceiling="red"), "within its ceiling"),
        (rule("r", "ceiling", SG, ceiling="amber", markings=GREEN), "within its ceiling"),
        (rule("r", "add", SG, recipient_regions=("coast",)), "no agency belongs to coast"),
        (rule("r", "add", Target(regions=("coast",)), markings=GREEN), "holds no active agency"),
        (rule("r", "deny", Target(agencies=("cn-customs",))), "holds no active agency"),
        (rule("r", "deny", SG, senders=("sg-cnb",)), "holds no active agency"),
        (rule("r", "via", Target(agencies=("cn-customs",)), hub="hk-customs"), "holds no active agency"),
        (rule("r", "only", ALL), "leaves nobody out"),
    ],
)
def test_rules_that_never_match(dead: Rule, words: str) -> None:
    (finding,) = found(dead)
    assert (finding.code, finding.rules) == ("never-matches", ("r",))
    assert words in finding.message


def test_a_rule_about_operations_where_there_are_none() -> None:
    document = replace(SETTING, rules=(rule("r", "add", Target(operation_host=True)),)).directory().require_document()
    (finding,) = lint(replace(document, operations={}))
    assert "there is none" in finding.message


@pytest.mark.parametrize(
    "bars",
    [
        [rule("bar", "deny", SG)],
        [rule("bar", "only", OCEANIA, topics=("watch", "method"))],
        [rule("bar", "ceiling", SG, ceiling="clear", markings=("green", "amber"))],
    ],
)
def test_an_addition_that_others_always_undo(bars: list[Rule]) -> None:
    add = rule("add", "add", SG, topics=("watch",), markings=("green",))
    assert ("contradicts", ("add", "bar")) in findings(add, *bars)
    weaker = [replace(bar, when=replace(bar.when, modes=("sea",))) for bar in bars]
    assert not [finding for finding in found(add, *weaker) if finding.code == "contradicts"]


def test_two_restrictions_together_may_undo_an_addition() -> None:
    both = rule("add", "add", Target(agencies=("sg-cnb", "jp-customs")), topics=("watch",))
    bars = (rule("no-jp", "deny", Target(agencies=("jp-customs",))), rule("no-sg", "deny", SG))
    assert ("contradicts", ("add", "no-jp", "no-sg")) in findings(both, *bars)


def test_only_rules_that_leave_nobody() -> None:
    first = rule("first", "only", OCEANIA, topics=("watch", "method"))
    second = rule("second", "only", SG, topics=("method",), precedences=("flash",))
    assert ("contradicts", ("first", "second")) in findings(first, second)
    apart = replace(second, when=Condition(topics=("risk",)))
    assert not [finding for finding in found(first, apart) if finding.code == "contradicts"]


def test_hubs_in_a_circle() -> None:
    one = rule("one", "via", FJ, hub="nz-customs", topics=("watch",))
    two = rule("two", "via", Target(agencies=("nz-customs",)), hub="fj-customs", topics=("watch", "risk"))
    circles = [finding for finding in found(one, two) if "circle" in finding.message]
    assert [finding.rules for finding in circles] == [("one", "two")]
    on = replace(two, hub="au-abf")
    assert not [finding for finding in found(one, on) if "circle" in finding.message]


def test_an_agency_that_nobody_can_reach() -> None:
    (finding,) = found(rule("never", "deny", SG, topics=("method",)))
    assert (finding.code, finding.rules) == ("unreachable", ("never",))
    assert finding.message.startswith("nobody can reach sg-cnb with clear method; green method; amber method;")
    assert findings(rule("never", "deny", SG, topics=("method",), sender_regions=("oceania",))) == []
    (finding,) = found(rule("never", "deny", SG))
    assert "clear of any topic" in finding.message


def test_urgency_that_gets_through_is_enough() -> None:
    assert findings(rule("slow", "deny", SG, precedences=("routine", "priority"))) == []


def test_a_hub_that_may_not_have_it_makes_unreachable() -> None:
    hub = rule("hub", "via", FJ, hub="nz-customs")
    (finding,) = found(hub)  # red goes to no hub
    assert finding == Finding(
        "unreachable", ("hub",), "nobody but its hub can reach fj-customs with red of any topic, because of hub"
    )
    shut = rule("shut", "deny", Target(agencies=("nz-customs",)), topics=("watch",))
    assert any("fj-customs with clear watch" in finding.message for finding in found(hub, shut))


def test_a_ceiling_makes_nobody_unreachable() -> None:
    assert findings(rule("cap", "ceiling", ALL, ceiling="green")) == []


def test_widening_to_regions_names_its_markings() -> None:
    assert findings(rule("copy", "add", OCEANIA)) == [("lets-out", ("copy",))]
    assert findings(rule("ask", "permit", SG)) == [("lets-out", ("ask",))]
    assert findings(rule("copy", "add", SG)) == []


def test_widening_past_a_ceiling_elsewhere() -> None:
    copy = rule("copy", "add", OCEANIA, topics=("watch",), markings=("amber",))
    cap = rule("cap", "ceiling", FJ, ceiling="green", sender_regions=("far-east",))
    (finding,) = found(copy, cap)
    assert (finding.code, finding.rules) == ("lets-out", ("cap", "copy"))
    assert "gives amber to fj-customs, which cap limits to green" in finding.message
    assert not [f for f in found(copy, replace(cap, when=Condition())) if f.code == "lets-out"]
    assert findings(replace(copy, when=replace(copy.when, markings=GREEN)), cap) == []


@settings(max_examples=100)
@given(SETTINGS, QUERIES)
def test_a_rule_said_to_change_nothing_changes_nothing(setting: Setting, asked: RoutingQuery) -> None:
    """For every generated directory and question the rules called dead can be left out."""
    dead = {f.rules[0] for f in lint(setting.directory().require_document()) if f.code == "never-matches"}
    alive = replace(setting, rules=tuple(one for one in setting.rules if one.id not in dead))
    assert outcome(setting, asked) == outcome(alive, asked)


@settings(max_examples=60)
@given(SETTINGS, QUERIES)
def test_nobody_said_to_be_unreachable_is_reached_by_name(setting: Setting, asked: RoutingQuery) -> None:
    plain = replace(asked, operation=None, status="actual", modes=(), subjects=())
    shut = [f.message for f in lint(setting.directory().require_document()) if f.code == "unreachable"]
    for recipient in AGENCIES:
        mine = [message for message in shut if message.startswith(f"nobody can reach {recipient} with")]
        if any(f"{plain.marking} of any topic" in message for message in mine):
            assert recipient not in (outcome(setting, replace(plain, address=(recipient,))) or ())


def outcome(setting: Setting, asked: RoutingQuery) -> tuple[str, ...] | None:
    try:
        return resolve(setting.directory(), asked).recipients
    except CrossbearingError:
        return None
