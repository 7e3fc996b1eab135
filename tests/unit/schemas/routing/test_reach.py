"""Who can reach whom."""

from __future__ import annotations

from hypothesis import given, settings

from schemas.errors import CrossbearingError
from schemas.routing.plan import Plan, plan_of
from schemas.routing.reach import Reach, matrix, reach
from schemas.routing.resolve import RoutingQuery, resolve
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import NOW, make_world
from tests.support.routing import AGENCIES, QUERIES, SETTINGS, Setting

HUB = Rule("hub", "via", Condition(topics=("method",)), Target(agencies=("fj-customs",)), None, "small", "nz-customs")
DENY = Rule("deny", "deny", Condition(), Target(agencies=("sg-cnb",)), None, "no agreement")
QUERY = RoutingQuery("", (), "method", "amber", "routine", "actual", None, (), NOW)


def test_a_cell_says_how_or_why_not() -> None:
    plan = plan_of(make_world(AGENCIES, rules=[HUB, DENY], suspended=["jp-customs"]).directory)
    table = matrix(plan, QUERY)
    assert sorted(table) == sorted(AGENCIES)
    assert "hk-customs" not in table["hk-customs"]
    assert table["hk-customs"]["au-abf"] == Reach("yes", "built-in:addressed", "addressed by name")
    assert table["hk-customs"]["fj-customs"] == Reach("hub", "hub", "is reached through nz-customs: small")
    assert table["nz-customs"]["fj-customs"].state == "yes"
    assert table["hk-customs"]["sg-cnb"] == Reach("no", "deny", "no agreement")
    assert table["hk-customs"]["jp-customs"] == Reach("no", "built-in:suspended", "is suspended")
    assert table["jp-customs"]["hk-customs"] == Reach("no", "suspended", "jp-customs is suspended and cannot send")


def test_a_hub_that_does_not_receive_is_no_way() -> None:
    shut = Rule("shut", "deny", Condition(), Target(agencies=("nz-customs",)), None, "closed")
    plan = plan_of(make_world(AGENCIES, rules=[HUB, shut]).directory)
    assert matrix(plan, QUERY)["hk-customs"]["fj-customs"].state == "no"


@settings(max_examples=100)
@given(SETTINGS, QUERIES)
def test_it_agrees_with_resolve(setting: Setting, asked: RoutingQuery) -> None:
    directory = setting.directory()
    plan = Plan(directory.require_document(), directory.keys)
    for recipient in AGENCIES:
        if recipient == asked.sender:
            continue
        question = RoutingQuery(asked.sender, (recipient,), *[getattr(asked, n) for n in asked.__slots__[2:]])
        try:
            received = resolve(directory, question).recipients
        except CrossbearingError:
            received = ()
        assert (reach(plan, question).state == "yes") is (recipient in received)
