"""Recalls and corrections set against the alerts they are about.

Of our own, a recall or correction counts for this node as soon as it is composed, and for its recipients once it is in
the log: only then are they shown as `recalled`. One that the hub refuses for good is taken back, so that the officer
can try again.
"""

from __future__ import annotations

from typing import cast

import apsw

from nodes.store.deliveries import Deliveries
from nodes.store.events import Events
from schemas import ids

OWN_ONLY = ("recall", "correct")
"""Relations that only an alert's own sender may make."""


class OwnRelations:
    """Marks alerts this agency sent."""

    def __init__(self, connection: apsw.Connection, events: Events, deliveries: Deliveries) -> None:
        self._db = connection
        self._events = events
        self._deliveries = deliveries

    def begin(self, relation: str, target: bytes, by: bytes) -> None:
        """The alert `by` was composed, which recalls or corrects `target`."""
        self._db.execute(_BEGIN[relation], (by, target))

    def settle(self, by: bytes, *, now: int) -> None:
        """The alert `by` is in the log: if it recalls or corrects one, tell of that.

        The hub does not send a recalled alert any more. A recipient that had stored it just before says so by a
        receipt, which then counts.
        """
        relation, target = self._relation(by)
        if target is None or relation not in OWN_ONLY:
            return
        if relation == "recall":
            row = self._db.execute("SELECT number FROM alert WHERE direction = 'out' AND id = ?", (target,)).fetchone()
            if row is not None:
                self._deliveries.move(cast(int, row[0]), ("accepted", "escalated"), "recalled", now)
        _tell(self._events, relation, target, "out", now)

    def undo(self, by: bytes) -> None:
        """The alert `by` will never be in the log: what it was about is as it was."""
        relation, target = self._relation(by)
        if relation == "recall":
            self._db.execute("UPDATE alert SET recalled_by = NULL WHERE direction = 'out' AND recalled_by = ?", (by,))
        elif relation == "correct":
            self._db.execute(
                "UPDATE alert SET corrected_by = (SELECT id FROM alert AS other WHERE other.direction = 'out' "
                "AND other.related = alert.id AND other.relation = 'correct' AND other.id != ? "
                "AND other.state IN ('waiting', 'accepted') ORDER BY other.number DESC LIMIT 1) "
                "WHERE direction = 'out' AND id = ? AND corrected_by = ?",
                (by, target, by),
            )

    def _relation(self, alert: bytes) -> tuple[str | None, bytes | None]:
        row = self._db.execute(
            "SELECT relation, related FROM alert WHERE direction = 'out' AND id = ?", (alert,)
        ).fetchone()
        return (None, None) if row is None else (cast(str | None, row[0]), cast(bytes | None, row[1]))


def mark_received(db: apsw.Connection, events: Events, relation: str, target: bytes, by: bytes, *, now: int) -> None:
    """A received alert was recalled, or corrected, by its own sender. The newest correction in the log counts."""
    db.execute(_RECEIVED[relation], {"by": by, "target": target})
    if db.changes():
        _tell(events, relation, target, "in", now)


def _tell(events: Events, relation: str, target: bytes, direction: str, now: int) -> None:
    data = {"alert": ids.format_id(target), "direction": direction, "state": _STATES[relation]}
    events.add("state", data, now=now)


_STATES = {"recall": "recalled", "correct": "corrected"}

_BEGIN = {
    "recall": "UPDATE alert SET recalled_by = ? WHERE direction = 'out' AND id = ? AND recalled_by IS NULL",
    "correct": "UPDATE alert SET corrected_by = ? WHERE direction = 'out' AND id = ?",
}

_RECEIVED = {
    "recall": "UPDATE alert SET recalled_by = :by WHERE direction = 'in' AND id = :target AND recalled_by IS NULL",
    "correct": "UPDATE alert SET corrected_by = :by WHERE direction = 'in' AND id = :target "
    "AND (corrected_by IS NULL OR (SELECT log_index FROM alert WHERE direction = 'in' AND id = :by) > "
    "(SELECT log_index FROM alert AS before WHERE before.direction = 'in' AND before.id = alert.corrected_by))",
}
