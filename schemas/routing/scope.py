"""Which alerts a rule is about and whom it concerns, as sets: how a linter compares rules without any alert at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.envelope.words import MARKING_RANK, MARKINGS, PRECEDENCES, STATUSES, TOPICS
from schemas.routing.matching import Mask
from schemas.routing.plan import OperationPlan, Plan, RulePlan
from schemas.routing.rules import Rule

STRICT = frozenset({"amber+strict"})
RED = frozenset({"red"})


@dataclass(frozen=True, slots=True)
class Scope:
    """The alerts on which a rule has an effect; an empty set anywhere means that there are none."""

    topics: frozenset[str]
    markings: frozenset[str]
    precedences: frozenset[str]
    statuses: frozenset[str]
    operations: frozenset[str | None]
    """None stands for alerts outside any operation."""
    senders: frozenset[str]
    modes: frozenset[str]
    recipient_regions: frozenset[str]
    """Of these two one suffices, so that empty means any, and two rules can always meet."""

    def covers(self, other: Scope) -> bool:
        """Whether every alert of the other is one of these."""
        return all(mine >= theirs for mine, theirs in self._sets(other)) and all(
            not mine or (bool(theirs) and mine >= theirs)
            for mine, theirs in ((self.modes, other.modes), (self.recipient_regions, other.recipient_regions))
        )

    def meets(self, other: Scope) -> bool:
        """Whether some alert may be both's."""
        return all(mine & theirs for mine, theirs in self._sets(other))

    def _sets(self, other: Scope) -> Iterator[tuple[frozenset[str | None], frozenset[str | None]]]:
        for name in ("topics", "markings", "precedences", "statuses", "operations", "senders"):
            yield getattr(self, name), getattr(other, name)


def scope_of(plan: Plan, rule: Rule) -> Scope:
    """The alerts on which a rule has an effect under a plan."""
    every: tuple[str | None, ...] = (None, *plan.operations)
    operations = frozenset(rule.when.operations or every)
    if rule.to.needs_operation:
        operations -= {None}
    return Scope(
        topics=_or_all(rule.when.topics, TOPICS),
        markings=_markings(rule),
        precedences=_or_all(rule.when.precedences, PRECEDENCES),
        statuses=_or_all(rule.statuses, STATUSES),
        operations=operations,
        senders=frozenset(agency for agency in plan.agencies if _sends(plan, agency, rule, operations)),
        modes=frozenset(rule.when.modes),
        recipient_regions=frozenset(rule.when.recipient_regions),
    )


def concerned(plan: Plan, rule: RulePlan, scope: Scope) -> Mask:
    """Every active agency whose alerts the rule changes, for some alert of its scope: added, permitted or kept out."""
    found: Mask = 0
    for sender in scope.senders:
        for name in scope.operations:
            found |= concerned_by(plan, rule, sender, plan.operations[name] if name is not None else None)
    return found & ~plan.suspended


def concerned_by(plan: Plan, rule: RulePlan, sender: str, operation: OperationPlan | None) -> Mask:
    """The same for one sender and one operation or none; for an ``only`` rule those outside its target."""
    target = rule.narrow_target(operation) | rule.wide_target(plan.sender_regions[sender])
    if rule.rule.effect == "only":
        target = plan.everyone & ~target
    if operation is not None:
        target &= operation.participants
    return target & ~(plan.bit[sender] | rule.hub)


def is_wide(rule: Rule) -> bool:
    """Whether a rule means whole regions or everyone; a copy on request is always so."""
    return rule.effect == "permit" or bool(rule.to.regions) or rule.to.sender_regions or rule.to.everyone


def _markings(rule: Rule) -> frozenset[str]:
    """The markings at which a rule changes anything."""
    named = _or_all(rule.when.markings, MARKINGS)
    if rule.ceiling is not None:
        return frozenset(marking for marking in named if MARKING_RANK[marking] > MARKING_RANK[rule.ceiling])
    if rule.effect == "permit":
        return named - RED - STRICT
    if rule.effect == "add":
        narrow = bool(rule.to.agencies) or rule.to.needs_operation
        return named - RED if narrow else named - RED - STRICT
    return named


def _sends(plan: Plan, agency: str, rule: Rule, operations: Iterable[str | None]) -> bool:
    bit = plan.bit[agency]
    regions = rule.when.sender_regions
    return (
        not bit & plan.suspended
        and (not rule.when.senders or agency in rule.when.senders)
        and (not regions or any(bit & plan.regions[region] for region in regions))
        and any(name is None or bit & plan.operations[name].participants for name in operations)
        and agency != rule.hub
    )


def _or_all(named: tuple[str, ...], words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(named or words)
