"""What is heard of the alerts that this agency sent: by the log, from their recipients, and of time.

Receipts come many at a time and say the same of many alerts. What is taken in `together` reads and writes each alert
once, and makes one row of the journal of all that was said alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

import apsw

from nodes.store.deliveries import HELD, Deliveries
from nodes.store.events import Events, Said
from nodes.store.recipients import LETTERS, code_of, time_bytes
from schemas import codec, ids

_SELECT = "SELECT number, log_index, leaf, related IS NOT NULL FROM alert WHERE direction = 'out' AND id = ?"
_ORDER: Final = {
    "waiting": 0,
    "accepted": 1,
    "escalated": 2,
    "expired": 3,
    "recalled": 3,
    "refused": 4,
    "stored": 5,  # a recipient may refuse what it cannot open, and open it after all
    "read": 6,
    "actioned": 7,
}
_RANKS: Final = {code_of(state): _ORDER.get(state, 0) for state in LETTERS}


@dataclass(slots=True)
class Sent:
    """An alert that this agency sent; index and leaf are None as long as unknown; `relates`: it is about another."""

    id: bytes
    number: int
    index: int | None
    leaf: bytes | None
    relates: bool


class Word:
    """What one recipient says of one alert or of many: their state, since `time` (ms)."""

    __slots__ = ("agency", "code", "officer", "rank", "state", "time")

    def __init__(self, agency: str, state: str, time: int, officer: str | None = None) -> None:
        self.agency = agency
        self.state = state
        self.officer = officer
        self.time = time_bytes(time)
        self.code = code_of(state)
        self.rank = _RANKS[self.code]


class SentAlerts:
    """Finds them and notes what is heard of them. The newest are in memory, beside their recipients."""

    def __init__(self, connection: apsw.Connection, events: Events, deliveries: Deliveries) -> None:
        self._db = connection
        self._events = events
        self._deliveries = deliveries
        self._held: dict[bytes, Sent] = {}
        self._together = False
        self._said: dict[Said, list[bytes]] = {}

    def forget(self) -> None:
        """Believe the table alone: something was rolled back."""
        self._held.clear()

    @contextmanager
    def together(self, *, now: int) -> Iterator[None]:
        """While this lasts, words about alerts are gathered: each alert is written once, at its end."""
        self._together = True
        try:
            with self._deliveries.together():
                yield
            self._tell(now)
        finally:
            self._together, self._said = False, {}

    def find(self, alert_id: bytes) -> Sent | None:
        """The alert with that id, if this agency sent it."""
        held = self._held.get(alert_id)
        if held is not None:
            return held
        row = self._db.execute(_SELECT, (alert_id,)).fetchone()
        if row is None:
            return None
        number, index, leaf, relates = cast(tuple[int, int | None, bytes | None, int], row)
        return self.hold(Sent(alert_id, number, index, leaf, bool(relates)))

    def hold(self, sent: Sent) -> Sent:
        """Have an alert in memory: what is heard of it comes soon."""
        self._held[sent.id] = sent
        if len(self._held) > HELD:
            del self._held[next(iter(self._held))]
        return sent

    def set_leaf(self, sent: Sent, leaf: bytes) -> None:
        """The hash of the alert's log entry, learned from the first verified receipt about it."""
        if sent.leaf is None:
            self._db.execute("UPDATE alert SET leaf = ? WHERE number = ?", (leaf, sent.number))
            sent.leaf = leaf

    def note_receipt(self, sent: Sent, word: Word, *, code: str | None = None, now: int) -> bool:
        """A recipient's word, and why it refused; False when it says nothing new (states only move forward)."""
        recipients = self._deliveries.get(sent.number)
        place = recipients.circle.places.get(word.agency)
        if place is None or word.rank <= _RANKS[recipients.codes[place]]:
            return False
        recipients.write(place, word.code, word.time)
        if code is not None or word.officer is not None or word.agency in recipients.more:
            recipients.note(place, code=code, officer=word.officer)
        self._deliveries.put(recipients)
        self._said.setdefault(Said(word.agency, word.state, code, word.officer), []).append(sent.id)
        if not self._together:
            self._tell(now)
        return True

    def _tell(self, now: int) -> None:
        """Make events of what was said."""
        self._events.add_receipts(self._said, now=now)
        self._said = {}

    def note_escalation(
        self, sent: Sent, agency: str, outcome: str, *, time: int, contact: str | None, now: int
    ) -> bool:
        """The hub's word, entered at `time` (ms), that a recipient did not store it in time, and how far it came since.

        False when the alert has no such recipient.
        """
        recipients = self._deliveries.get(sent.number)
        place = recipients.place(agency)
        if place is None:
            return False
        first = recipients.noted(place, "escalated")
        recipients.note(place, escalated=time if first is None else first, outcome=outcome, contact=contact)
        if recipients.state(place) == "accepted":
            recipients.set(place, "escalated", time)
        self._deliveries.put(recipients)
        data = {"alert": ids.format_id(sent.id), "agency": agency, "outcome": outcome, "contact": contact}
        self._events.add("escalation", data, now=now)
        return True

    def expire(self, *, now: int) -> None:
        """Recipients of whom nothing was heard before an alert expired are not sent it any more."""
        rows = self._db.execute(
            "SELECT number, id FROM delivery INDEXED BY delivery_ends CROSS JOIN alert USING (number) "
            "WHERE states GLOB '*[ae]*' AND delivery.expires <= ? ORDER BY number",
            (now,),
        ).fetchall()
        for number, alert_id in rows:
            silent = self._deliveries.move(cast(int, number), ("accepted", "escalated"), "expired", now)
            agencies: list[codec.Value] = [*silent]
            data: dict[str, codec.Value] = {
                "alert": ids.format_id(cast(bytes, alert_id)),
                "direction": "out",
                "state": "expired",
                "code": "alert-expired",
                "agencies": agencies,
            }
            self._events.add("state", data, now=now)
