"""Judging escalations: was each due, and was each that was due made?

The rule is the hub's own, `schemas.directory.escalation`. When an alert was due follows from its entry and the
directory in force there, and whether a recipient still waited from the receipts and recalls that the log holds.
Whether a desk was called is the hub's word alone; that it says so is what the sender relied on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodes.auditor import findings as found
from nodes.auditor.alert_check import Problem
from nodes.auditor.ledger import UNRECEIPTED, Logged
from nodes.auditor.text import when
from schemas.directory.history import Directory, DirectoryHistory
from schemas.log.entry import EscalationEntry

GRACE_MS: Final = 300_000
"""Five minutes: a hub looks every second, and may have been restarted."""

_BEFORE: Final = {"due": (UNRECEIPTED,), "unreachable": ("due",), "reached": ("due", "unreachable")}
"""What each outcome continues."""


def escalation_problems(escalation: EscalationEntry, alert: Logged, directory: Directory) -> Iterator[Problem]:
    """Yield what is wrong with an escalation of `alert` for one of its recipients, under the `directory` in force."""
    agency, what = escalation.agency, f"entry {alert.index} was escalated for {escalation.agency}"
    place = alert.recipients.index(agency)
    answered = alert.answered[place]
    problems = {
        "though it is no flash alert, or expired first": alert.due is None,
        "too early": alert.due is not None and escalation.time < alert.due,
        "after it had answered": answered is not None,
        "after it was recalled": alert.recalled is not None,
        "after it had expired": escalation.time >= alert.expires,
        "while that agency was suspended": not directory.is_active(agency),
        f"as {escalation.outcome} out of turn": alert.outcomes[place] not in _BEFORE[escalation.outcome],
    }
    yield from ((found.ESCALATION_UNFOUNDED, f"{what} {how}") for how, wrong in problems.items() if wrong)
    published = directory.keys.get(agency)
    known = [contact.id for contact in published.contacts] if published is not None else []
    if escalation.contact is not None and escalation.contact not in known:
        message = f"{what} at {escalation.contact}, which is no contact that it publishes"
        yield found.ESCALATION_UNFOUNDED, message


def missing_escalations(alert: Logged, history: DirectoryHistory, end: int) -> Iterator[tuple[str, str]]:
    """Yield each recipient for whom `alert` was not escalated in time, as the log stands at `end` (ms), and a sentence.

    An agency that was suspended at any time of the grace is passed over, and so is an alert whose body was deleted.
    """
    if alert.due is None or alert.purged:
        return
    latest = alert.due + GRACE_MS
    ends = min(moment for moment in (alert.expires, alert.recalled, end) if moment is not None)
    for agency, answered, escalated in zip(alert.recipients, alert.answered, alert.escalated, strict=True):
        waited_until = ends if answered is None else min(ends, answered)
        missed = waited_until > latest and (escalated is None or escalated > latest)
        if missed and _active(history, agency, alert.due, latest):
            so = "never" if escalated is None else f"only at {when(escalated)}"
            yield agency, f"entry {alert.index} was due for {agency} at {when(alert.due)} and was escalated {so}"


def _active(history: DirectoryHistory, agency: str, start: int, stop: int) -> bool:
    """Whether the agency was active under every directory in force between two times (ms)."""
    versions = [history.version(number) for number in range(1, len(history) + 1)]
    first = max((directory.version for directory in versions if directory.since <= start), default=1)
    return all(directory.is_active(agency) for directory in versions[first - 1 :] if directory.since <= stop)
