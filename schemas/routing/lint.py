"""What is wrong with a set of rules though each of them reads: found before anybody signs them.

    never-matches  a rule that changes nothing for any alert
    contradicts    rules that undo each other for every alert they share
    unreachable    an agency to which nobody can send a topic at a marking
    lets-out       a rule that gives wider circulation to a marking than it says, or than a ceiling elsewhere allows

Keys play no part: an agency is taken to have a valid sealing key, and an operation to be running.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from schemas.envelope.words import MARKING_RANK, MARKINGS, TOPICS
from schemas.routing.matching import Mask
from schemas.routing.plan import Plan, RulePlan
from schemas.routing.reach import reaching
from schemas.routing.rules import WIDENING
from schemas.routing.scope import Scope, concerned, concerned_by, is_wide, scope_of

if TYPE_CHECKING:
    from schemas.directory.documents import DirectoryDocument

Code = Literal["never-matches", "contradicts", "unreachable", "lets-out"]

AMBER: Final = MARKING_RANK["amber"]
"""From here on a marking keeps information within the recipients' organisations."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to think about: its code, the rules concerned, sorted, and a sentence."""

    code: Code
    rules: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class _Judged:
    """A rule with the alerts and the agencies it makes a difference for."""

    plan: RulePlan
    scope: Scope
    agencies: Mask

    @property
    def id(self) -> str:
        return self.plan.rule.id

    @property
    def effect(self) -> str:
        return self.plan.rule.effect


def lint(document: DirectoryDocument) -> list[Finding]:
    """Everything found in a document's rules, in the order of the codes above and then of the rules."""
    plan = Plan(document, MappingProxyType({}), sealing=False)
    judged = []
    for rule in plan.rules:
        scope = scope_of(plan, rule.rule)
        judged.append(_Judged(rule, scope, concerned(plan, rule, scope)))
    effective = [rule for rule in judged if _idle(plan, rule) is None]
    return [
        *_never_matching(plan, judged),
        *_overridden(plan, effective),
        *_exclusive(plan, effective),
        *_circles(effective),
        *_unreachable(plan),
        *_letting_out(plan, effective),
    ]


def _never_matching(plan: Plan, judged: Iterable[_Judged]) -> Iterator[Finding]:
    for rule in judged:
        why = _idle(plan, rule)
        if why is not None:
            yield Finding("never-matches", (rule.id,), f"{rule.id} changes nothing: {why}")


def _idle(plan: Plan, judged: _Judged) -> str | None:
    """Why a rule changes nothing for any alert; None if it does."""
    rule, scope = judged.plan.rule, judged.scope
    if not scope.operations:
        return "its target needs an operation, and there is none"
    if not scope.senders:
        return "no active agency is such a sender"
    if not scope.markings:
        if rule.effect == "ceiling":
            return f"every marking it is about is within its ceiling {rule.ceiling}"
        return "no rule can copy anybody on alerts so marked"
    regions = rule.when.recipient_regions
    if regions and not any(plan.regions[region] for region in regions):
        return f"no agency belongs to {' or '.join(regions)}, so nobody there is addressed"
    if not judged.agencies:
        return "it leaves nobody out" if rule.effect == "only" else "its target holds no active agency but the sender"
    return None


def _overridden(plan: Plan, judged: Iterable[_Judged]) -> Iterator[Finding]:
    """Rules that widen to agencies which others always keep out."""
    rules = list(judged)
    for rule in rules:
        if rule.effect not in WIDENING:
            continue
        bars = [bar for bar in rules if bar.effect in {"deny", "only", "ceiling"} and bar.scope.covers(rule.scope)]
        needed = [bar for bar in bars if bar.agencies & rule.agencies]
        if needed and all(
            _kept_out(plan, rule, needed, sender, operation)
            for sender in rule.scope.senders
            for operation in rule.scope.operations
        ):
            names = tuple(sorted(bar.id for bar in needed))
            message = f"{rule.id} never takes effect, because {' and '.join(names)} always wins over it"
            yield Finding("contradicts", tuple(sorted((rule.id, *names))), message)


def _kept_out(plan: Plan, rule: _Judged, bars: list[_Judged], sender: str, name: str | None) -> bool:
    operation = plan.operations[name] if name is not None else None
    barred: Mask = plan.suspended
    for bar in bars:
        if name is not None or not bar.plan.rule.to.needs_operation:
            barred |= concerned_by(plan, bar.plan, sender, operation)
    return not concerned_by(plan, rule.plan, sender, operation) & ~barred


def _exclusive(plan: Plan, judged: Iterable[_Judged]) -> Iterator[Finding]:
    """Two `only` rules that leave nobody between them."""
    for first, second in combinations([rule for rule in judged if rule.effect == "only"], 2):
        cut_off = _cut_off(plan, first, second) if first.scope.meets(second.scope) else None
        if cut_off is not None:
            message = f"{first.id} and {second.id} leave nobody whom {cut_off} could reach where both apply"
            yield Finding("contradicts", (first.id, second.id), message)


def _cut_off(plan: Plan, first: _Judged, second: _Judged) -> str | None:
    """The first sender who can reach nobody where both apply; in an operation only if they are about operations."""
    operations = first.scope.operations & second.scope.operations
    for sender in sorted(first.scope.senders & second.scope.senders):
        for name in {None} if None in operations else operations:
            operation = plan.operations[name] if name is not None else None
            outside = concerned_by(plan, first.plan, sender, operation)
            outside |= concerned_by(plan, second.plan, sender, operation)
            able = plan.everyone if operation is None else operation.participants
            if not able & ~(outside | plan.bit[sender] | plan.suspended):
                return sender
    return None


def _circles(judged: Iterable[_Judged]) -> Iterator[Finding]:
    """Hubs that stand for each other, so that none of them receives anything."""
    hubs = [rule for rule in judged if rule.effect == "via"]
    after = {
        rule.id: {other.id for other in hubs if rule.plan.hub & other.agencies and rule.scope.meets(other.scope)}
        for rule in hubs
    }
    beyond = {name: _beyond(after, name) for name in after}
    reported: set[str] = set()
    for name in after:
        circle = tuple(sorted(other for other in beyond[name] if name in beyond[other]))
        if circle and name not in reported:
            reported |= set(circle)
            yield Finding("contradicts", circle, f"the hubs of {' and '.join(circle)} stand for each other in a circle")


def _beyond(after: dict[str, set[str]], start: str) -> set[str]:
    """The rules that a rule's alerts may come to, hub after hub."""
    found, waiting = set[str](), set(after[start])
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= after[name] - found
    return found


def _unreachable(plan: Plan) -> Iterator[Finding]:
    """Agencies that nobody can reach with a topic at a marking, however urgent and by whatever hub."""
    found: defaultdict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    active = plan.everyone & ~plan.suspended
    for recipient in plan.names(active):
        senders = active & ~plan.bit[recipient] & ~_hubs_of(plan, recipient)
        for marking in MARKINGS:
            for topic in TOPICS:
                rules = _shut(plan, senders, recipient, topic, marking)
                if rules:
                    found[recipient, rules][marking].append(topic)
    for (recipient, rules), shut in found.items():
        what = "; ".join(
            f"{marking} {'of any topic' if len(topics) == len(TOPICS) else ', '.join(topics)}"
            for marking, topics in shut.items()
        )
        names = ", ".join(rules)
        who = "nobody but its hub" if _hubs_of(plan, recipient) else "nobody"
        yield Finding("unreachable", rules, f"{who} can reach {recipient} with {what}, because of {names}")


def _hubs_of(plan: Plan, recipient: str) -> Mask:
    """The hubs of an agency: what they alone can send it reaches nobody on its own."""
    hubs: Mask = 0
    for rule in plan.rules:
        if (rule.named | rule.wide) & plan.bit[recipient]:
            hubs |= rule.hub
    return hubs


def _shut(plan: Plan, senders: Mask, recipient: str, topic: str, marking: str) -> tuple[str, ...]:
    """The rules that keep every sender from an agency; none if one gets through, or where a ceiling does its work."""
    rules = set[str]()
    ceilings = {rule.rule.id for rule in plan.rules if rule.rule.effect == "ceiling"}
    for outcome in reaching(plan, senders, recipient, topic, marking):
        if outcome.state != "no":
            return ()
        rules.add(outcome.rule)
    return () if rules & ceilings else tuple(sorted(rules))


def _letting_out(plan: Plan, judged: Iterable[_Judged]) -> Iterator[Finding]:
    rules = list(judged)
    for rule in rules:
        if rule.effect not in WIDENING:
            continue
        if is_wide(rule.plan.rule) and not rule.plan.rule.when.markings:
            how = "lets its agencies ask for" if rule.effect == "permit" else "copies"
            message = (
                f"{rule.id} {how} alerts up to amber, for whole regions, without naming markings; name those you mean"
            )
            yield Finding("lets-out", (rule.id,), message)
        for ceiling in rules:
            if ceiling.effect == "ceiling" and _escapes(rule, ceiling):
                agencies = ", ".join(plan.names(rule.agencies & ceiling.agencies)[:3])
                top = max(rule.scope.markings, key=MARKING_RANK.__getitem__)
                message = (
                    f"{rule.id} gives {top} to {agencies}, which {ceiling.id} limits to {ceiling.plan.rule.ceiling} "
                    "for part of the same alerts only"
                )
                yield Finding("lets-out", tuple(sorted((rule.id, ceiling.id))), message)


def _escapes(rule: _Judged, ceiling: _Judged) -> bool:
    """Whether a rule widens amber or above, beside a ceiling on the same topics that stops some of it and not all."""
    above = {marking for marking in rule.scope.markings & ceiling.scope.markings if MARKING_RANK[marking] >= AMBER}
    return bool(
        above
        and rule.agencies & ceiling.agencies
        and ceiling.scope.topics >= rule.scope.topics
        and ceiling.scope.meets(rule.scope)
        and not _covers_above(ceiling.scope, rule.scope)
    )


def _covers_above(ceiling: Scope, rule: Scope) -> bool:
    """Whether a ceiling's alerts hold all of a rule's; markings at or below the ceiling are no matter."""
    return ceiling.covers(replace(rule, markings=rule.markings & ceiling.markings))
