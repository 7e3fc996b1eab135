"""Who can reach whom: the answer to one named recipient at a time, for a matrix and for the linter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from schemas.envelope.words import PRECEDENCES
from schemas.errors import DirectoryRefusal
from schemas.routing.matching import Mask
from schemas.routing.plan import Plan
from schemas.routing.query import RoutingQuery
from schemas.routing.resolve import weigh

State = Literal["yes", "hub", "no"]


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a sender reaches a recipient it names: itself, through a hub, or not; and what decides."""

    state: State
    rule: str
    """A rule's id, a ``built-in:`` name, or the code of what the sender is refused with."""
    reason: str


def reach(plan: Plan, query: RoutingQuery) -> Reach:
    """Whether the alert reaches the one agency it is addressed to. Raises what leads nowhere, as `weigh` does."""
    (recipient,) = query.address
    try:
        resolution = weigh(plan, query)
    except DirectoryRefusal as refusal:
        return Reach("no", refusal.code, refusal.message)
    decision = next(decision for decision in resolution.trace if decision.agency == recipient)
    if decision.included:
        return Reach("yes", decision.rule, decision.reason)
    served = next((rule for rule in plan.rules if rule.rule.id == decision.rule and rule.hub), None)
    through = served is not None and served.rule.hub in resolution.recipients
    return Reach("hub" if through else "no", decision.rule, decision.reason)


def reaching(plan: Plan, senders: Mask, recipient: str, topic: str, marking: str) -> Iterator[Reach]:
    """How each of the senders reaches a recipient with an actual alert outside operations, at every precedence."""
    urgent = PRECEDENCES if any(rule.rule.when.precedences for rule in plan.rules) else PRECEDENCES[-1:]
    for sender in plan.names(senders):
        query = RoutingQuery(sender, (recipient,), topic, marking, PRECEDENCES[-1], "actual", None, (), 0)
        yield from (reach(plan, replace(query, precedence=precedence)) for precedence in urgent)


def matrix(plan: Plan, query: RoutingQuery) -> Mapping[str, Mapping[str, Reach]]:
    """How each agency would reach each other with an alert like the query's, whatever its sender and address."""
    return {
        sender: {
            recipient: reach(plan, replace(query, sender=sender, address=(recipient,)))
            for recipient in plan.agencies
            if recipient != sender
        }
        for sender in plan.agencies
    }
