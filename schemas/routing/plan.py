"""A directory compiled for routing: agencies as bits, sets of agencies as integers, rules found by what they match.

With 31 agencies and some hundred rules this turns `resolve` into a few dozen integer operations. Nothing here decides
anything; `schemas.routing.resolve` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import OperationClosed, UnknownOperation
from schemas.limits import CACHED_PLANS
from schemas.routing.address import ALL
from schemas.routing.matching import Mask, RequestIndex, RuleIndex, positions
from schemas.routing.requests import StandingRequest
from schemas.routing.rules import Rule

if TYPE_CHECKING:
    from schemas.directory.agency_keys import AgencyKeys
    from schemas.directory.documents import DirectoryDocument
    from schemas.directory.state import Directory
    from schemas.envelope.header import Header
    from schemas.routing.query import RoutingQuery


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
    hub: Mask
    """The hub of a ``via`` rule; empty for any other."""

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


class RequestPlan(NamedTuple):
    """A standing request and whose it is."""

    request: StandingRequest
    agency: Mask


class Plan:
    """A directory as sets of agencies, and its rules and standing requests by what they match."""

    def __init__(self, document: DirectoryDocument, keys: Mapping[str, AgencyKeys], *, sealing: bool = True) -> None:
        """Compile; with ``sealing`` off every agency counts as having a valid sealing key."""
        self.document = document
        self.agencies = tuple(sorted(document.agencies))
        self.bit = {agency: 1 << position for position, agency in enumerate(self.agencies)}
        self.everyone: Mask = (1 << len(self.agencies)) - 1
        self.suspended = self.mask(a.id for a in document.agencies.values() if a.status != "active")
        self.regions = {
            region: self.mask(a.id for a in document.agencies.values() if region in a.regions)
            for region in document.regions
        }
        self.groups = {ALL: self.everyone, **{f"region:{region}": mask for region, mask in self.regions.items()}}
        self.regions_of = {agency.id: agency.regions for agency in document.agencies.values()}
        self.sender_regions = {agency: self._union(regions) for agency, regions in self.regions_of.items()}
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
        self._key_times, self._key_masks = self._sealing_timeline(keys) if sealing else ([], [self.everyone])
        ends = [time for operation in self.operations.values() for time in (operation.starts, operation.ends)]
        self._moments = sorted({0, *self._key_times, *ends})
        ordered = sorted(document.rules, key=lambda rule: rule.id)
        self.rules = tuple(self._rule(rule) for rule in ordered)
        self._rules = RuleIndex(ordered, self.regions)
        self.requests = tuple(
            RequestPlan(request, self.bit[agency])
            for agency in sorted(keys.keys() & self.bit.keys())
            for request in sorted(keys[agency].requests, key=lambda request: (bool(request.subjects), request.id))
        )
        self._requests = RequestIndex([plan.request for plan in self.requests])
        self.asks_for_subjects = any(plan.request.subjects for plan in self.requests)
        self._addressable = frozenset((*self.bit, *self.groups))

    def mask(self, agencies: Iterable[str]) -> Mask:
        """The set of these agencies."""
        return sum({self.bit[agency] for agency in agencies})

    def members(self, mask: Mask) -> Iterator[int]:
        """The positions of the agencies in a set, ascending."""
        return positions(mask)

    def names(self, mask: Mask) -> tuple[str, ...]:
        """The agencies in a set, sorted."""
        return tuple([self.agencies[position] for position in positions(mask)])

    def sealable(self, at: int) -> Mask:
        """The agencies with a valid sealing key at ``at`` (ms)."""
        return self._key_masks[bisect_right(self._key_times, at)]

    def since(self, at: int) -> int:
        """The time (ms) since which every answer is as it is at ``at``: no key and no operation began or ended since.

        Within that stretch every agency also has the same newest sealing key.
        """
        return self._moments[max(0, bisect_right(self._moments, at) - 1)]

    def operation(self, name: str) -> OperationPlan:
        """One operation. Raises `UnknownOperation`."""
        found = self.operations.get(name)
        if found is None:
            raise UnknownOperation(f"there is no operation {name[:80]!a}")
        return found

    def matching_rules(self, query: RoutingQuery, addressed: Mask) -> list[RulePlan]:
        """The rules whose conditions all hold, by rule id; ``addressed`` is without the sender."""
        found = self._rules.match(query, self.regions_of[query.sender], addressed)
        return [self.rules[position] for position in positions(found)]

    def matching_requests(self, query: RoutingQuery | Header) -> Iterator[RequestPlan]:
        """The requests about the query's topic and sender, by agency and id, whatever subjects they ask about."""
        found = self._requests.match(query.topic, self.regions_of[query.sender])
        return (self.requests[position] for position in positions(found))

    def may_disclose(self, asked: RoutingQuery | Header, subjects: Collection[str]) -> bool:
        """Whether the types of its ``subjects`` may decide anything for an alert, or it may be refused.

        If not, nothing it asks about is to be disclosed, which is soon known of most alerts.
        """
        if not (subjects and self.asks_for_subjects):
            return False
        sender = self.bit.get(asked.sender)
        if sender is None or sender & self.suspended or asked.operation is not None:
            return True
        types = {*subjects}
        return not self._addressable.issuperset(asked.address) or any(
            not types.isdisjoint(plan.request.subjects) for plan in self.matching_requests(asked)
        )

    def _rule(self, rule: Rule) -> RulePlan:
        hub = self.bit[rule.hub] if rule.hub is not None else 0
        return RulePlan(rule, self.mask(rule.to.agencies), self._union(rule.to.regions, everyone=rule.to.everyone), hub)

    def _union(self, regions: Iterable[str], *, everyone: bool = False) -> Mask:
        mask = self.everyone if everyone else 0
        for region in regions:
            mask |= self.regions[region]
        return mask

    def _sealing_timeline(self, keys: Mapping[str, AgencyKeys]) -> tuple[list[int], list[Mask]]:
        """The times at which the set of agencies with a valid sealing key changes, and the sets between them."""
        records = [
            (self.bit[agency], record)
            for agency, published in keys.items()
            for record in published.sealing
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


@lru_cache(maxsize=CACHED_PLANS)
def plan_of(directory: Directory) -> Plan:
    """The plan of a directory, made once: a hub routes under two versions at a time, an auditor under one by one."""
    return Plan(directory.require_document(), directory.keys)
