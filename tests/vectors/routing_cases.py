"""The routing vectors: one question each to the directory of `routing.json` with the rules given."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from schemas.directory.documents import Operation, encode_directory
from schemas.errors import CrossbearingError
from schemas.routing.requests import StandingRequest, request_to_json
from schemas.routing.resolve import RoutingQuery, resolve
from schemas.routing.rules import parse_rule
from tests.support.directory import DAY_MS, NOW, make_world
from tests.vectors.fixed import Fixed

AGENCIES = ("au-abf", "cn-customs", "fj-customs", "hk-customs", "jp-customs", "nz-customs", "sg-cnb")
REGIONS = {
    "far-east": ["cn-customs", "hk-customs", "jp-customs"],
    "oceania": ["au-abf", "fj-customs", "nz-customs"],
    "empty": [],
}
TODAY = NOW - NOW % DAY_MS
OPERATIONS = (
    Operation("marker", "Marker", "hk-customs", TODAY, TODAY + 30 * DAY_MS, ("au-abf", "hk-customs", "sg-cnb")),
    Operation("past", "Past", "hk-customs", TODAY - 30 * DAY_MS, TODAY, None),
)
SUSPENDED = ("fj-customs",)
COPY = {
    "id": "copy-sea",
    "effect": "add",
    "when": {"modes": ["sea"], "sender_regions": ["oceania"]},
    "to": {"regions": ["far-east"]},
    "reason": "Seaborne alerts of Oceania concern the Far East.",
}
HOST = {"id": "host", "effect": "add", "to": {"operation_host": True}, "reason": "The host knows all of its operation."}
NEVER = {"id": "never", "effect": "deny", "to": {"agencies": ["sg-cnb"]}, "reason": "No agreement is in force."}
ADD = {"id": "also", "effect": "add", "to": {"agencies": ["sg-cnb"]}, "reason": "Copies are agreed."}
WITHIN = {
    "id": "within",
    "effect": "only",
    "when": {"topics": ["method"]},
    "to": {"sender_regions": True},
    "reason": "Methods stay in the region.",
}
CEILING = {
    "id": "cap",
    "effect": "ceiling",
    "ceiling": "green",
    "to": {"agencies": ["sg-cnb"]},
    "reason": "The agreement covers green.",
}
EXERCISE = {
    "id": "apart",
    "effect": "only",
    "when": {"statuses": ["exercise", "test"]},
    "to": {"regions": ["oceania"]},
    "reason": "Exercises are held in Oceania.",
}

HUB = {
    "id": "nz-for-islands",
    "effect": "via",
    "hub": "nz-customs",
    "when": {"topics": ["watch"]},
    "to": {"agencies": ["au-abf", "fj-customs"]},
    "reason": "It keeps the watch for the islands.",
}
HUB_OF_HUB = {
    "id": "jp-for-nz",
    "effect": "via",
    "hub": "jp-customs",
    "to": {"agencies": ["nz-customs"]},
    "reason": "Its office is closed.",
}
NEVER_AU = {"id": "never-au", "effect": "deny", "to": {"agencies": ["au-abf"]}, "reason": "No agreement is in force."}
TO_OCEANIA = {
    "id": "to-oceania",
    "effect": "add",
    "when": {"recipient_regions": ["oceania"]},
    "to": {"agencies": ["sg-cnb"]},
    "reason": "It handles what goes south.",
}
PERMIT = {"id": "asking", "effect": "permit", "to": {"everyone": True}, "reason": "Requests are honoured."}
NEVER_JP = {"id": "never-jp", "effect": "deny", "to": {"agencies": ["jp-customs"]}, "reason": "Not now."}

EVERYBODY = "au-abf cn-customs jp-customs nz-customs sg-cnb"
CASES: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any], str]] = {
    "agency": ("One agency by name.", [], {"address": ["sg-cnb"]}, "sg-cnb"),
    "region": ("A region, less a suspended agency.", [], {"address": ["region:oceania"]}, "au-abf nz-customs"),
    "own-region": (
        "The sender's own region, less the sender.",
        [],
        {"address": ["region:far-east"]},
        "cn-customs jp-customs",
    ),
    "all": ("Everybody.", [], {"address": ["all"]}, EVERYBODY),
    "operation-address": ("The participants of an operation.", [], {"address": ["operation:marker"]}, "au-abf sg-cnb"),
    "operation-alert": (
        "An operation's alert stays with its participants.",
        [],
        {"address": ["all"], "operation": "marker"},
        "au-abf sg-cnb",
    ),
    "red": ("Red reaches only who is named.", [], {"address": ["all", "sg-cnb"], "marking": "red"}, "sg-cnb"),
    "amber-strict": (
        "Amber+strict reaches no region and not all.",
        [],
        {"address": ["all", "operation:marker", "jp-customs"], "marking": "amber+strict"},
        "au-abf jp-customs sg-cnb",
    ),
    "rule-add": (
        "A rule copies seaborne alerts of one region to another.",
        [COPY],
        {"sender": "au-abf", "address": ["sg-cnb"], "modes": ["sea"]},
        "cn-customs hk-customs jp-customs sg-cnb",
    ),
    "rule-add-not-matching": (
        "The rule is about the sea, the alert about the air.",
        [COPY],
        {"sender": "au-abf", "address": ["sg-cnb"], "modes": ["air"]},
        "sg-cnb",
    ),
    "rule-add-host": (
        "The host of the operation is copied.",
        [HOST],
        {"sender": "sg-cnb", "address": ["au-abf"], "operation": "marker"},
        "au-abf hk-customs",
    ),
    "rule-add-not-to-red": (
        "No rule adds to red.",
        [ADD],
        {"address": ["jp-customs"], "marking": "red"},
        "jp-customs",
    ),
    "rule-deny": (
        "A denial wins over the address.",
        [NEVER],
        {"address": ["all"]},
        "au-abf cn-customs jp-customs nz-customs",
    ),
    "rule-deny-over-add": (
        "A denial wins over an addition, whatever their order.",
        [NEVER, ADD],
        {"address": ["jp-customs"]},
        "jp-customs",
    ),
    "rule-only": (
        "Methods stay within the sender's region.",
        [WITHIN],
        {"address": ["all"], "topic": "method"},
        "cn-customs jp-customs",
    ),
    "rule-ceiling-above": (
        "Amber is above the ceiling.",
        [CEILING],
        {"address": ["sg-cnb", "jp-customs"]},
        "jp-customs",
    ),
    "rule-ceiling-at": (
        "Green is at the ceiling.",
        [CEILING],
        {"address": ["sg-cnb", "jp-customs"], "marking": "green"},
        "jp-customs sg-cnb",
    ),
    "rule-exercise-apart": (
        "Exercise traffic stays where the exercise is.",
        [EXERCISE],
        {"sender": "au-abf", "address": ["all"], "status": "exercise"},
        "nz-customs",
    ),
    "rule-add-not-to-exercise": (
        "A rule that adds is about actual alerts unless it names statuses.",
        [ADD],
        {"address": ["jp-customs"], "status": "exercise"},
        "jp-customs",
    ),
    "rule-recipient-region": (
        "Somebody in the region is addressed.",
        [TO_OCEANIA],
        {"address": ["nz-customs"]},
        "nz-customs sg-cnb",
    ),
    "rule-recipient-region-is-the-senders": (
        "The sender's own membership does not count.",
        [TO_OCEANIA],
        {"sender": "nz-customs", "address": ["nz-customs", "jp-customs"]},
        "jp-customs",
    ),
    "rule-via": ("The hub receives it instead.", [HUB], {"address": ["au-abf", "sg-cnb"]}, "nz-customs sg-cnb"),
    "rule-via-other-topic": (
        "The hub is for another topic.",
        [HUB],
        {"address": ["au-abf"], "topic": "seizure"},
        "au-abf",
    ),
    "rule-via-from-the-hub": (
        "The hub itself reaches those it serves.",
        [HUB],
        {"sender": "nz-customs", "address": ["au-abf"]},
        "au-abf",
    ),
    "rule-via-for-the-denied": (
        "A hub receives nothing for an agency that may not have it.",
        [HUB, NEVER_AU],
        {"address": ["au-abf", "sg-cnb"]},
        "sg-cnb",
    ),
    "rule-via-twice": ("The hub has a hub.", [HUB, HUB_OF_HUB], {"address": ["au-abf"]}, "jp-customs"),
    "rule-via-amber-strict": (
        "A hub counts as named for amber+strict.",
        [HUB],
        {"address": ["au-abf"], "marking": "amber+strict"},
        "nz-customs",
    ),
    "request-permitted": (
        "An agency asked for containers from the Far East, and a rule permits it.",
        [PERMIT],
        {"address": ["sg-cnb"], "subjects": ["container"]},
        "jp-customs sg-cnb",
    ),
    "request-not-permitted": (
        "Without a rule that permits it a request gives nothing.",
        [],
        {"address": ["sg-cnb"], "subjects": ["container"]},
        "sg-cnb",
    ),
    "request-about-other-subjects": (
        "The alert is about no container.",
        [PERMIT],
        {"address": ["sg-cnb"], "subjects": ["person"]},
        "sg-cnb",
    ),
    "request-about-other-senders": (
        "The alert is not from the region asked about.",
        [PERMIT],
        {"sender": "au-abf", "address": ["sg-cnb"], "subjects": ["container"]},
        "sg-cnb",
    ),
    "request-not-to-exercise": (
        "The permission is about actual alerts.",
        [PERMIT],
        {"address": ["sg-cnb"], "subjects": ["container"], "status": "exercise"},
        "sg-cnb",
    ),
    "request-denied": (
        "A denial wins over a request.",
        [PERMIT, NEVER_JP],
        {"address": ["sg-cnb"], "subjects": ["container"]},
        "sg-cnb",
    ),
    "request-not-to-amber-strict": (
        "A copy on request is no copy by name.",
        [PERMIT],
        {"address": ["sg-cnb"], "subjects": ["container"], "marking": "amber+strict"},
        "sg-cnb",
    ),
    "nobody-red-through-a-hub": (
        "Red goes to no hub that is not named.",
        [HUB],
        {"address": ["au-abf"], "marking": "red"},
        "!nobody",
    ),
    "nobody-via-in-a-circle": (
        "Two hubs stand for each other.",
        [HUB, {**HUB_OF_HUB, "hub": "au-abf"}],
        {"address": ["au-abf"]},
        "!nobody",
    ),
    "nobody-sender": ("The sender alone is addressed.", [], {"address": ["hk-customs"]}, "!nobody"),
    "nobody-region": ("The region has no agency.", [], {"address": ["region:empty"]}, "!nobody"),
    "nobody-suspended": ("The agency is suspended.", [], {"address": ["fj-customs"]}, "!nobody"),
    "nobody-red-to-all": ("Red is addressed to all.", [], {"address": ["all"], "marking": "red"}, "!nobody"),
    "nobody-denied": ("The only one addressed is denied.", [NEVER], {"address": ["sg-cnb"]}, "!nobody"),
    "sender-suspended": ("The sender is suspended.", [], {"sender": "fj-customs", "address": ["all"]}, "!suspended"),
    "sender-unknown": ("The sender is no agency.", [], {"sender": "us-cbp", "address": ["all"]}, "!unknown-agency"),
    "unknown-agency": ("The agency addressed is unknown.", [], {"address": ["us-cbp"]}, "!unknown-agency"),
    "unknown-region": ("The region is unknown.", [], {"address": ["region:atlantis"]}, "!unknown-region"),
    "unknown-operation": ("The operation is unknown.", [], {"address": ["operation:x"]}, "!unknown-operation"),
    "operation-ended": ("The operation has ended.", [], {"address": ["all"], "operation": "past"}, "!operation-closed"),
    "operation-of-others": (
        "The sender takes no part in the operation.",
        [],
        {"sender": "jp-customs", "address": ["all"], "operation": "marker"},
        "!operation-closed",
    ),
    "bare-region": ("The address is not in wire form.", [], {"address": ["oceania"]}, "!bad-address"),
}
"""Name: sentence, rules, what the question changes, and the recipients or, after a mark, the code."""

QUESTION: dict[str, Any] = {
    "sender": "hk-customs",
    "address": [],
    "topic": "watch",
    "marking": "amber",
    "precedence": "routine",
    "status": "actual",
    "operation": None,
    "modes": [],
    "at": NOW,
    "subjects": [],
}
REQUEST = StandingRequest("boxes", (), ("far-east",), ("container", "vessel"), "Containers and ships are traced here.")
"""Of jp-customs, in every vector; only a rule that permits it makes it count."""


def files(_: Fixed) -> dict[str, Any]:
    """The directory and one file for each vector; the trace is as computed, the recipients are as written above."""
    world = make_world(AGENCIES, regions=REGIONS, operations=OPERATIONS, suspended=SUSPENDED)
    world.keys["jp-customs"] = replace(world.keys["jp-customs"], requests=(REQUEST,))
    world.publish("jp-customs")
    made: dict[str, Any] = {
        "routing.json": json.loads(encode_directory(world.document)),
        "requests.json": {"jp-customs": [request_to_json(REQUEST)]},
    }
    directory = world.directory
    for name, (sentence, rules, changes, outcome) in CASES.items():
        question = {**QUESTION, **changes}
        document = replace(directory.require_document(), rules=tuple(parse_rule(rule) for rule in rules))
        question |= {name: tuple(question[name]) for name in ("address", "modes", "subjects")}
        query = RoutingQuery(**question)
        expected: dict[str, Any] = {"code": outcome.removeprefix("!")}
        try:
            trace = resolve(replace(directory, document=document), query).trace
        except CrossbearingError:
            trace = ()
        if not outcome.startswith("!"):
            expected = {"recipients": outcome.split(), "trace": [list(decision) for decision in trace]}
        made[f"routing/{name}.json"] = {
            "name": name,
            "description": sentence,
            "expected": expected,
            "provenance": "tests/vectors/routing_cases.py; recipients and codes written by hand",
            "input": {"rules": rules, "query": asdict(query)},
        }
    return made
