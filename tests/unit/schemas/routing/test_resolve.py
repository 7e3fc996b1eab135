"""Who receives an alert: examples one by one, then properties over generated rules."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import pytest

from schemas.directory.documents import Operation
from schemas.directory.state import Directory
from schemas.envelope.header import decode_header
from schemas.envelope.words import MARKING_RANK, MARKINGS
from schemas.errors import (
    BadAddress,
    CrossbearingError,
    Malformed,
    Nobody,
    OperationClosed,
    Suspended,
    UnknownAgency,
    UnknownOperation,
    UnknownRegion,
)
from schemas.routing import trace as routing
from schemas.routing.requests import StandingRequest
from schemas.routing.resolve import Decision, Resolution, RoutingQuery, disclosed, query_of, query_of_alert, resolve
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import DAY_MS, NOW, World, make_world, record
from tests.support.envelope import make_alert, seal_alert

REGIONS = {
    "far-east": ["cn-customs", "hk-customs", "jp-customs"],
    "oceania": ["au-abf", "fj-customs", "nz-customs"],
    "coast": ["au-abf", "hk-customs"],
    "empty": [],
}
AGENCIES = ("au-abf", "cn-customs", "fj-customs", "hk-customs", "jp-customs", "nz-customs", "sg-cnb")
OPERATIONS = (
    Operation("marker", "Marker", "hk-customs", NOW - DAY_MS, NOW + DAY_MS, ("au-abf", "hk-customs", "sg-cnb")),
    Operation("pair", "Two alone", "hk-customs", NOW - DAY_MS, NOW + DAY_MS, ("cn-customs", "hk-customs")),
    Operation("open", "Open to all", "sg-cnb", NOW - DAY_MS, NOW + DAY_MS, None),
    Operation("past", "Past", "hk-customs", NOW - 9 * DAY_MS, NOW - 8 * DAY_MS, None),
    Operation("future", "Future", "hk-customs", NOW + 8 * DAY_MS, NOW + 9 * DAY_MS, None),
)


def whole_days(operation: Operation) -> Operation:
    return replace(
        operation, starts=operation.starts - operation.starts % DAY_MS, ends=operation.ends - operation.ends % DAY_MS
    )


@lru_cache
def world(rules: tuple[Rule, ...] = (), suspended: tuple[str, ...] = ()) -> World:
    return make_world(
        AGENCIES,
        rules=rules,
        regions=REGIONS,
        operations=[whole_days(operation) for operation in OPERATIONS],
        suspended=suspended,
    )


def query(*address: str, sender: str = "hk-customs", **fields: Any) -> RoutingQuery:
    values: dict[str, Any] = {
        "topic": "watch",
        "marking": "amber",
        "precedence": "routine",
        "status": "actual",
        "operation": None,
        "modes": (),
        "at": NOW,
        **fields,
    }
    return RoutingQuery(sender=sender, address=address, **values)


def rule(
    rule_id: str,
    effect: Any,
    to: Target,
    *,
    ceiling: str | None = None,
    hub: str | None = None,
    **when: tuple[str, ...],
) -> Rule:
    return Rule(rule_id, effect, Condition(**when), to, ceiling, f"because of {rule_id}", hub)


def recipients(asked: RoutingQuery, *rules: Rule, suspended: tuple[str, ...] = ()) -> tuple[str, ...]:
    return resolve(world(rules, suspended).directory, asked).recipients


def decision(resolution: Resolution, agency: str) -> Decision:
    return next(d for d in resolution.trace if d.agency == agency)


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("sg-cnb",), ("sg-cnb",)),
        (("sg-cnb", "au-abf"), ("au-abf", "sg-cnb")),
        (("region:oceania",), ("au-abf", "fj-customs", "nz-customs")),
        (("region:far-east",), ("cn-customs", "jp-customs")),
        (("operation:marker",), ("au-abf", "sg-cnb")),
        (("operation:marker", "operation:pair"), ("au-abf", "cn-customs", "sg-cnb")),
        (("all",), tuple(a for a in AGENCIES if a != "hk-customs")),
        (("region:coast", "sg-cnb", "hk-customs"), ("au-abf", "sg-cnb")),
    ],
)
def test_addresses(address: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert recipients(query(*address)) == expected


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("us-cbp", UnknownAgency),
        ("region:atlantis", UnknownRegion),
        ("operation:mystery", UnknownOperation),
        ("operation:past", OperationClosed),
        ("operation:future", OperationClosed),
        ("oceania", BadAddress),
        ("region:empty", Nobody),
        ("hk-customs", Nobody),
    ],
)
def test_addresses_that_lead_nowhere(address: str, error: type[CrossbearingError]) -> None:
    with pytest.raises(error):
        recipients(query(address))


def test_no_address_is_nobody() -> None:
    with pytest.raises(Nobody, match=r"^no address reaches nobody$"):
        recipients(query())


def test_nobody_says_who_was_left_out_and_why() -> None:
    with pytest.raises(Nobody, match=r"hk-customs is the sender \(built-in:sender\); sg-cnb is suspended"):
        recipients(query("hk-customs", "sg-cnb"), suspended=("sg-cnb",))
    with pytest.raises(Nobody) as caught:
        recipients(query("hk-customs", "region:empty"))
    assert caught.value.message == (
        "hk-customs, region:empty reaches nobody: hk-customs is the sender (built-in:sender)"
    )
    with pytest.raises(Nobody) as caught:
        recipients(query("sg-cnb", "au-abf", "nz-customs"), suspended=("au-abf", "nz-customs", "sg-cnb"))
    assert caught.value.message.endswith("sg-cnb is suspended (built-in:suspended)"), "three are named"
    many = ("region:empty",) * 20
    with pytest.raises(Nobody) as caught:
        recipients(query(*many))
    assert caught.value.message == f"{', '.join(many)[:200]} reaches nobody"
    with pytest.raises(OperationClosed, match=r"^jp-customs takes no part in operation marker$"):
        recipients(query("sg-cnb", sender="jp-customs", operation="marker"))
    with pytest.raises(Nobody, match=r"and 4 more$"):
        recipients(query("all", marking="red", operation=None), suspended=())


def test_words_outside_the_lists_are_refused() -> None:
    for field in ("topic", "marking", "precedence", "status"):
        with pytest.raises(Malformed):
            query("all", **{field: "gossip"})
    with pytest.raises(Malformed):
        query("all", modes=("space",))


# -- invariants --------------------------------------------------------------------------------------------------------


def test_the_sender_exists_and_is_active() -> None:
    with pytest.raises(UnknownAgency, match=r"^the sender 'us-cbp' is no agency of the directory$"):
        recipients(query("all", sender="us-cbp"))
    with pytest.raises(UnknownAgency, match=f"^the sender '{'x' * 80}' is no agency"):
        recipients(query("all", sender="x" * 100))
    with pytest.raises(Suspended, match=r"^hk-customs is suspended and cannot send$"):
        recipients(query("all"), suspended=("hk-customs",))


def test_suspended_agencies_do_not_receive_even_by_rule() -> None:
    add = rule("add-sg", "add", Target(agencies=("sg-cnb",)))
    resolution = resolve(world((add,), ("sg-cnb",)).directory, query("sg-cnb", "au-abf"))
    assert resolution.recipients == ("au-abf",)
    assert decision(resolution, "sg-cnb") == Decision("sg-cnb", False, routing.SUSPENDED, "is suspended")


def test_red_goes_to_agencies_named_one_by_one() -> None:
    add = rule("add-jp", "add", Target(agencies=("jp-customs",), everyone=True))
    resolution = resolve(
        world((add,)).directory, query("au-abf", "region:oceania", "operation:marker", "all", marking="red")
    )
    assert resolution.recipients == ("au-abf",)
    for agency in ("fj-customs", "sg-cnb", "jp-customs"):
        assert decision(resolution, agency).rule == routing.RED
    with pytest.raises(Nobody):
        recipients(query("all", "region:oceania", marking="red"))


def test_amber_strict_goes_to_no_region_and_never_to_all() -> None:
    asked = query("jp-customs", "region:oceania", "operation:marker", "all", marking="amber+strict")
    add = rule("add", "add", Target(agencies=("cn-customs",), regions=("oceania",), sender_regions=True, everyone=True))
    resolution = resolve(world((add,)).directory, asked)
    assert resolution.recipients == ("au-abf", "cn-customs", "jp-customs", "sg-cnb")
    assert decision(resolution, "fj-customs").rule == routing.AMBER_STRICT
    with pytest.raises(Nobody):
        recipients(query("region:oceania", marking="amber+strict"))


def test_an_operations_alerts_go_to_its_participants() -> None:
    resolution = resolve(world().directory, query("all", "jp-customs", operation="marker"))
    assert resolution.recipients == ("au-abf", "sg-cnb")
    assert decision(resolution, "jp-customs") == Decision(
        "jp-customs", False, routing.OPERATION, "takes no part in operation marker"
    )


@pytest.mark.parametrize(
    ("operation", "sender", "error"),
    [
        ("mystery", "hk-customs", UnknownOperation),
        ("past", "hk-customs", OperationClosed),
        ("future", "hk-customs", OperationClosed),
        ("marker", "jp-customs", OperationClosed),
    ],
)
def test_operations_that_cannot_be_used(operation: str, sender: str, error: type[CrossbearingError]) -> None:
    with pytest.raises(error):
        recipients(query("all", operation=operation, sender=sender))


def test_an_operation_runs_from_its_first_to_its_last_moment() -> None:
    marker = world().directory.require_document().operations["marker"]
    for at in (marker.starts, marker.ends - 1):
        assert recipients(query("sg-cnb", operation="marker", at=at)) == ("sg-cnb",)
    for at in (marker.starts - 1, marker.ends):
        with pytest.raises(OperationClosed):
            recipients(query("sg-cnb", operation="marker", at=at))


def test_without_a_valid_sealing_key_nothing_can_be_sealed() -> None:
    made = make_world(AGENCIES, regions=REGIONS)
    brief = record(made.sealing["sg-cnb"].public, ends=NOW + 10_000)
    made.keys["sg-cnb"] = replace(made.keys["sg-cnb"], sealing=(brief,))
    made.publish("sg-cnb")
    assert resolve(made.directory, query("sg-cnb", "au-abf", at=brief.not_after - 1)).recipients == ("au-abf", "sg-cnb")
    later = resolve(made.directory, query("sg-cnb", "au-abf", at=brief.not_after))
    assert later.recipients == ("au-abf",)
    assert decision(later, "sg-cnb").rule == routing.NO_KEY
    made.keys["sg-cnb"] = replace(made.keys["sg-cnb"], sealing=())
    made.publish("sg-cnb")
    with pytest.raises(Nobody, match="no valid sealing key"):
        resolve(made.directory, query("sg-cnb"))


# -- rules -------------------------------------------------------------------------------------------------------------


def test_copy_seaborne_alerts_of_one_region_to_another() -> None:
    copy = rule("copy", "add", Target(regions=("far-east",)), modes=("sea",), sender_regions=("oceania",))
    asked = query("sg-cnb", sender="au-abf", modes=("air", "sea"))
    resolution = resolve(world((copy,)).directory, asked)
    assert resolution.recipients == ("cn-customs", "hk-customs", "jp-customs", "sg-cnb")
    assert decision(resolution, "jp-customs") == Decision("jp-customs", True, "copy", "because of copy")
    assert recipients(replace(asked, modes=("air",)), copy) == ("sg-cnb",)
    assert recipients(replace(asked, sender="jp-customs"), copy) == ("sg-cnb",)


def test_always_copy_the_host_of_an_operation() -> None:
    copy = rule("host", "add", Target(operation_host=True))
    assert recipients(query("au-abf", sender="sg-cnb", operation="marker"), copy) == ("au-abf", "hk-customs")
    assert recipients(query("au-abf", sender="sg-cnb"), copy) == ("au-abf",)


def test_participants_as_target() -> None:
    copy = rule("all-parts", "add", Target(operation_participants=True), operations=("marker",))
    assert recipients(query("au-abf", sender="sg-cnb", operation="marker"), copy) == ("au-abf", "hk-customs")
    assert recipients(query("au-abf", sender="sg-cnb", operation="open"), copy) == ("au-abf",)


def test_a_rule_on_the_operation_restricts_only_alerts_with_one() -> None:
    only = rule("host-only", "only", Target(operation_host=True))
    assert recipients(query("all", sender="sg-cnb", operation="marker"), only) == ("hk-customs",)
    assert len(recipients(query("all", sender="sg-cnb"), only)) == len(AGENCIES) - 1


def test_deny_wins_over_address_and_addition() -> None:
    add = rule("a-add", "add", Target(agencies=("sg-cnb",)))
    deny = rule("b-deny", "deny", Target(agencies=("sg-cnb",)), senders=("hk-customs",))
    resolution = resolve(world((add, deny)).directory, query("sg-cnb", "au-abf"))
    assert resolution.recipients == ("au-abf",)
    assert decision(resolution, "sg-cnb") == Decision("sg-cnb", False, "b-deny", "because of b-deny")


def test_only_keeps_within() -> None:
    keep = rule("keep", "only", Target(sender_regions=True), topics=("method",))
    assert recipients(query("all", topic="method"), keep) == ("au-abf", "cn-customs", "jp-customs")
    assert recipients(query("all", topic="method", sender="nz-customs"), keep) == ("au-abf", "fj-customs")
    with pytest.raises(Nobody):
        recipients(query("all", topic="method", sender="sg-cnb"), keep)


@pytest.mark.parametrize("marking", MARKINGS)
def test_ceilings(marking: str) -> None:
    cap = rule("cap", "ceiling", Target(agencies=("sg-cnb",)), ceiling="green")
    found = recipients(query("sg-cnb", "au-abf", marking=marking), cap)
    assert ("sg-cnb" in found) is (MARKING_RANK[marking] <= MARKING_RANK["green"])
    assert "au-abf" in found


def test_exercise_traffic_stays_apart() -> None:
    apart = rule("apart", "only", Target(regions=("oceania",)), statuses=("exercise", "test"))
    assert recipients(query("all", sender="au-abf", status="exercise"), apart) == ("fj-customs", "nz-customs")
    assert len(recipients(query("all", sender="au-abf"), apart)) == len(AGENCIES) - 1


def test_of_several_reasons_the_first_rule_id_is_named() -> None:
    rules = tuple(rule(name, "deny", Target(agencies=("sg-cnb",))) for name in ("zz", "aa", "mm"))
    assert decision(resolve(world(rules).directory, query("all")), "sg-cnb").rule == "aa"


# -- hubs --------------------------------------------------------------------------------------------------------------


NZ_FOR_FJ = rule("nz-for-fj", "via", Target(agencies=("fj-customs",)), hub="nz-customs", topics=("watch",))


def test_a_small_administration_is_reached_through_its_hub() -> None:
    resolution = resolve(world((NZ_FOR_FJ,)).directory, query("fj-customs", "sg-cnb"))
    assert resolution.recipients == ("nz-customs", "sg-cnb")
    assert decision(resolution, "fj-customs") == Decision(
        "fj-customs", False, "nz-for-fj", "is reached through nz-customs: because of nz-for-fj"
    )
    assert decision(resolution, "nz-customs") == Decision(
        "nz-customs", True, "nz-for-fj", "receives it for fj-customs: because of nz-for-fj"
    )
    assert recipients(query("fj-customs", topic="seizure"), NZ_FOR_FJ) == ("fj-customs",)
    assert recipients(query("fj-customs", sender="nz-customs"), NZ_FOR_FJ) == ("fj-customs",)


def test_a_hub_receives_only_for_those_who_might_have() -> None:
    deny = rule("deny-fj", "deny", Target(agencies=("fj-customs",)))
    assert recipients(query("fj-customs", "sg-cnb"), NZ_FOR_FJ, deny) == ("sg-cnb",)
    cap = rule("cap-nz", "ceiling", Target(agencies=("nz-customs",)), ceiling="green")
    resolution = resolve(world((NZ_FOR_FJ, cap)).directory, query("fj-customs", "sg-cnb"))
    assert resolution.recipients == ("sg-cnb",)
    assert decision(resolution, "nz-customs").rule == "cap-nz"
    assert decision(resolution, "fj-customs").rule == "nz-for-fj"


def test_red_goes_through_no_hub_that_is_not_named() -> None:
    with pytest.raises(Nobody, match="is reached through nz-customs"):
        recipients(query("fj-customs", marking="red"), NZ_FOR_FJ)
    assert recipients(query("fj-customs", "nz-customs", marking="red"), NZ_FOR_FJ) == ("nz-customs",)
    assert recipients(query("fj-customs", marking="amber+strict"), NZ_FOR_FJ) == ("nz-customs",)


def test_a_hub_left_out_as_a_member_of_all_is_shown_as_the_hub_that_it_is() -> None:
    hub = rule("nz-for-fj", "via", Target(agencies=("fj-customs",)), hub="nz-customs")
    resolution = resolve(world((hub,)).directory, query("fj-customs", "all", marking="amber+strict"))
    assert resolution.recipients == ("nz-customs",)
    assert decision(resolution, "nz-customs") == Decision(
        "nz-customs", True, "nz-for-fj", "receives it for fj-customs: because of nz-for-fj"
    )


def test_hubs_behind_hubs() -> None:
    au_for_nz = rule("au-for-nz", "via", Target(agencies=("nz-customs",)), hub="au-abf")
    resolution = resolve(world((NZ_FOR_FJ, au_for_nz)).directory, query("fj-customs"))
    assert resolution.recipients == ("au-abf",)
    assert decision(resolution, "nz-customs").reason.startswith("is reached through au-abf")
    circle = rule("circle", "via", Target(agencies=("au-abf",)), hub="nz-customs")
    with pytest.raises(Nobody):
        recipients(query("fj-customs"), NZ_FOR_FJ, au_for_nz, circle)


def test_a_hub_stands_in_for_a_region_and_keeps_its_own_copy() -> None:
    region = rule("region", "via", Target(regions=("oceania",)), hub="au-abf")
    resolution = resolve(world((region,)).directory, query("region:oceania", "sg-cnb"))
    assert resolution.recipients == ("au-abf", "sg-cnb")
    assert decision(resolution, "au-abf").rule == routing.ADDRESSED


def test_a_hub_outside_the_operation_stands_in_for_nobody() -> None:
    hub = rule("hub", "via", Target(agencies=("au-abf",)), hub="jp-customs")
    resolution = resolve(world((hub,)).directory, query("au-abf", "sg-cnb", operation="marker"))
    assert resolution.recipients == ("sg-cnb",)
    assert decision(resolution, "jp-customs").rule == routing.OPERATION


def test_several_hubs_stand_in_at_once() -> None:
    second = rule("second", "via", Target(agencies=("cn-customs",)), hub="jp-customs")
    third = rule("third", "via", Target(agencies=("sg-cnb",)), hub="au-abf")
    asked = query("fj-customs", "cn-customs", "sg-cnb")
    assert recipients(asked, NZ_FOR_FJ, second, third) == ("au-abf", "jp-customs", "nz-customs")


def test_a_hubs_reason_names_three_that_it_serves_and_counts_the_rest() -> None:
    four = rule("four", "via", Target(agencies=("au-abf", "cn-customs", "fj-customs", "jp-customs")), hub="sg-cnb")
    for addressed, words in (
        (("au-abf", "cn-customs", "fj-customs"), "au-abf, cn-customs, fj-customs"),
        (("au-abf", "cn-customs", "fj-customs", "jp-customs"), "au-abf, cn-customs, fj-customs and 1 more"),
    ):
        resolution = resolve(world((four,)).directory, query(*addressed))
        assert decision(resolution, "sg-cnb").reason == f"receives it for {words}: because of four"


# -- the recipients' region --------------------------------------------------------------------------------------------


def test_a_rule_may_look_at_who_is_addressed() -> None:
    copy = rule("copy", "add", Target(agencies=("au-abf",)), recipient_regions=("oceania",))
    assert recipients(query("fj-customs"), copy) == ("au-abf", "fj-customs")
    assert recipients(query("all", sender="fj-customs"), copy) == tuple(a for a in AGENCIES if a != "fj-customs")
    assert recipients(query("sg-cnb"), copy) == ("sg-cnb",)
    assert "jp-customs" in recipients(
        query("region:oceania"), rule("jp", "add", Target(agencies=("jp-customs",)), recipient_regions=("oceania",))
    )
    first = rule("a-first", "add", Target(agencies=("fj-customs",)))
    assert recipients(query("sg-cnb"), first, copy) == ("fj-customs", "sg-cnb")
    assert recipients(query("fj-customs", "sg-cnb", sender="fj-customs"), copy) == ("sg-cnb",)


# -- exercises ---------------------------------------------------------------------------------------------------------


def test_a_widening_rule_leaves_exercises_alone_unless_it_names_them() -> None:
    add = rule("add", "add", Target(agencies=("au-abf",)))
    assert recipients(query("sg-cnb", status="exercise"), add) == ("sg-cnb",)
    drill = rule("drill", "add", Target(agencies=("au-abf",)), statuses=("exercise",))
    assert recipients(query("sg-cnb", status="exercise"), drill) == ("au-abf", "sg-cnb")
    assert recipients(query("sg-cnb"), drill) == ("sg-cnb",)


# -- standing requests -------------------------------------------------------------------------------------------------

YACHTS = StandingRequest("yachts", ("watch",), ("far-east",), ("vessel",), "We keep the register of yachts.")
PERMIT = rule("permit", "permit", Target(regions=("oceania",)), markings=("clear", "green", "amber"))


def asking(*rules: Rule, request: StandingRequest = YACHTS, agency: str = "nz-customs") -> Directory:
    base = world(rules).directory
    keys = {**base.keys, agency: replace(base.keys[agency], requests=(request,))}
    return replace(base, keys=MappingProxyType(keys))


def test_an_agency_is_copied_on_what_it_asks_for_where_a_rule_permits() -> None:
    asked = query("sg-cnb", subjects=("container", "vessel"))
    resolution = resolve(asking(PERMIT), asked)
    assert resolution.recipients == ("nz-customs", "sg-cnb")
    assert resolution.subjects == ("vessel",)
    assert decision(resolution, "nz-customs") == Decision(
        "nz-customs", True, "request:yachts", "We keep the register of yachts. (permitted by permit)"
    )
    for other in (
        replace(asked, topic="seizure"),
        replace(asked, subjects=("container",)),
        replace(asked, sender="au-abf"),
        replace(asked, status="exercise"),
    ):
        assert resolve(asking(PERMIT), other).recipients == ("sg-cnb",)


def test_a_request_without_permission_is_shown_and_gives_nothing() -> None:
    resolution = resolve(asking(), query("sg-cnb", subjects=("vessel",)))
    assert resolution.recipients == ("sg-cnb",)
    assert resolution.subjects == ()
    assert decision(resolution, "nz-customs") == Decision(
        "nz-customs", False, routing.NOT_PERMITTED, "asks for it (yachts), but no rule permits that"
    )


def test_a_permission_for_others_is_none() -> None:
    elsewhere = replace(PERMIT, to=Target(agencies=("au-abf",)))
    resolution = resolve(asking(elsewhere), query("sg-cnb", subjects=("vessel",)))
    assert (resolution.recipients, resolution.subjects) == (("sg-cnb",), ())
    assert decision(resolution, "nz-customs").rule == routing.NOT_PERMITTED
    both = resolve(asking(elsewhere, replace(PERMIT, id="second")), query("sg-cnb", subjects=("vessel",)))
    assert decision(both, "nz-customs").reason.endswith("(permitted by second)")


def every(*rules: Rule, **requests: tuple[StandingRequest, ...]) -> Directory:
    """A directory in which agencies, written with an underscore, ask for what is given."""
    base = world(rules).directory
    asked = {name.replace("_", "-"): listed for name, listed in requests.items()}
    keys = {name: replace(keys, requests=asked.get(name, ())) for name, keys in base.keys.items()}
    return replace(base, keys=MappingProxyType(keys))


def asks(request_id: str, *subjects: str) -> StandingRequest:
    return StandingRequest(request_id, ("watch",), (), subjects, f"We need {request_id}.")


FOR_ALL = rule("for-all", "permit", Target(everyone=True))


def test_each_request_is_weighed_whatever_became_of_the_one_before() -> None:
    asked = query("sg-cnb", subjects=("person", "vessel"))
    boxes, people, ships = asks("boxes", "container"), asks("people", "person"), asks("ships", "vessel")
    directory = every(FOR_ALL, au_abf=(boxes,), cn_customs=(ships,), jp_customs=(people,), nz_customs=(ships,))
    resolution = resolve(directory, asked)
    assert resolution.recipients == ("cn-customs", "jp-customs", "nz-customs", "sg-cnb")
    assert resolution.subjects == disclosed(directory, asked) == ("person", "vessel")
    only_nz = rule("only-nz", "permit", Target(agencies=("nz-customs",)))
    assert resolve(every(only_nz, cn_customs=(ships,), nz_customs=(ships,)), asked).recipients == (
        "nz-customs",
        "sg-cnb",
    )
    assert resolve(every(FOR_ALL, au_abf=(ships,)), asked).subjects == ("vessel",), "the first agency is like any other"


def test_of_an_agencys_requests_the_first_that_matches_decides() -> None:
    directory = every(FOR_ALL, nz_customs=(asks("a-topic"), asks("ships", "vessel")))
    asked = query("sg-cnb", subjects=("vessel",))
    resolution = resolve(directory, asked)
    assert (resolution.recipients, resolution.subjects) == (("nz-customs", "sg-cnb"), ())
    assert decision(resolution, "nz-customs").rule == "request:a-topic"
    assert resolve(directory, replace(asked, sender="nz-customs")).subjects == ()


def test_nothing_is_disclosed_of_what_has_no_subjects_or_is_asked_about_by_nobody() -> None:
    asked = query("sg-cnb", subjects=("vessel",))
    assert disclosed(world().directory, asked) == ()
    assert disclosed(every(FOR_ALL, nz_customs=(asks("ships", "vessel"),)), replace(asked, subjects=())) == ()


def test_restrictions_win_over_requests_and_nothing_is_disclosed_for_them() -> None:
    deny = rule("deny", "deny", Target(agencies=("nz-customs",)))
    asked = query("sg-cnb", subjects=("vessel",))
    resolution = resolve(asking(PERMIT, deny), asked)
    assert (resolution.recipients, resolution.subjects) == (("sg-cnb",), ())
    assert decision(resolution, "nz-customs").rule == "deny"
    for marking in ("amber+strict", "red"):
        resolution = resolve(asking(replace(PERMIT, when=Condition())), replace(asked, marking=marking))
        assert (resolution.recipients, resolution.subjects) == (("sg-cnb",), ())


def test_nothing_is_disclosed_that_does_not_decide() -> None:
    addressed = query("sg-cnb", "nz-customs", subjects=("vessel",))
    assert resolve(asking(PERMIT), addressed).subjects == ()
    topic_alone = replace(YACHTS, subjects=())
    resolution = resolve(asking(PERMIT, request=topic_alone), query("sg-cnb", subjects=("vessel",)))
    assert (resolution.recipients, resolution.subjects) == (("nz-customs", "sg-cnb"), ())
    assert resolve(asking(PERMIT, agency="hk-customs"), query("sg-cnb", subjects=("vessel",))).subjects == ()


def test_a_request_about_a_region_that_is_gone_asks_for_nothing() -> None:
    gone = replace(YACHTS, regions=("atlantis",))
    assert resolve(asking(PERMIT, request=gone), query("sg-cnb", subjects=("vessel",))).recipients == ("sg-cnb",)


# -- questions ---------------------------------------------------------------------------------------------------------


def test_header_and_alert_ask_the_same_question() -> None:
    made = make_world()
    alert = make_alert(made, "hk-customs", to=["sg-cnb", "region:asia"], operation="marker", modes=["sea", "air"])
    sealed, _ = seal_alert(made, alert, now=NOW + 5)
    from_header, from_alert = query_of(decode_header(sealed.header)), query_of_alert(alert, at=NOW + 5)
    assert replace(from_alert, modes=tuple(sorted(from_alert.modes)), subjects=()) == from_header
    assert from_alert.subjects == ("container",)
