"""Who receives an alert, and why each agency does or does not.

One pure function serves the sender's node (for whom to seal), the hub (what to enforce), the auditor (what to check)
and the officer (what to show). It works in four stages:

    1 the sender exists and is active; the operation exists, runs, and has the sender as participant
    2 the address and the rules that add give the candidates
    3 the invariants that no rule can lift leave candidates out
    4 the rules that restrict leave candidates out

The result is independent of the order of rules and addresses: stages unite and subtract sets, and where several
reasons apply the trace names the first invariant in the order below, else the rule with the first id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.envelope.words import MARKING_RANK, MODES, PRECEDENCES, STATUSES, TOPICS
from schemas.errors import Malformed, Nobody, OperationClosed, Suspended, UnknownAgency
from schemas.routing.address import check_known, parse_address
from schemas.routing.plan import Mask, OperationPlan, Plan, plan_of

if TYPE_CHECKING:
    from schemas.alert.document import Alert
    from schemas.directory.state import Directory
    from schemas.envelope.header import Header

ADDRESSED: Final = "built-in:addressed"
NOT_ADDRESSED: Final = "built-in:not-addressed"
SENDER: Final = "built-in:sender"
SUSPENDED: Final = "built-in:suspended"
RED: Final = "built-in:red"
AMBER_STRICT: Final = "built-in:amber-strict"
OPERATION: Final = "built-in:operation"
NO_KEY: Final = "built-in:no-sealing-key"
"""The names under which a trace shows what no governor's rule decided; a rule's id has no colon."""


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """What routing depends on; all of it stands in the clear header. ``at`` is the time of sealing (ms)."""

    sender: str
    address: tuple[str, ...]
    topic: str
    marking: str
    precedence: str
    status: str
    operation: str | None
    modes: tuple[str, ...]
    at: int

    def __post_init__(self) -> None:
        for word, words in (
            (self.topic, TOPICS),
            (self.marking, MARKING_RANK),
            (self.precedence, PRECEDENCES),
            (self.status, STATUSES),
            *((mode, MODES) for mode in self.modes),
        ):
            if word not in words:
                raise Malformed(f"{word[:40]!a} is none of {', '.join(words)}")


class Decision(NamedTuple):
    """Why one agency receives an alert or not: a rule's id or a ``built-in:`` name, and a sentence part for people."""

    agency: str
    included: bool
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The recipients, sorted, and one decision for every agency of the directory, sorted by agency."""

    recipients: tuple[str, ...]
    trace: tuple[Decision, ...]


def query_of(header: Header) -> RoutingQuery:
    """The routing question that a sealed alert's header asks."""
    return RoutingQuery(
        header.sender,
        header.address,
        header.topic,
        header.marking,
        header.precedence,
        header.status,
        header.operation,
        header.modes,
        header.created,
    )


def query_of_alert(alert: Alert, *, at: int) -> RoutingQuery:
    """The routing question of an alert that is to be sealed at ``at`` (ms); its addresses are in their wire form."""
    return RoutingQuery(
        alert.sender,
        tuple(alert.to),
        alert.kind,
        alert.marking,
        alert.precedence,
        alert.status,
        alert.operation,
        tuple(alert.modes),
        at,
    )


def resolve(directory: Directory, query: RoutingQuery) -> Resolution:
    """The recipients of an alert under a directory.

    Raises `UnknownAgency`, `UnknownRegion`, `UnknownOperation` or `BadAddress` for what leads nowhere, `Suspended` for
    the sender, `OperationClosed`, and `Nobody` when no recipient is left.
    """
    plan = plan_of(directory)
    operation = _admit(plan, query)
    trace = _Trace(plan)
    named, joint, wide = _addressed(plan, query, trace)
    restrictions: list[tuple[Mask, str, str]] = []
    for matched in plan.matching_rules(
        topic=query.topic,
        marking=query.marking,
        precedence=query.precedence,
        operation=query.operation,
        modes=query.modes,
        sender=query.sender,
        status=query.status,
    ):
        rule = matched.rule
        narrow_target = matched.narrow_target(operation)
        wide_target = matched.wide_target(plan.sender_regions[query.sender])
        target = narrow_target | wide_target
        if rule.effect == "add":
            joint |= narrow_target
            wide |= wide_target
            trace.include(target, rule.id, rule.reason)
        elif rule.effect == "deny":
            restrictions.append((target, rule.id, rule.reason))
        elif rule.effect == "only":
            restrictions.append((plan.everyone & ~target, rule.id, rule.reason))
        elif rule.ceiling is not None and MARKING_RANK[query.marking] > MARKING_RANK[rule.ceiling]:
            restrictions.append((target, rule.id, rule.reason))
    left = named | joint | wide
    for mask, name, reason in (*_invariants(plan, query, operation, named, joint), *restrictions):
        hit = left & mask
        if hit:
            trace.exclude(hit, name, reason)
            left ^= hit
    resolution = Resolution(tuple(plan.agencies[position] for position in plan.members(left)), trace.decisions())
    if not left:
        raise Nobody(_explain_nobody(resolution, query))
    return resolution


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


def _addressed(plan: Plan, query: RoutingQuery, trace: _Trace) -> tuple[Mask, Mask, Mask]:
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


def _invariants(
    plan: Plan, query: RoutingQuery, operation: OperationPlan | None, named: Mask, joint: Mask
) -> Iterator[tuple[Mask, str, str]]:
    """Stage 3: whom an alert never reaches, whatever the rules say."""
    yield plan.bit[query.sender], SENDER, "is the sender"
    yield plan.suspended, SUSPENDED, "is suspended"
    if query.marking == "red":
        yield plan.everyone & ~named, RED, "red goes only to agencies addressed by name"
    elif query.marking == "amber+strict":
        yield plan.everyone & ~(named | joint), AMBER_STRICT, "amber+strict goes to no region and never to all"
    if operation is not None:
        yield plan.everyone & ~operation.participants, OPERATION, f"takes no part in operation {operation.id}"
    yield plan.everyone & ~plan.sealable(query.at), NO_KEY, "has no valid sealing key in the directory"


class _Trace:
    """Collects one decision for each agency; the first reason to include stands until a reason to exclude."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._included: Mask = 0
        self._found: dict[int, Decision] = {}

    def include(self, mask: Mask, rule: str, reason: str) -> None:
        self._note(mask & ~self._included, True, rule, reason)
        self._included |= mask

    def exclude(self, mask: Mask, rule: str, reason: str) -> None:
        self._note(mask, False, rule, reason)

    def _note(self, mask: Mask, included: bool, rule: str, reason: str) -> None:
        for position in self._plan.members(mask):
            self._found[position] = Decision(self._plan.agencies[position], included, rule, reason)

    def decisions(self) -> tuple[Decision, ...]:
        return tuple(
            self._found.get(position) or Decision(agency, False, NOT_ADDRESSED, "is not addressed")
            for position, agency in enumerate(self._plan.agencies)
        )


def _explain_nobody(resolution: Resolution, query: RoutingQuery) -> str:
    """A sentence that names at most three of those addressed and why they are left out."""
    left_out = [f"{d.agency} {d.reason} ({d.rule})" for d in resolution.trace if d.rule != NOT_ADDRESSED]
    shown = "; ".join(left_out[:3]) + (f"; and {len(left_out) - 3} more" if len(left_out) > 3 else "")
    return f"{', '.join(query.address)[:200] or 'no address'} reaches nobody{': ' + shown if shown else ''}"
