"""Which rules and standing requests an alert matches, found by looking up each of its facts once.

For every dimension of conditions a table says which rules accept a value; the rules that match are the intersection
of one or a few entries of each table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from schemas.routing.requests import StandingRequest
from schemas.routing.rules import Rule

if TYPE_CHECKING:
    from schemas.routing.query import RoutingQuery

Mask = int
"""A set of agencies, rules or requests: bit i stands for the i-th of them."""


def positions(mask: Mask) -> Iterator[int]:
    """The positions in a set, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


class Dimension:
    """For one dimension of conditions: which items accept which value. An item that names no value accepts all."""

    __slots__ = ("_any", "_by_value")

    def __init__(self, accepted: Iterable[Sequence[str]]) -> None:
        self._any: Mask = 0
        self._by_value: defaultdict[str, Mask] = defaultdict(int)
        for position, values in enumerate(accepted):
            if not values:
                self._any |= 1 << position
            for value in values:
                self._by_value[value] |= 1 << position

    @property
    def values(self) -> tuple[str, ...]:
        """The values that some item names."""
        return tuple(self._by_value)

    def one(self, value: str) -> Mask:
        """The items that accept ``value``."""
        return self._any | self._by_value.get(value, 0)

    def some(self, values: Iterable[str]) -> Mask:
        """The items that accept at least one of ``values``."""
        mask = self._any
        for value in values:
            mask |= self._by_value.get(value, 0)
        return mask


class RuleIndex:
    """The conditions of rules, by dimension; rule i is the i-th given."""

    def __init__(self, rules: Sequence[Rule], regions: Mapping[str, Mask]) -> None:
        self._topics = Dimension(rule.when.topics for rule in rules)
        self._markings = Dimension(rule.when.markings for rule in rules)
        self._precedences = Dimension(rule.when.precedences for rule in rules)
        self._statuses = Dimension(rule.statuses for rule in rules)
        self._senders = Dimension(rule.when.senders for rule in rules)
        self._modes = Dimension(rule.when.modes for rule in rules)
        self._sender_regions = Dimension(rule.when.sender_regions for rule in rules)
        self._recipient_regions = Dimension(rule.when.recipient_regions for rule in rules)
        self._operations = Dimension(rule.when.operations for rule in rules)
        self._recipient_masks = [(name, regions[name]) for name in self._recipient_regions.values]
        self._outside_operations: Mask = sum(1 << n for n, rule in enumerate(rules) if not rule.to.needs_operation)

    def match(self, query: RoutingQuery, sender_regions: Iterable[str], addressed: Mask) -> Mask:
        """The rules whose conditions all hold. ``addressed``: the agencies addressed, without the sender."""
        found = (
            self._topics.one(query.topic)
            & self._markings.one(query.marking)
            & self._precedences.one(query.precedence)
            & self._statuses.one(query.status)
            & self._senders.one(query.sender)
            & self._modes.some(query.modes)
            & self._sender_regions.some(sender_regions)
            & self._recipient_regions.some([name for name, mask in self._recipient_masks if mask & addressed])
        )
        if query.operation is None:
            return found & self._operations.some(()) & self._outside_operations
        return found & self._operations.one(query.operation)


class RequestIndex:
    """What requests ask about, by dimension; request i is the i-th given."""

    def __init__(self, requests: Sequence[StandingRequest]) -> None:
        self._topics = Dimension(request.topics for request in requests)
        self._regions = Dimension(request.regions for request in requests)
        self._all: Mask = (1 << len(requests)) - 1

    def match(self, topic: str, sender_regions: Iterable[str]) -> Mask:
        """The requests about this topic and a sender of these regions."""
        if not self._all:
            return 0
        return self._topics.one(topic) & self._regions.some(sender_regions)
