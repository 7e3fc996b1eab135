"""What was owed and what became of it, as a person reads it, and as a program does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from nodes.auditor.obligations import WITHIN, Completeness, Obligation, Record
from nodes.auditor.text import count, span, when
from nodes.auditor.trail_page import STANDINGS
from schemas.ids import format_id

FORMAT = "crossbearing/complete/1"
"""Names the form in JSON. Keys may be added, none change their meaning."""


def complete_dict(found: Completeness) -> dict[str, object]:
    """Return the outcome as JSON-ready data."""
    return {
        "format": FORMAT,
        "ok": found.complete,
        "operation": found.scope.operation,
        "from": found.scope.start,
        "to": found.scope.stop,
        "end": found.end,
        "grace": found.grace,
        "alerts": found.alerts,
        "behind": [record.agency for record in found.behind],
        "within": list(WITHIN),
        "agencies": [asdict(record) for _, record in sorted(found.records.items())],
        "unanswered": [_owed_dict(owed, found.end) for owed in found.unanswered],
        "unanswered_total": found.unanswered_total,
    }


def _owed_dict(owed: Obligation, end: int) -> dict[str, object]:
    alert = owed.alert
    return {
        "alert": format_id(alert.alert_id),
        "index": alert.index,
        "sender": alert.sender,
        "agency": owed.agency,
        "standing": owed.standing,
        "precedence": alert.precedence,
        "operation": alert.operation,
        "entered": alert.entered,
        "unanswered_for": owed.delay(end),
    }


def complete_lines(found: Completeness) -> Iterator[str]:
    """Yield the outcome in words."""
    scope = found.scope
    period = [("from", scope.start), ("to before", scope.stop)]
    times = "".join(f", {word} {when(moment)}" for word, moment in period if moment is not None)
    yield f"Alerts      {found.alerts:,}" + (f" of operation {scope.operation}" if scope.operation else "") + times
    yield f"As of       {when(found.end)}, the log's last entry"
    yield f"Grace       {span(found.grace)}; who leaves an alert unanswered for longer is behind"
    yield ""
    yield from _table(found)
    yield ""
    for owed in found.unanswered:
        alert = owed.alert
        what = f"alert {format_id(alert.alert_id)} of {alert.sender}, {alert.precedence}, entry {alert.index:,}"
        outcome = f"{STANDINGS[owed.standing]}, {span(owed.delay(found.end))}"
        yield f"{owed.agency}: {outcome}; {what}, {when(alert.entered)}"
    if found.unanswered_total > len(found.unanswered):
        yield f"... and {found.unanswered_total - len(found.unanswered):,} more"
    if found.unanswered:
        yield ""
    if found.complete:
        yield "COMPLETE. Nobody is behind, and no alert expired without an answer."
        return
    expired = sum(record.expired for record in found.records.values())
    if expired:
        yield f"{count(expired, 'delivery', 'deliveries').upper()} EXPIRED WITHOUT AN ANSWER."
    for record in found.behind:
        late = f"{count(record.late, 'alert')} unanswered for more than {span(found.grace)}"
        yield f"BEHIND: {record.agency} left {late}, at most {_slowest(record)}."
    yield "The log cannot tell an agency that was away from a hub that did not deliver; ask both."


def _table(found: Completeness) -> Iterator[str]:
    records = [record for _, record in sorted(found.records.items())]
    width = max((len(record.agency) for record in records), default=len("agency"))
    bounds = [f"in {span(bound)}" for bound in WITHIN] + ["later"]
    titles = ["addressed", "answered", *bounds, "recalled", "expired", "open", "slowest"]
    yield "  ".join(("agency".ljust(width), *(title.rjust(9) for title in titles)))
    for record in records:
        numbers = [record.addressed, record.acknowledged, *record.within, record.recalled, record.expired, record.open]
        cells = [f"{number:,}".rjust(9) for number in numbers]
        yield "  ".join((record.agency.ljust(width), *cells, _slowest(record).rjust(9)))


def _slowest(record: Record) -> str:
    return span(record.slowest)
