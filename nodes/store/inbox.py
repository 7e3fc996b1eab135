"""Alerts this agency received: verified, opened and committed, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import apsw

from nodes.store.entering import Logged, Row, alert_row, insert_alerts, next_number
from nodes.store.events import Events
from nodes.store.relations import OWN_ONLY, mark_received
from nodes.store.rows import among
from nodes.store.topics import Topics
from schemas import ids

if TYPE_CHECKING:
    from schemas.alert.document import Alert

_STATES = ("unread", "read", "actioned")

_TELLING = 64
"""Bytes of a header by which it is looked for: to look for kilobytes costs more than to compare them once."""

_ABOUT = (
    "SELECT relation, related, id, sender FROM alert INDEXED BY alert_related "
    "WHERE related IN (?) AND direction = 'in' AND relation IN ('recall', 'correct') ORDER BY number"
)


@dataclass(frozen=True, slots=True)
class Received:
    """An opened alert with the evidence it came with.

    `document` is its wire map, encoded; `expires` (ms) and `attachments` (digest, sealed size) are the header's.
    """

    alert: Alert
    document: bytes
    index: int
    leaf: bytes
    header: bytes
    signature: bytes
    id: bytes
    expires: int
    attachments: tuple[tuple[bytes, int], ...]
    entry: bytes
    path: tuple[bytes, ...]
    size: int
    note: bytes


class Inbox:
    """Writes received alerts."""

    def __init__(self, connection: apsw.Connection, topics: Topics, events: Events) -> None:
        self._db = connection
        self._topics = topics
        self._events = events

    def add(self, received: Received, *, now: int) -> int:
        """Keep one opened alert, as `add_all` does; returns its local number."""
        return self.add_all([received], now=now)

    def add_all(self, received: Sequence[Received], *, now: int) -> int:
        """Keep opened alerts as unread; returns the local number of the last.

        A recall or correction by the original's own sender marks the original, if it is here; and an original that
        comes after its recall is marked at once.
        """
        first = next_number(self._db)
        noted: dict[int, int] = {}  # which alert has the note on a checkpoint of that size
        rows = [_row(place, one, noted.setdefault(one.size, place), now) for place, one in enumerate(received, first)]
        insert_alerts(self._db, rows, self._topics)
        self._events.add_arrived(first, len(rows), now=now)
        self._relate(received, now)
        return first + len(rows) - 1

    def known(self, alert_ids: Sequence[bytes]) -> dict[bytes, int]:
        """Those of these alerts that were received here, with their log index."""
        rows = self._db.execute(
            *among("SELECT id, log_index FROM alert WHERE direction = 'in' AND id IN (?)", alert_ids)
        )
        return {cast(bytes, alert): cast(int, index) for alert, index in rows}

    def set_state(self, alert_id: bytes, state: str, *, now: int) -> bool:
        """An officer read or actioned it; False when it was there already (states only move forward)."""
        row = self._db.execute("SELECT state FROM alert WHERE direction = 'in' AND id = ?", (alert_id,)).fetchone()
        if row is None or _STATES.index(state) <= _STATES.index(row[0]):
            return False
        self._db.execute("UPDATE alert SET state = ? WHERE direction = 'in' AND id = ?", (state, alert_id))
        self._events.add("state", {"alert": ids.format_id(alert_id), "direction": "in", "state": state}, now=now)
        return True

    def _relate(self, received: Sequence[Received], now: int) -> None:
        for one in received:
            relation = one.alert.relation
            if relation is not None and relation.type in OWN_ONLY:
                target = ids.parse_id(relation.alert)
                if self._sender(target) == one.alert.sender:
                    mark_received(self._db, self._events, relation.type, target, one.id, now=now)
        senders = {one.id: one.alert.sender for one in received}
        earlier = self._db.execute(*among(_ABOUT, list(senders))).fetchall()
        for kind, original, by, sender in earlier:
            if sender == senders[cast(bytes, original)]:
                mark_received(self._db, self._events, str(kind), cast(bytes, original), cast(bytes, by), now=now)

    def _sender(self, alert_id: bytes) -> str | None:
        row = self._db.execute("SELECT sender FROM alert WHERE direction = 'in' AND id = ?", (alert_id,)).fetchone()
        return None if row is None else str(row[0])


def _row(place: int, received: Received, noted: int, now: int) -> Row:
    entry, header_at = _without(received.entry, received.header)
    return alert_row(
        place,
        received.alert,
        received.document,
        direction="in",
        received=now,
        state="unread",
        expires=received.expires,
        logged=Logged(
            received.index,
            received.leaf,
            received.header,
            received.signature,
            entry,
            header_at,
            received.size,
            b"".join(received.path),
            noted,
            received.note if noted == place else None,
        ),
    )


def _without(entry: bytes, header: bytes) -> tuple[bytes, int | None]:
    """An entry without the header in it, and where that stood: the header is kept beside, and is the most of it."""
    at = entry.find(header[:_TELLING])
    end = at + len(header)
    return (entry, None) if at < 0 or entry[at:end] != header else (entry[:at] + entry[end:], at)
