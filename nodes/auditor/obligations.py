"""What the log says is owed: every alert to every recipient, until it is acknowledged, taken back, or expires.

An obligation is derived from the log alone. That one is open is not yet anybody's fault: the log cannot tell a hub that
did not deliver from an agency that was away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nodes.auditor.ledger import UNRECEIPTED, Logged

RECALLED, EXPIRED, OPEN = "recalled", "expired", "open"
"""What becomes of an alert that a recipient signed nothing for."""

WITHIN = (60_000, 600_000, 3_600_000, 86_400_000)
"""Bounds in ms by which answers are counted: a minute, ten minutes, an hour, a day."""


@dataclass(frozen=True, slots=True)
class Obligation:
    """One alert to one recipient."""

    alert: Logged
    agency: str
    standing: str
    """A state it signed for, or `RECALLED`, `EXPIRED`, `OPEN`."""
    answered: int | None
    """When its first receipt was entered (ms)."""

    def delay(self, end: int) -> int:
        """Return how long it went unanswered (ms): until the answer, the recall, the expiry, or the log's end."""
        until = min(moment for moment in (self.alert.expires, self.alert.recalled, end) if moment is not None)
        return max(0, (until if self.answered is None else self.answered) - self.alert.entered)


def obligations(alert: Logged, end: int) -> Iterator[Obligation]:
    """Yield an obligation for each recipient of an alert, as the log stands at `end`, its last entry's time (ms)."""
    for agency, state, answered in zip(alert.recipients, alert.states, alert.answered, strict=True):
        standing = state
        if state == UNRECEIPTED:
            standing = OPEN
            if alert.expires <= end:
                standing = EXPIRED
            if alert.recalled is not None and alert.recalled < alert.expires:
                standing = RECALLED
        yield Obligation(alert, agency, standing, answered)


@dataclass(slots=True)
class Record:
    """How one agency met what was owed to be acknowledged."""

    agency: str
    addressed: int = 0
    acknowledged: int = 0
    late: int = 0
    """Answered, taken back or expired only after the grace; or still open after it."""
    recalled: int = 0
    expired: int = 0
    open: int = 0
    slowest: int = 0
    """ms"""
    within: list[int] = field(default_factory=lambda: [0] * (len(WITHIN) + 1))
    """Acknowledged within each of the bounds `WITHIN`, but in none before it; the last: later than all."""

    def count(self, owed: Obligation, end: int, grace: int) -> None:
        """Count one obligation; it is late if it went unanswered for more than `grace` (ms)."""
        delay = owed.delay(end)
        self.addressed += 1
        self.late += delay > grace
        self.slowest = max(self.slowest, delay)
        if owed.answered is None:
            setattr(self, owed.standing, getattr(self, owed.standing) + 1)
            return
        self.acknowledged += 1
        self.within[sum(delay > bound for bound in WITHIN)] += 1


@dataclass(frozen=True, slots=True)
class Scope:
    """Which alerts are asked about: of one operation, entered in a time from `start` to before `stop` (ms)."""

    operation: str | None = None
    start: int | None = None
    stop: int | None = None

    def holds(self, alert: Logged) -> bool:
        """Tell whether the alert is one of them."""
        return (
            (self.operation is None or alert.operation == self.operation)
            and (self.start is None or alert.entered >= self.start)
            and (self.stop is None or alert.entered < self.stop)
        )


@dataclass(slots=True)
class Completeness:
    """What was owed within a scope, and what became of it."""

    scope: Scope
    end: int
    grace: int
    alerts: int = 0
    records: dict[str, Record] = field(default_factory=dict)
    unanswered: list[Obligation] = field(default_factory=list)
    """The first of those that nobody signed for, in the order of the log."""
    unanswered_total: int = 0

    @property
    def complete(self) -> bool:
        """Whether every alert was acknowledged by every recipient, or taken back, and nobody fell behind."""
        return not self.behind and all(record.expired == 0 for record in self.records.values())

    @property
    def behind(self) -> list[Record]:
        """The agencies that left an alert unanswered for longer than the grace, sorted."""
        return sorted((record for record in self.records.values() if record.late), key=lambda record: record.agency)


LISTED = 1000
"""Unanswered alerts that are listed one by one; the rest are counted."""


def completeness(alerts: Iterable[Logged], scope: Scope, *, end: int, grace: int) -> Completeness:
    """Return what was owed of `alerts` within `scope`, as the log stands at `end` (ms)."""
    made = Completeness(scope, end, grace)
    for alert in alerts:
        if not scope.holds(alert):
            continue
        made.alerts += 1
        for owed in obligations(alert, end):
            made.records.setdefault(owed.agency, Record(owed.agency)).count(owed, end, grace)
            if owed.answered is None:
                made.unanswered_total += 1
                if len(made.unanswered) < LISTED:
                    made.unanswered.append(owed)
    return made
