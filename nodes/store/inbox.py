"""Alerts this agency received: verified, opened and committed, in that order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import apsw

from nodes.store.alerts import insert_alert
from nodes.store.events import Events
from nodes.store.relations import mark_received
from schemas import codec, ids

if TYPE_CHECKING:
    from schemas.alert.document import Alert

_STATES = ("unread", "read", "actioned")


@dataclass(frozen=True, slots=True)
class Received:
    """An opened alert with the evidence it came with.

    `document` is its wire map; `expires` (ms) and `attachments` (digest, sealed size) are the header's.
    """

    alert: Alert
    document: dict[str, codec.Value]
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

    def __init__(self, connection: apsw.Connection, events: Events) -> None:
        self._db = connection
        self._events = events

    def add(self, received: Received, *, now: int) -> int:
        """Keep an opened alert as unread; returns its local number.

        A recall or correction by the original's own sender marks the original, if it is here; and an original that
        comes after its recall is marked at once.
        """
        alert = received.alert
        number = insert_alert(
            self._db, alert, received.document, direction="in", received=now, state="unread", expires=received.expires
        )
        self._db.execute(
            "UPDATE alert SET log_index = ?, leaf = ?, header = ?, signature = ? WHERE number = ?",
            (received.index, received.leaf, received.header, received.signature, number),
        )
        self._db.execute(
            "INSERT INTO proof (number, entry, size, path, note) VALUES (?, ?, ?, ?, ?)",
            (number, received.entry, received.size, b"".join(received.path), received.note),
        )
        data: dict[str, codec.Value] = {
            "alert": alert.id,
            "sender": alert.sender,
            "kind": alert.kind,
            "precedence": alert.precedence,
            "marking": alert.marking,
            "status": alert.status,
            "operation": alert.operation,
        }
        self._events.add("alert", data, now=now)
        self._relate(alert, now)
        return number

    def set_state(self, alert_id: bytes, state: str, *, now: int) -> bool:
        """An officer read or actioned it; False when it was there already (states only move forward)."""
        row = self._db.execute("SELECT state FROM alert WHERE direction = 'in' AND id = ?", (alert_id,)).fetchone()
        if row is None or _STATES.index(state) <= _STATES.index(row[0]):
            return False
        self._db.execute("UPDATE alert SET state = ? WHERE direction = 'in' AND id = ?", (state, alert_id))
        self._events.add("state", {"alert": ids.format_id(alert_id), "direction": "in", "state": state}, now=now)
        return True

    def _relate(self, alert: Alert, now: int) -> None:
        own = ids.parse_id(alert.id)
        if alert.relation is not None and alert.relation.type in ("recall", "correct"):
            target = ids.parse_id(alert.relation.alert)
            if self._sender(target) == alert.sender:
                mark_received(self._db, self._events, alert.relation.type, target, own, now=now)
        earlier = self._db.execute(
            "SELECT relation, id FROM alert WHERE direction = 'in' AND related = ? AND sender = ? "
            "AND relation IN ('recall', 'correct') ORDER BY number",
            (own, alert.sender),
        ).fetchall()
        for relation, by in earlier:
            mark_received(self._db, self._events, str(relation), own, cast(bytes, by), now=now)

    def _sender(self, alert_id: bytes) -> str | None:
        row = self._db.execute("SELECT sender FROM alert WHERE direction = 'in' AND id = ?", (alert_id,)).fetchone()
        return None if row is None else str(row[0])
