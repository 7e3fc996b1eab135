"""The node's journal of what happened, in order, and the alarms that stand.

Events are what `GET /v1/events` streams and what handlers act on. They are written in the transaction of the change
they tell of. What one receipt says of many alerts is one row, and as many events, whose numbers end with the row's;
so are alerts that arrived together, of which the row has the local numbers, and an event what their own rows say.
Types and data:

* `alert`: an alert arrived: `alert` (id text), `sender`, `kind`, `precedence`, `marking`, `status`, `operation`
* `state`: an alert's state changed here: `alert`, `direction`, `state`, and `code` where there is one; if it expired,
  the `agencies` that never had it; if it was sealed again for a changed directory, `directory`, and the recipients
  `added` and `dropped`
* `receipt`: a recipient's word on an alert this agency sent: `alert`, `agency`, `state`, `code`, `officer`
* `escalation`: the hub's word on a recipient that did not store an alert in time: `alert`, `agency`, `outcome` (`due`,
  `unreachable`, `reached`), and the `contact` that was reached
* `overdue`: this node's own word on the same: `alert`, `agency`, and `telephone`, the contact line in the directory
* `alarm`: something an operator must look at: `code`, `message`; `cleared` true when it is over
* `link`: the connection to the hub: `connected`, and `code` and `message` when it ended in an error
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import apsw

from nodes.store.rows import number
from nodes.store.topics import Topics
from schemas import codec, ids
from schemas.limits import MAX_RECEIPT_ITEMS

EventType = Literal["alert", "state", "receipt", "escalation", "overdue", "alarm", "link"]
_MAX_EVENT = (
    65_536  # bytes of one row's data; a receipt names 256 alerts at most, anything else has a few hundred bytes
)


_ADD_MANY = "INSERT INTO event (seq, time, type, data) VALUES (coalesce((SELECT max(seq) FROM event), 0) + ?, ?, ?, ?)"
_ARRIVED = (
    "SELECT id, sender, kind, precedence, marking, status, operation FROM alert "
    "WHERE number BETWEEN ? AND ? ORDER BY number"
)


class Said(NamedTuple):
    """What a recipient said, of one alert or of many."""

    agency: str
    state: str
    code: str | None
    officer: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `seq` grows by at least one with each."""

    seq: int
    time: int
    type: EventType
    data: dict[str, codec.Value]

    def as_dict(self) -> dict[str, object]:
        """As the API shows it: the data beside `seq`, `type` and `time`."""
        return {"seq": self.seq, "type": self.type, "time": self.time, **self.data}


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that stands until it is cleared."""

    code: str
    message: str
    hint: str
    time: int


class Events:
    """The journal."""

    def __init__(self, connection: apsw.Connection, topics: Topics) -> None:
        self._db = connection
        self._topics = topics

    def add(self, kind: EventType, data: Mapping[str, codec.Value], *, now: int) -> int:
        """Append an event; returns its sequence number. None values are left out."""
        present: dict[str, codec.Value] = {name: value for name, value in data.items() if value is not None}
        self._db.execute("INSERT INTO event (time, type, data) VALUES (?, ?, ?)", (now, kind, codec.encode(present)))
        self._topics.add("events")
        return self._db.last_insert_rowid()

    def add_arrived(self, first: int, count: int, *, now: int) -> None:
        """Append one event for each of `count` alerts that arrived, whose local numbers begin with `first`."""
        self._db.execute(_ADD_MANY, (count, now, "alert", codec.encode({"first": first, "count": count})))
        self._topics.add("events")

    def add_receipts(self, said: Mapping[Said, Sequence[bytes]], *, now: int) -> None:
        """Append one event for each alert that something was said of; the ids are those of alerts."""
        rows = []
        for word, alerts in said.items():
            present = {name: value for name, value in word._asdict().items() if value is not None}
            for start in range(0, len(alerts), MAX_RECEIPT_ITEMS):  # several receipts may have said the same
                named: list[codec.Value] = list(alerts[start : start + MAX_RECEIPT_ITEMS])
                rows.append((len(named), now, "receipt", codec.encode({**present, "alerts": named})))
        if rows:
            self._db.executemany(_ADD_MANY, rows)
            self._topics.add("events")

    def after(self, seq: int, *, limit: int = 256) -> list[Event]:
        """Events with a higher number than `seq`, oldest first."""
        found: list[Event] = []
        rows = self._db.execute(
            "SELECT seq, time, type, data FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        ).fetchall()
        for place, time, kind, data in rows:
            value = cast(dict[str, codec.Value], codec.decode(cast(bytes, data), max_size=_MAX_EVENT))
            last, told = cast(int, place), self._data(value)
            events = [
                Event(last - len(told) + n, cast(int, time), cast(EventType, kind), one)
                for n, one in enumerate(told, 1)
            ]
            found.extend(event for event in events if event.seq > seq)
            if len(found) >= limit:
                break
        return found[:limit]

    def _data(self, value: dict[str, codec.Value]) -> list[dict[str, codec.Value]]:
        """What each event of a row has to say."""
        alerts, first = value.pop("alerts", None), value.get("first")
        if isinstance(alerts, list):
            return [{"alert": ids.format_id(cast(bytes, alert)), **value} for alert in alerts]
        if isinstance(first, int):
            rows = self._db.execute(_ARRIVED, (first, first + cast(int, value["count"]) - 1))
            return [_arrived(*row) for row in rows]
        return [value]

    def last(self) -> int:
        """The newest event's number; 0 when there is none."""
        return number(self._db, "SELECT seq FROM event ORDER BY seq DESC LIMIT 1")

    def prune(self, before: int) -> None:
        """Forget events older than the time `before` that every handler has seen, but never the newest of all."""
        self._db.execute(
            "DELETE FROM event WHERE time < ? AND seq < (SELECT max(seq) FROM event) "
            "AND seq <= coalesce((SELECT min(seq) FROM handler), (SELECT max(seq) FROM event))",
            (before,),
        )


def _arrived(alert: Any, *texts: Any) -> dict[str, codec.Value]:
    names = ("sender", "kind", "precedence", "marking", "status", "operation")
    present = {name: text for name, text in zip(names, texts, strict=True) if text is not None}
    return {"alert": ids.format_id(alert), **present}


class Alarms:
    """Conditions an operator must look at, one per code."""

    def __init__(self, connection: apsw.Connection, events: Events) -> None:
        self._db = connection
        self._events = events

    def raise_(self, code: str, message: str, hint: str, *, now: int) -> None:
        """Raise an alarm, or renew its words; only a new alarm makes an event."""
        if self.get(code) is None:
            self._events.add("alarm", {"code": code, "message": message}, now=now)
        self._db.execute(
            "INSERT OR REPLACE INTO alarm (code, message, hint, time) VALUES (?, ?, ?, ?)", (code, message, hint, now)
        )

    def clear(self, code: str, *, now: int) -> bool:
        """End an alarm; False when it did not stand."""
        alarm = self.get(code)
        if alarm is None:
            return False
        self._db.execute("DELETE FROM alarm WHERE code = ?", (code,))
        self._events.add("alarm", {"code": code, "message": alarm.message, "cleared": True}, now=now)
        return True

    def get(self, code: str) -> Alarm | None:
        """The alarm of that code, if it stands."""
        row = self._db.execute("SELECT code, message, hint, time FROM alarm WHERE code = ?", (code,)).fetchone()
        return None if row is None else Alarm(*row)

    def standing(self) -> list[Alarm]:
        """All alarms, oldest first."""
        return [
            Alarm(*row) for row in self._db.execute("SELECT code, message, hint, time FROM alarm ORDER BY time, code")
        ]
