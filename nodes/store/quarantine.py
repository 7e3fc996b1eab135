"""Material that failed a check: kept for inspection, the newest of it, never shown as an alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from nodes.store.events import Events
from nodes.store.rows import among, number
from schemas import ids
from schemas.limits import MAX_QUARANTINE, MAX_QUARANTINE_BYTES


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What was refused and why: `step` is the number of the opening step that failed."""

    index: int
    id: bytes | None
    sender: str | None
    code: str
    step: int | None
    message: str
    time: int
    entry: bytes
    body: bytes


_SELECT = "SELECT log_index, id, sender, code, step, message, time, entry, body FROM quarantine"


_PRUNE = (
    "DELETE FROM quarantine WHERE number IN (SELECT number FROM (SELECT number, log_index, "
    "row_number() OVER newest AS place, sum(length(entry) + length(body)) OVER newest AS size "
    "FROM quarantine WINDOW newest AS (ORDER BY number DESC)) WHERE (place > ? OR size > ?) AND log_index != ?)"
)
"""All but the newest that fit; the one just added stays, whatever its size."""


class Quarantine:
    """Writes and lists what was refused."""

    def __init__(self, connection: apsw.Connection, events: Events) -> None:
        self._db = connection
        self._events = events

    def add(self, item: Quarantined) -> bool:
        """Keep refused material; False when that place of the log is here already."""
        self._db.execute(
            "INSERT OR IGNORE INTO quarantine (log_index, id, sender, code, step, message, time, entry, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (item.index, item.id, item.sender, item.code, item.step, item.message, item.time, item.entry, item.body),
        )
        if not self._db.changes():
            return False
        self._db.execute(_PRUNE, (MAX_QUARANTINE, MAX_QUARANTINE_BYTES, item.index))
        name = f"log entry {item.index}" if item.id is None else ids.format_id(item.id)
        self._events.add(
            "state", {"alert": name, "direction": "in", "state": "quarantined", "code": item.code}, now=item.time
        )
        return True

    def newest(self, *, limit: int = 100) -> list[Quarantined]:
        """Newest first."""
        rows = self._db.execute(_SELECT + " ORDER BY number DESC LIMIT ?", (limit,))
        return [Quarantined(*row) for row in rows]

    def get(self, index: int) -> Quarantined | None:
        """What was refused at that place of the log."""
        row = self._db.execute(_SELECT + " WHERE log_index = ?", (index,)).fetchone()
        return None if row is None else Quarantined(*row)

    def holds(self, indexes: Sequence[int]) -> bool:
        """Whether anything was refused at one of these places of the log."""
        return bool(
            number(self._db, *among("SELECT EXISTS (SELECT 1 FROM quarantine WHERE log_index IN (?))", indexes))
        )

    def count(self) -> int:
        """How much there is."""
        return number(self._db, "SELECT count(*) FROM quarantine")
