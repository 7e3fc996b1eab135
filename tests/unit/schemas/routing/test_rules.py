"""Reading the governors' rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Value
from schemas.envelope.words import MARKINGS, MODES, PRECEDENCES, STATUSES, TOPICS
from schemas.errors import BadId, Malformed
from schemas.routing.rules import EFFECTS, Condition, Rule, Target, parse_rule, rule_to_json

GOOD: dict[str, Any] = {
    "id": "copy-sea",
    "effect": "add",
    "when": {"modes": ["sea"], "sender_regions": ["oceania"]},
    "to": {"regions": ["far-east"], "operation_host": True},
    "reason": "Seaborne alerts of Oceania concern the Far East.",
}


def test_a_rule_reads() -> None:
    assert parse_rule(GOOD) == Rule(
        "copy-sea",
        "add",
        Condition(modes=("sea",), sender_regions=("oceania",)),
        Target(regions=("far-east",), operation_host=True),
        None,
        "Seaborne alerts of Oceania concern the Far East.",
    )


def test_a_rule_is_written_without_what_is_empty() -> None:
    assert rule_to_json(parse_rule(GOOD)) == GOOD
    ceiling = {**GOOD, "effect": "ceiling", "ceiling": "green", "to": {"agencies": ["sg-cnb"]}}
    assert rule_to_json(parse_rule(ceiling)) == ceiling
    via = {**GOOD, "effect": "via", "hub": "jp-customs", "to": {"regions": ["far-east"]}}
    assert rule_to_json(parse_rule(via)) == via


@pytest.mark.parametrize(
    ("to", "needed"),
    [
        (Target(operation_host=True), True),
        (Target(operation_participants=True), True),
        (Target(agencies=("sg-cnb",), regions=("far-east",), sender_regions=True, everyone=True), False),
    ],
)
def test_what_a_target_in_an_operation_needs(to: Target, needed: bool) -> None:
    assert to.needs_operation is needed


def test_when_may_be_absent() -> None:
    rule = parse_rule({key: value for key, value in GOOD.items() if key != "when"})
    assert rule.when == Condition()


def test_a_widening_rule_is_about_actual_alerts_unless_it_says_otherwise() -> None:
    assert parse_rule(GOOD).statuses == ("actual",)
    assert parse_rule({**GOOD, "effect": "permit"}).statuses == ("actual",)
    assert parse_rule({**GOOD, "effect": "deny"}).statuses == ()
    assert parse_rule({**GOOD, "when": {"statuses": ["exercise"]}}).statuses == ("exercise",)


def some(words: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), unique=True, max_size=3).map(tuple)


CONDITIONS = st.builds(
    Condition,
    topics=some(TOPICS),
    markings=some(MARKINGS),
    precedences=some(PRECEDENCES),
    operations=some(("marker", "other-op")),
    modes=some(MODES),
    senders=some(("hk-customs", "sg-cnb")),
    sender_regions=some(("oceania", "far-east")),
    recipient_regions=some(("oceania", "far-east")),
    statuses=some(STATUSES),
)
TARGETS = st.builds(
    Target,
    agencies=some(("hk-customs", "sg-cnb")),
    regions=some(("oceania", "far-east")),
    sender_regions=st.booleans(),
    operation_host=st.booleans(),
    operation_participants=st.booleans(),
    everyone=st.booleans(),
).filter(lambda target: target != Target())


@given(st.sampled_from(EFFECTS), CONDITIONS, TARGETS, st.sampled_from(MARKINGS))
def test_round_trip(effect: Any, when: Condition, to: Target, ceiling: str) -> None:
    limit, hub = (ceiling if effect == "ceiling" else None), ("jp-customs" if effect == "via" else None)
    rule = Rule("a-rule", effect, when, to, limit, "Because it is so.", hub)
    assert parse_rule(rule_to_json(rule)) == rule


DEFECTS: dict[str, tuple[Value, str]] = {
    "no object": ("rule", "not an object"),
    "unknown field": ({**GOOD, "surprise": 1}, "surprise"),
    "no reason": ({**GOOD, "reason": ""}, "reason"),
    "reason with control": ({**GOOD, "reason": "a\x1b[2J"}, "reason"),
    "reason too long": ({**GOOD, "reason": "a" * 201}, "reason"),
    "unknown effect": ({**GOOD, "effect": "allow"}, "effect"),
    "via without hub": ({**GOOD, "effect": "via"}, "hub"),
    "hub on another effect": ({**GOOD, "hub": "hk-customs"}, "hub"),
    "hub reached through itself": (
        {**GOOD, "effect": "via", "hub": "hk-customs", "to": {"agencies": ["hk-customs"]}},
        "through itself",
    ),
    "unknown condition": ({**GOOD, "when": {"weather": ["fog"]}}, "weather"),
    "unknown topic": ({**GOOD, "when": {"topics": ["gossip"]}}, r"when\.topics: 'gossip'"),
    "a long word": ({**GOOD, "when": {"topics": ["x" * 60]}}, rf"when.topics: '{'x' * 40}' is none of"),
    "unknown marking": ({**GOOD, "when": {"markings": ["white"]}}, "white"),
    "unknown precedence": ({**GOOD, "when": {"precedences": ["urgent"]}}, "urgent"),
    "unknown status": ({**GOOD, "when": {"statuses": ["real"]}}, "real"),
    "unknown mode": ({**GOOD, "when": {"modes": ["space"]}}, "space"),
    "condition twice": ({**GOOD, "when": {"modes": ["sea", "sea"]}}, r"when\.modes: names something twice"),
    "condition no list": ({**GOOD, "when": {"modes": "sea"}}, "modes"),
    "unknown target": ({**GOOD, "to": {"continent": True}}, "continent"),
    "agency twice": ({**GOOD, "to": {"agencies": ["sg-cnb", "sg-cnb"]}}, r"to\.agencies: names something twice"),
    "target twice": ({**GOOD, "to": {"regions": ["far-east", "far-east"]}}, r"to\.regions: names something twice"),
    "nobody": ({**GOOD, "to": {}}, "names nobody"),
    "nobody by flags": ({**GOOD, "to": {"everyone": False}}, "names nobody"),
    "flag as a number": ({**GOOD, "to": {"everyone": 1}}, "everyone"),
    "ceiling on another effect": ({**GOOD, "ceiling": "green"}, "ceiling"),
    "unknown ceiling on another effect": ({**GOOD, "ceiling": "white"}, "ceiling"),
    "ceiling without marking": ({**GOOD, "effect": "ceiling"}, "ceiling"),
    "ceiling unknown": ({**GOOD, "effect": "ceiling", "ceiling": "white"}, "ceiling"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_are_named(defect: str) -> None:
    value, words = DEFECTS[defect]
    with pytest.raises(Malformed, match=words) as caught:
        parse_rule(value)
    assert caught.value.message.startswith(("a rule is not", "rule.surprise", "rule copy-sea: "))


def test_a_reason_may_fill_its_line() -> None:
    assert parse_rule({**GOOD, "reason": "a" * 200}).reason == "a" * 200


@pytest.mark.parametrize(
    "change",
    [
        {"id": "Copy Sea"},
        {"when": {"senders": ["nobody"]}},
        {"when": {"operations": ["Mark er"]}},
        {"when": {"sender_regions": ["all regions"]}},
        {"to": {"agencies": ["nobody"]}},
        {"to": {"regions": ["-"]}},
        {"effect": "via", "hub": "nobody"},
        {"when": {"recipient_regions": ["all regions"]}},
    ],
)
def test_ids_have_their_form(change: dict[str, Any]) -> None:
    with pytest.raises(BadId):
        parse_rule({**GOOD, **change})
