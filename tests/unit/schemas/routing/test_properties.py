"""What holds for every directory and every question."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import CrossbearingError
from schemas.routing.plan import plan_of
from schemas.routing.resolve import Resolution, RoutingQuery, disclosed, resolve, weigh
from schemas.routing.rules import Rule
from tests.support.directory import DAY_MS, NOW
from tests.support.routing import AGENCIES, QUERIES, SETTINGS, TODAY, Setting, plainly, rule_sets

Item = TypeVar("Item")
ENDS = (TODAY, TODAY + DAY_MS, NOW - 30 * DAY_MS, NOW + 730 * DAY_MS)
"""When operations and keys begin and end in those settings."""
MOMENTS = [end // 1000 * 1000 + off for end in ENDS for off in (-1, 0, 1)]
MANY = settings(max_examples=6 * settings().max_examples)


def outcome(setting: Setting, asked: RoutingQuery) -> Resolution | str:
    try:
        return resolve(setting.directory(), asked)
    except CrossbearingError as error:
        return error.code


def recipients(setting: Setting, asked: RoutingQuery) -> set[str]:
    found = outcome(setting, asked)
    return set(found.recipients) if isinstance(found, Resolution) else set()


@MANY
@given(SETTINGS, QUERIES)
def test_it_is_total_and_its_invariants_hold(setting: Setting, asked: RoutingQuery) -> None:
    found = outcome(setting, asked)
    assert found == outcome(setting, asked)
    if isinstance(found, str):
        assert found in {"nobody", "suspended", "operation-closed"}
        return
    assert found.recipients == tuple(sorted(set(found.recipients))) != ()
    assert asked.sender not in found.recipients
    assert not set(setting.suspended) & set(found.recipients)
    assert [d.agency for d in found.trace] == sorted(AGENCIES)
    assert tuple(d.agency for d in found.trace if d.included) == found.recipients
    assert all(d.rule and d.reason for d in found.trace)
    if asked.marking == "red":
        assert set(found.recipients) <= set(asked.address)
    if asked.operation == "marker":
        assert set(found.recipients) <= set(setting.participants)


@MANY
@given(SETTINGS, QUERIES, st.lists(st.sampled_from([0, 1, *MOMENTS]), min_size=1, max_size=6))
def test_an_answer_kept_is_the_answer_that_would_be_found(
    setting: Setting, asked: RoutingQuery, times: list[int]
) -> None:
    directory = setting.directory()
    for at in times:
        now = replace(asked, at=at)
        try:
            found: Resolution | str = weigh(plan_of(directory), now)
        except CrossbearingError as error:
            found = error.code
        if isinstance(found, Resolution):
            subjects = found.subjects if now.subjects and plan_of(directory).asks_for_subjects else ()
            assert disclosed(directory, now) == subjects
            found = found if found.recipients else "nobody"
        try:
            kept: Resolution | str = resolve(directory, now)
        except CrossbearingError as error:
            kept = error.code
        assert kept == found


@MANY
@given(SETTINGS, QUERIES)
def test_it_is_what_the_page_says(setting: Setting, asked: RoutingQuery) -> None:
    found = outcome(setting, asked)
    if found not in {"suspended", "operation-closed"}:
        assert recipients(setting, asked) == plainly(setting, asked)


@given(SETTINGS, QUERIES, st.randoms(use_true_random=False))
def test_order_is_without_meaning(setting: Setting, asked: RoutingQuery, chance: random.Random) -> None:
    def mix(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(chance.sample(items, len(items)))

    requests = {agency: mix(asks) for agency, asks in setting.requests.items()}
    mixed = replace(asked, address=mix(asked.address), modes=mix(asked.modes), subjects=mix(asked.subjects))
    assert outcome(setting, asked) == outcome(replace(setting, rules=mix(setting.rules), requests=requests), mixed)


def more(setting: Setting, rules: tuple[Rule, ...]) -> Setting:
    return replace(setting, rules=(*setting.rules, *(replace(rule, id=f"more-{rule.id}") for rule in rules)))


@given(SETTINGS, rule_sets(("deny", "only", "ceiling")), QUERIES)
def test_a_restriction_never_adds(setting: Setting, rules: tuple[Rule, ...], asked: RoutingQuery) -> None:
    assert recipients(more(setting, rules), asked) <= recipients(setting, asked)


@given(SETTINGS, rule_sets(("add", "permit")), QUERIES)
def test_widening_never_removes(setting: Setting, rules: tuple[Rule, ...], asked: RoutingQuery) -> None:
    assert recipients(setting, asked) <= recipients(more(setting, rules), asked)


@given(SETTINGS, rule_sets(("via",)), QUERIES)
def test_a_hub_takes_places_and_nothing_else(setting: Setting, rules: tuple[Rule, ...], asked: RoutingQuery) -> None:
    every_hub = {rule.hub for rule in (*setting.rules, *rules) if rule.hub is not None}
    assert recipients(more(setting, rules), asked) <= recipients(setting, asked) | every_hub


@given(SETTINGS, QUERIES)
def test_without_a_permit_requests_give_nothing(setting: Setting, asked: RoutingQuery) -> None:
    unpermitted = replace(setting, rules=tuple(rule for rule in setting.rules if rule.effect != "permit"))
    assert recipients(unpermitted, asked) == recipients(replace(unpermitted, requests={}), asked)


@MANY
@given(SETTINGS, QUERIES)
def test_what_is_disclosed_decides_as_all_would(setting: Setting, asked: RoutingQuery) -> None:
    """The hub, which sees the disclosed types alone, finds the recipients that the sender found, who sees them all."""
    directory = setting.directory()
    try:
        whole = weigh(plan_of(directory), asked)
    except CrossbearingError:
        return
    seen = replace(asked, subjects=disclosed(directory, asked))
    assert set(seen.subjects) <= set(asked.subjects)
    assert weigh(plan_of(directory), seen).recipients == whole.recipients
    assert disclosed(directory, seen) == seen.subjects
    for subject in seen.subjects:
        less = replace(seen, subjects=tuple(other for other in seen.subjects if other != subject))
        assert weigh(plan_of(directory), less).recipients != whole.recipients or len(seen.subjects) > 1
    if asked.marking in {"red", "amber+strict"}:
        assert seen.subjects == ()


@MANY
@given(SETTINGS, QUERIES, st.sampled_from([None, "nobody", "region:nowhere", "operation:nothing", "operation:marker"]))
def test_what_is_soon_known_of_a_disclosure_is_what_the_whole_decision_gives(
    setting: Setting, asked: RoutingQuery, more: str | None
) -> None:
    directory = setting.directory()
    asked = asked if more is None else replace(asked, address=(*asked.address, more))
    plan = plan_of(directory)

    def said(find: Callable[[], tuple[str, ...]]) -> tuple[str, ...] | str:
        try:
            return find()
        except CrossbearingError as error:
            return error.code

    for query in (asked, replace(asked, sender="nz-nobody")):
        whole = said(lambda query=query: weigh(plan, query).subjects)  # type: ignore[misc]  # bound in the loop
        soon = said(lambda query=query: disclosed(directory, query))  # type: ignore[misc]
        assert soon == (whole if query.subjects and plan.asks_for_subjects else ())
