"""Who receives an alert, and why each agency does or does not.

One pure function serves the sender's node (for whom to seal), the hub (what to enforce), the auditor (what to check)
and the officer (what to show). It works in five stages:

    1 the sender exists and is active; the operation exists, runs, and has the sender as participant
    2 the address, the rules that add, and permitted standing requests give the candidates
    3 the invariants that no rule can lift leave candidates out
    4 the rules deny, only and ceiling leave candidates out
    5 the rules via put a hub in the place of those still in; the hub itself passes stages 3 to 5

The result is independent of the order of rules and addresses: stages unite and subtract sets, and where several
reasons apply the trace names the first invariant in the order below, else the rule with the first id. docs/spec/
routing.md states the same in words for another implementer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.envelope.words import MARKING_RANK, SUBJECTS
from schemas.errors import Nobody, OperationClosed, Suspended, UnknownAgency
from schemas.routing.address import check_known, parse_address
from schemas.routing.matching import Mask
from schemas.routing.plan import OperationPlan, Plan, plan_of
from schemas.routing.query import RoutingQuery, query_of, query_of_alert
from schemas.routing.trace import (
    ADDRESSED,
    AMBER_STRICT,
    NO_KEY,
    NOT_ADDRESSED,
    NOT_PERMITTED,
    OPERATION,
    RED,
    REQUEST,
    SENDER,
    SUSPENDED,
    Decision,
    Resolution,
    Trace,
)

if TYPE_CHECKING:
    from schemas.directory.state import Directory
    from schemas.envelope.header import Header

__all__ = [
    "Decision",
    "Resolution",
    "RoutingQuery",
    "disclosed",
    "disclosed_in",
    "query_of",
    "query_of_alert",
    "resolve",
    "weigh",
]

_SUBJECTS: Final = frozenset(SUBJECTS)
NAMED_SHOWN: Final = 3
"""Agencies listed in a sentence before the rest is counted."""


class Bar(NamedTuple):
    """Agencies kept out, the name under which the trace says so, and why."""

    agencies: Mask
    name: str
    reason: str


class Diversion(NamedTuple):
    """A via rule that applies: whom it serves, and the hub in their place."""

    served: Mask
    hub: Mask
    name: str
    reason: str


def resolve(directory: Directory, query: RoutingQuery) -> Resolution:
    """The recipients of an alert under a directory.

    What is asked again gets the very same object, as long as no key and no operation begins or ends in between. Raises
    `UnknownAgency`, `UnknownRegion`, `UnknownOperation` or `BadAddress` for what leads nowhere, `Suspended` for the
    sender, `OperationClosed`, and `Nobody` when no recipient is left.
    """
    plan = plan_of(directory)
    resolution = _weighed(plan, replace(query, at=plan.since(query.at)))
    if not resolution.recipients:
        raise Nobody(_explain_nobody(resolution, query))
    return resolution


def disclosed(directory: Directory, query: RoutingQuery) -> tuple[str, ...]:
    """Which of the query's types of subjects belong into the clear header: those a permitted request asks about.

    Raises as `weigh` does.
    """
    plan = plan_of(directory)
    if not plan.may_disclose(query, query.subjects):
        return ()
    return _weighed(plan, replace(query, at=plan.since(query.at))).subjects


def disclosed_in(header: Header, subjects: tuple[str, ...], directory: Directory) -> tuple[str, ...]:
    """What `disclosed` says of a sealed alert about these types of subjects, without a query where that is plain."""
    if _SUBJECTS.issuperset(subjects) and not plan_of(directory).may_disclose(header, subjects):
        return ()
    return disclosed(directory, query_of(header, subjects))


@lru_cache(maxsize=128)
def _weighed(plan: Plan, query: RoutingQuery) -> Resolution:
    """As `weigh`; an agency asks much the same for one alert after another."""
    return weigh(plan, query)


def weigh(plan: Plan, query: RoutingQuery) -> Resolution:
    """As `resolve`, under a compiled directory; to reach nobody is an answer here too."""
    operation = _admit(plan, query)
    trace = Trace(plan)
    sender = plan.bit[query.sender]
    sender_regions = plan.sender_regions[query.sender]
    named, joint, wide = _addressed(plan, query, trace)
    restrictions: list[Bar] = []
    diversions: list[Diversion] = []
    permits: list[tuple[Mask, str]] = []
    for matched in plan.matching_rules(query, (named | joint | wide) & ~sender):
        rule, effect = matched.rule, matched.rule.effect
        narrow_target, wide_target = matched.narrow_target(operation), matched.wide_target(sender_regions)
        target = narrow_target | wide_target
        if effect == "add":
            joint |= narrow_target
            wide |= wide_target
            trace.include(target, rule.id, rule.reason)
        elif effect == "permit":
            permits.append((target, rule.id))
        elif effect == "deny":
            restrictions.append(Bar(target, rule.id, rule.reason))
        elif effect == "only":
            restrictions.append(Bar(plan.everyone & ~target, rule.id, rule.reason))
        elif effect == "via":
            if matched.hub != sender:
                diversions.append(Diversion(target & ~matched.hub, matched.hub, rule.id, rule.reason))
        elif rule.ceiling is not None and MARKING_RANK[query.marking] > MARKING_RANK[rule.ceiling]:
            restrictions.append(Bar(target, rule.id, rule.reason))
    left = named | joint | wide
    bars = [*_invariants(plan, query, operation, named, joint), *restrictions]
    subjects: tuple[str, ...] = ()
    if plan.requests:
        asked, subjects = _requested(plan, query, permits, left, bars, trace=trace)
        left |= asked
    left = _bar(left, bars, trace)
    if diversions:  # to an amber+strict alert a hub is as good as named: a rule of the governors names it
        bars = [*_invariants(plan, query, operation, named, plan.everyone), *restrictions]
        left = _divert(plan, left, diversions, bars, trace)
    return Resolution(plan.names(left), trace.decisions(), subjects)


def _admit(plan: Plan, query: RoutingQuery) -> OperationPlan | None:
    """Stage 1; gives the operation the alert belongs to."""
    sender = plan.bit.get(query.sender)
    if sender is None:
        raise UnknownAgency(f"the sender {query.sender[:80]!a} is no agency of the directory")
    if sender & plan.suspended:
        raise Suspended(f"{query.sender} is suspended and cannot send")
    if query.operation is None:
        return None
    operation = plan.operation(query.operation)
    operation.check_runs(query.at)
    if not sender & operation.participants:
        raise OperationClosed(f"{query.sender} takes no part in operation {query.operation}")
    return operation


def _addressed(plan: Plan, query: RoutingQuery, trace: Trace) -> tuple[Mask, Mask, Mask]:
    """The agencies addressed by name, through an operation, and through a region or ``all``."""
    named = joint = wide = 0
    for text in sorted(query.address, key=lambda text: (text not in plan.bit, text)):
        if text in plan.bit:
            mask = plan.bit[text]
            named |= mask
            trace.include(mask, ADDRESSED, "addressed by name")
        elif text in plan.groups:
            mask = plan.groups[text]
            wide |= mask
            trace.include(mask, ADDRESSED, f"addressed as {text}")
        else:
            address = parse_address(text)
            check_known(address, plan.document)
            operation = plan.operation(address.name)
            operation.check_runs(query.at)
            joint |= operation.participants
            trace.include(operation.participants, ADDRESSED, f"addressed as {text}")
    return named, joint, wide


def _requested(
    plan: Plan, query: RoutingQuery, permits: list[tuple[Mask, str]], candidates: Mask, bars: list[Bar], *, trace: Trace
) -> tuple[Mask, tuple[str, ...]]:
    """Stage 2, continued: who asked for a copy and may have it, and the types of subjects that this rests on.

    A type is named only where it decides: for an agency that would have no copy without it, and may have one with it.
    """
    asked: Mask = 0
    barred: Mask = 0
    for bar in bars:
        barred |= bar.agencies
    types, deciding = set(query.subjects), set[str]()
    for request, agency in plan.matching_requests(query):
        about = types.intersection(request.subjects)
        if agency & (candidates | asked | plan.bit[query.sender]) or (request.subjects and not about):
            continue
        permit = next((rule for mask, rule in permits if mask & agency), None)
        if permit is None:
            trace.remark(agency, NOT_PERMITTED, f"asks for it ({request.id}), but no rule permits that")
            continue
        asked |= agency
        trace.include(agency, REQUEST + request.id, f"{request.reason} (permitted by {permit})")
        if not agency & barred:
            deciding |= about
    return asked, tuple(sorted(deciding))


def _invariants(
    plan: Plan, query: RoutingQuery, operation: OperationPlan | None, named: Mask, joint: Mask
) -> Iterator[Bar]:
    """Stage 3: whom an alert never reaches, whatever the rules say."""
    yield Bar(plan.bit[query.sender], SENDER, "is the sender")
    yield Bar(plan.suspended, SUSPENDED, "is suspended")
    if query.marking == "red":
        yield Bar(plan.everyone & ~named, RED, "red goes only to agencies addressed by name")
    elif query.marking == "amber+strict":
        reason = "amber+strict goes to no region and never to all"
        yield Bar(plan.everyone & ~(named | joint), AMBER_STRICT, reason)
    if operation is not None:
        yield Bar(plan.everyone & ~operation.participants, OPERATION, f"takes no part in operation {operation.id}")
    yield Bar(plan.everyone & ~plan.sealable(query.at), NO_KEY, "has no valid sealing key in the directory")


def _bar(candidates: Mask, bars: list[Bar], trace: Trace) -> Mask:
    """Stages 3 and 4: the candidates that nothing keeps out."""
    for bar in bars:
        hit = candidates & bar.agencies
        if hit:
            trace.exclude(hit, bar.name, bar.reason)
            candidates ^= hit
    return candidates


def _divert(plan: Plan, left: Mask, diversions: list[Diversion], bars: list[Bar], trace: Trace) -> Mask:
    """Stage 5: hubs in the place of the agencies they serve; a hub that is itself served hands on to the next."""
    reached = fresh = left
    diverted: Mask = 0
    for diversion in diversions:
        diverted |= diversion.served
    while fresh := fresh & diverted:
        hubs: Mask = 0
        for served, hub, name, reason in diversions:
            concerned = fresh & served
            if concerned and not hub & reached:
                trace.include(hub, name, f"receives it for {_listed(plan.names(concerned))}: {reason}")
                hubs |= hub
        fresh = _bar(hubs, bars, trace)
        reached |= fresh
    for served, hub, name, reason in reversed(diversions):  # the first by rule id has the last word
        trace.exclude(reached & served, name, f"is reached through {plan.names(hub)[0]}: {reason}")
    return reached & ~diverted


def _explain_nobody(resolution: Resolution, query: RoutingQuery) -> str:
    """A sentence that names some of those addressed and why they are left out."""
    left_out = [f"{d.agency} {d.reason} ({d.rule})" for d in resolution.trace if d.rule != NOT_ADDRESSED]
    shown = "; ".join(left_out[:NAMED_SHOWN])
    more = f"; and {len(left_out) - NAMED_SHOWN} more" if len(left_out) > NAMED_SHOWN else ""
    return f"{', '.join(query.address)[:200] or 'no address'} reaches nobody{': ' + shown if shown else ''}{more}"


def _listed(agencies: tuple[str, ...]) -> str:
    shown = ", ".join(agencies[:NAMED_SHOWN])
    return f"{shown} and {len(agencies) - NAMED_SHOWN} more" if len(agencies) > NAMED_SHOWN else shown
