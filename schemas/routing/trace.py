"""Why each agency receives an alert or does not: the trace that every resolution carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.routing.matching import Mask
from schemas.routing.plan import Plan

ADDRESSED: Final = "built-in:addressed"
NOT_ADDRESSED: Final = "built-in:not-addressed"
NOT_PERMITTED: Final = "built-in:not-permitted"
SENDER: Final = "built-in:sender"
SUSPENDED: Final = "built-in:suspended"
RED: Final = "built-in:red"
AMBER_STRICT: Final = "built-in:amber-strict"
OPERATION: Final = "built-in:operation"
NO_KEY: Final = "built-in:no-sealing-key"
"""The names under which a trace shows what no governor's rule decided; a rule's id has no colon."""
REQUEST: Final = "request:"
"""Begins the name under which a trace shows a standing request; its id follows."""


class Decision(NamedTuple):
    """Why one agency receives an alert or not.

    ``rule`` is a rule's id, a ``built-in:`` name or a ``request:`` of the agency; ``reason`` is part of a sentence.
    """

    agency: str
    included: bool
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The recipients, sorted, and one decision for every agency of the directory, sorted by agency."""

    recipients: tuple[str, ...]
    trace: tuple[Decision, ...]
    subjects: tuple[str, ...] = ()
    """The types of the alert's subjects that a permitted request asks about: all of them that the header discloses."""


class Trace:
    """Collects one decision for each agency: the first reason to include stands until a reason to exclude, and that
    until an agency is included once more."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._included: Mask = 0
        self._found: dict[int, Decision] = {}

    def include(self, mask: Mask, rule: str, reason: str) -> None:
        """These receive it, unless they already do or something excludes them later."""
        new = mask & ~self._included
        if new:
            self._note(new, True, rule, reason)
            self._included |= mask

    def exclude(self, mask: Mask, rule: str, reason: str) -> None:
        """These do not receive it, unless something includes them later."""
        self._note(mask, False, rule, reason)
        self._included &= ~mask

    def remark(self, mask: Mask, rule: str, reason: str) -> None:
        """These would not receive it anyway, and there is more to say than that nobody addressed them."""
        for position in self._plan.members(mask):
            self._found.setdefault(position, Decision(self._plan.agencies[position], False, rule, reason))

    def decisions(self) -> tuple[Decision, ...]:
        """One decision for each agency, sorted by agency."""
        found = self._found
        return tuple(
            found.get(position) or Decision(agency, False, NOT_ADDRESSED, "is not addressed")
            for position, agency in enumerate(self._plan.agencies)
        )

    def _note(self, mask: Mask, included: bool, rule: str, reason: str) -> None:
        for position in self._plan.members(mask):
            self._found[position] = Decision(self._plan.agencies[position], included, rule, reason)
