"""What deciding one alert's recipients costs: 31 agencies, 200 rules, 60 standing requests.

    python -m benchmarks.routing [--rules 200] [--rounds 20000]

Prints the time of one decision with its trace, as hub, node and auditor take it, in microseconds: the median and the
99th percentile over varied alerts, and the time it takes to compile a directory, which happens once for each version.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from schemas.directory.agency_keys import AgencyKeys, parse_agency_keys
from schemas.directory.documents import DirectoryDocument, parse_directory
from schemas.envelope.words import MARKINGS, MODES, PRECEDENCES, SUBJECTS, TOPICS
from schemas.errors import CrossbearingError
from schemas.routing.plan import Plan
from schemas.routing.requests import StandingRequest
from schemas.routing.resolve import RoutingQuery, weigh
from schemas.routing.rules import Condition, Rule, Target

REPOSITORY = Path(__file__).resolve().parents[1] / "certs" / "example" / "repository"
BUDGET = 100.0
"""Microseconds that a decision may cost."""
EFFECTS = ("add", "add", "permit", "deny", "only", "ceiling", "via", "add")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The cost of one routing decision.")
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20_000)
    given = parser.parse_args()
    chance = random.Random(31)  # noqa: S311  # the same rules and alerts in every run
    document = parse_directory((REPOSITORY / "directory.json").read_bytes())
    agencies = sorted(document.agencies)
    document = replace(document, rules=tuple(_rule(number, document, chance) for number in range(given.rules)))
    keys = {agency: _keys(agency, document, chance) for agency in agencies}
    begun = time.perf_counter()
    plan = Plan(document, keys)
    compiled = time.perf_counter() - begun
    queries = [_query(document, chance) for _ in range(1_000)]
    took = []
    for number in range(given.rounds):
        query = queries[number % len(queries)]
        begun = time.perf_counter_ns()
        try:
            weigh(plan, query)
        except CrossbearingError:
            continue
        took.append((time.perf_counter_ns() - begun) / 1000)
    took.sort()
    median, slowest = statistics.median(took), took[int(len(took) * 0.99)]
    requests = sum(len(held.requests) for held in keys.values())
    sys.stdout.write(f"{len(agencies)} agencies, {given.rules} rules, {requests} requests, {len(took)} decisions\n")
    sys.stdout.write(f"one decision with its trace  median {median:.1f} us, 99th percentile {slowest:.1f} us\n")
    sys.stdout.write(f"compiling the directory      {compiled * 1000:.1f} ms, once for each version\n")
    sys.stdout.write(f"budget {BUDGET:.0f} us: {'kept' if median < BUDGET else 'EXCEEDED'}\n")
    return 0 if median < BUDGET else 1


def _rule(number: int, document: DirectoryDocument, chance: random.Random) -> Rule:
    agencies, regions = sorted(document.agencies), sorted(document.regions)
    effect = EFFECTS[number % len(EFFECTS)]
    when = Condition(
        topics=tuple(chance.sample(TOPICS, 2)),
        markings=tuple(chance.sample(MARKINGS, 3)),
        modes=tuple(chance.sample(MODES, chance.randint(0, 2))),
        sender_regions=tuple(chance.sample(regions, chance.randint(0, 2))),
        recipient_regions=tuple(chance.sample(regions, chance.randint(0, 1))),
    )
    if effect == "only":
        to = Target(everyone=True)
    elif effect == "add":
        to = Target(regions=(chance.choice(regions),))
    else:
        to = Target(agencies=tuple(chance.sample(agencies[1:], 2)))
    ceiling = chance.choice(MARKINGS) if effect == "ceiling" else None
    hub = agencies[0] if effect == "via" else None
    return Rule(f"rule-{number}", effect, when, to, ceiling, "Measured", hub)  # type: ignore[arg-type]  # of EFFECTS


def _keys(agency: str, document: DirectoryDocument, chance: random.Random) -> AgencyKeys:
    keys = parse_agency_keys((REPOSITORY / "agencies" / f"{agency}.json").read_bytes(), agency)
    asked = tuple(
        StandingRequest(
            f"ask-{number}",
            tuple(chance.sample(TOPICS, 2)),
            tuple(chance.sample(sorted(document.regions), 1)),
            tuple(chance.sample(SUBJECTS, 2)),
            "Measured",
        )
        for number in range(2)
    )
    return replace(keys, requests=asked)


def _query(document: DirectoryDocument, chance: random.Random) -> RoutingQuery:
    agencies = sorted(document.agencies)
    groups = ["all", *(f"region:{region}" for region in document.regions)]
    return RoutingQuery(
        sender=chance.choice(agencies),
        address=(*chance.sample(agencies, 2), chance.choice(groups)),
        topic=chance.choice(TOPICS),
        marking=chance.choice(MARKINGS),
        precedence=chance.choice(PRECEDENCES),
        status="actual",
        operation=chance.choice((None, *document.operations)),
        modes=tuple(chance.sample(MODES, 1)),
        at=min(operation.ends for operation in document.operations.values()) - 1,
        subjects=tuple(chance.sample(SUBJECTS, 3)),
    )


if __name__ == "__main__":
    sys.exit(main())
