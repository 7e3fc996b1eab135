"""A directory compiled for routing: agencies as bits, sets of agencies as integers, rules found by what they match.

With 31 agencies and some hundred rules this turns `resolve` into a few dozen integer operations. Nothing here decides
anything; `schemas.routing.resolve` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

from schemas.errors import OperationClosed, UnknownOperation
from schemas.routing.address import ALL
from schemas.routing.rules import Condition, Rule

if TYPE_CHECKING:
    from schemas.directory.state import Directory

Mask = int
"""A set of agencies (or of rules): bit i stands for the i-th of them."""


@dataclass(frozen=True, slots=True)
class OperationPlan:
    """An operation as sets, with its time."""

    id: str
    host: Mask
    participants: Mask
    starts: int
    ends: int

    def check_runs(self, at: int) -> None:
        """Refuse the operation outside its time. Raises `OperationClosed`."""
        if not self.starts <= at < self.ends:
            raise OperationClosed(f"operation {self.id} {'has not begun' if at < self.starts else 'has ended'}")


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A rule with those of its targets that are the same for every alert."""

    rule: Rule
    named: Mask
    """The agencies of ``to``."""
    wide: Mask
    """The regions of ``to``, and everyone."""

    def narrow_target(self, operation: OperationPlan | None) -> Mask:
        """The agencies named one by one or by their part in the operation."""
        mask = self.named
        if operation is not None:
            if self.rule.to.operation_host:
                mask |= operation.host
            if self.rule.to.operation_participants:
                mask |= operation.participants
        return mask

    def wide_target(self, sender_regions: Mask) -> Mask:
        """The agencies meant as members of a region or of the whole directory."""
        return self.wide | sender_regions if self.rule.to.sender_regions else self.wide


class Plan:
    """A directory as sets of agencies, and its rules by what they match."""

    def __init__(self, directory: Directory) -> None:
        document = directory.require_document()
        self.document = document
        self.agencies = tuple(sorted(document.agencies))
        self.bit = {agency: 1 << position for position, agency in enumerate(self.agencies)}
        self.everyone: Mask = (1 << len(self.agencies)) - 1
        self.suspended = self.mask(agency for agency in self.agencies if not directory.is_active(agency))
        self.regions = {
            region: self.mask(a.id for a in document.agencies.values() if region in a.regions)
            for region in document.regions
        }
        self.groups = {ALL: self.everyone, **{f"region:{region}": mask for region, mask in self.regions.items()}}
        self._regions_of = {agency.id: agency.regions for agency in document.agencies.values()}
        self.sender_regions = {agency: self._union(regions) for agency, regions in self._regions_of.items()}
        self.operations = {
            operation.id: OperationPlan(
                operation.id,
                self.bit[operation.host],
                self.everyone if operation.participants is None else self.mask(operation.participants),
                operation.starts,
                operation.ends,
            )
            for operation in document.operations.values()
        }
        self._key_times, self._key_masks = self._sealing_timeline(directory)
        ordered = sorted(document.rules, key=lambda rule: rule.id)
        self.rules = tuple(
            RulePlan(rule, self.mask(rule.to.agencies), self._union(rule.to.regions, everyone=rule.to.everyone))
            for rule in ordered
        )
        self._matching = {field.name: _RuleIndex(ordered, field.name) for field in fields(Condition)}
        self._outside_operations: Mask = sum(1 << n for n, rule in enumerate(ordered) if not rule.to.needs_operation)

    def mask(self, agencies: Iterable[str]) -> Mask:
        """The set of these agencies."""
        return sum({self.bit[agency] for agency in agencies})

    def members(self, mask: Mask) -> Iterator[int]:
        """The positions of the agencies in a set, ascending."""
        while mask:
            lowest = mask & -mask
            yield lowest.bit_length() - 1
            mask ^= lowest

    def sealable(self, at: int) -> Mask:
        """The agencies with a valid sealing key at ``at`` (ms)."""
        return self._key_masks[bisect_right(self._key_times, at)]

    def operation(self, name: str) -> OperationPlan:
        """One operation. Raises `UnknownOperation`."""
        found = self.operations.get(name)
        if found is None:
            raise UnknownOperation(f"there is no operation {name[:80]!a}")
        return found

    def matching_rules(  # the eight dimensions of a condition
        self,
        *,
        topic: str,
        marking: str,
        precedence: str,
        operation: str | None,
        modes: Iterable[str],
        sender: str,
        status: str,
    ) -> Iterator[RulePlan]:
        """The rules whose conditions all hold, by rule id."""
        index = self._matching
        found = (
            index["topics"].one(topic)
            & index["markings"].one(marking)
            & index["precedences"].one(precedence)
            & index["statuses"].one(status)
            & index["senders"].one(sender)
            & index["modes"].some(modes)
            & index["sender_regions"].some(self._regions_of[sender])
            & index["operations"].some((operation,) if operation is not None else ())
        )
        if operation is None:
            found &= self._outside_operations
        return (self.rules[position] for position in self.members(found))

    def _union(self, regions: Iterable[str], *, everyone: bool = False) -> Mask:
        mask = self.everyone if everyone else 0
        for region in regions:
            mask |= self.regions[region]
        return mask

    def _sealing_timeline(self, directory: Directory) -> tuple[list[int], list[Mask]]:
        """The times at which the set of agencies with a valid sealing key changes, and the sets between them."""
        records = [
            (self.bit[agency], record)
            for agency, keys in directory.keys.items()
            for record in keys.sealing
            if agency in self.bit
        ]
        times = sorted({time for _, record in records for time in (record.not_before, record.not_after)})
        masks = [0]
        for time in times:
            mask = 0
            for bit, record in records:
                if record.valid(time):
                    mask |= bit
            masks.append(mask)
        return times, masks


class _RuleIndex:
    """For one dimension of conditions: which rules accept which value."""

    def __init__(self, rules: list[Rule], dimension: str) -> None:
        self._any: Mask = 0
        self._by_value: defaultdict[str, Mask] = defaultdict(int)
        for position, rule in enumerate(rules):
            accepted: tuple[str, ...] = getattr(rule.when, dimension)
            if not accepted:
                self._any |= 1 << position
            for value in accepted:
                self._by_value[value] |= 1 << position

    def one(self, value: str) -> Mask:
        """The rules that accept ``value``."""
        return self._any | self._by_value.get(value, 0)

    def some(self, values: Iterable[str]) -> Mask:
        """The rules that accept at least one of ``values``."""
        mask = self._any
        for value in values:
            mask |= self._by_value.get(value, 0)
        return mask


@lru_cache(maxsize=8)
def plan_of(directory: Directory) -> Plan:
    """The plan of a directory, made once: a hub routes under two versions at a time, an auditor under one by one."""
    return Plan(directory)
