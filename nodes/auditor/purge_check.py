"""Judging one logged deletion: had the hub the right to delete that body at that time?

The rule is the hub's own, `schemas.directory.retention`. When an alert became idle follows from the receipts and
the recalls that the log holds; the retention period and the governors' orders stand in the directory in force.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodes.auditor import findings as found
from nodes.auditor.alert_check import Problem
from nodes.auditor.ledger import Logged
from nodes.auditor.text import plain, when
from schemas.directory.documents import DirectoryDocument
from schemas.directory.retention import right_to_purge
from schemas.errors import Retained
from schemas.ids import format_id
from schemas.log.entry import PurgeEntry


def idle_since(alert: Logged) -> int:
    """From when on nobody waited for the alert (ms): all had answered, or it was recalled, or it had expired."""
    answered = [time for time in alert.answered if time is not None]
    ends = [alert.expires]
    if len(answered) == len(alert.recipients):
        ends.append(max(answered, default=alert.entered))
    if alert.recalled is not None:
        ends.append(alert.recalled)
    return min(ends)


def purge_problems(purge: PurgeEntry, alert: Logged, document: DirectoryDocument) -> Iterator[Problem]:
    """Yield what is wrong with the deletion of `alert` under the `document` in force at its place."""
    what = f"the body of entry {alert.index}"
    if alert.purged:
        yield found.PURGE_MALFORMED, f"{what} had been deleted before"
    idle = idle_since(alert)
    try:
        right = right_to_purge(document, format_id(alert.alert_id), idle, purge.time)
    except Retained:
        due = when(idle + document.limits.retention)
        yield found.PURGE_EARLY, f"{what} was deleted at {when(purge.time)}; it was to be kept until {due}"
        return
    if (purge.basis, purge.approvers) != (right.basis, right.approvers):
        named = f"{plain(purge.basis)}, approved by {', '.join(purge.approvers) or 'nobody'}"
        yield found.PURGE_MALFORMED, f"{what} was deleted on another basis than the directory gives: {named}"
