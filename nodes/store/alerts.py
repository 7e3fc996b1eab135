"""Alerts of both directions: how to find, list and search them.

Rows are written by `outbox` and `inbox`, in the form of `nodes.store.entering`; this module reads. Times are ms since
the epoch.

States of a received alert: `unread`, `read`, `actioned`. States of a sent one: `waiting` (not yet in the log),
`accepted`, `refused`, `expired` (nobody took it in time), `withdrawn` (taken back before it left). A sent alert's
recipients have states of their own, see `Delivery`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import apsw

from nodes.store.deliveries import read_recipients
from nodes.store.recipients import Delivery
from nodes.store.rows import number
from nodes.store.search import find_words
from schemas import codec, ids, limits
from schemas.errors import BadId, NotFound

__all__ = [
    "AlertRow",
    "Alerts",
    "Content",
    "Direction",
    "Filter",
    "ProofRow",
]

Direction = Literal["in", "out"]

_SELECT = (
    "SELECT number, direction, id, sender, officer, kind, title, marking, status, precedence, operation, address, "
    "composed, received, expires, relation, related, state, log_index, leaf, recalled_by, corrected_by, code, message, "
    "hint FROM alert"
)
_BY_TAIL = "SELECT number FROM alert WHERE direction IN ('in', 'out') AND substr(id, ?) = ?"
"""Reads the index of ids, 8 ms for 100,000 of them. An index of their ends would cost each alert a page of its own."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert without its content. `received` is when this node came to hold it; `related` the id it is about."""

    number: int
    direction: Direction
    id: bytes
    sender: str
    officer: str | None
    kind: str
    title: str
    marking: str
    status: str
    precedence: str
    operation: str | None
    address: tuple[str, ...]
    composed: int
    received: int
    expires: int | None
    relation: str | None
    related: bytes | None
    state: str
    index: int | None
    leaf: bytes | None
    recalled_by: bytes | None
    corrected_by: bytes | None
    code: str | None
    message: str | None
    hint: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """What an alert says: its wire map (`schemas.alert.document.alert_from_wire` reads it); its header once sealed."""

    document: codec.Value
    header: bytes | None
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class ProofRow:
    """The evidence that an alert is in the log: its entry, and its inclusion in the signed checkpoint `note`."""

    entry: bytes
    size: int
    path: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts to list; None means any. `before` is an alert's `number`: the last one's gives the next page."""

    direction: Direction
    state: str | None = None
    kind: str | None = None
    sender: str | None = None
    operation: str | None = None
    before: int | None = None
    limit: int = 50


class Alerts:
    """Reads alerts of both directions."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def get(self, direction: Direction, alert_id: bytes) -> AlertRow | None:
        """The alert with that id and direction."""
        return self._first("direction = ? AND id = ?", (direction, alert_id))

    def by_number(self, alert: int) -> AlertRow:
        """The alert with that local number. Raises NotFound."""
        row = self._first("number = ?", (alert,))
        if row is None:
            raise NotFound(f"this node holds no alert number {alert}")
        return row

    def find(self, text: str) -> AlertRow:
        """The one alert a person means: a whole id, or its last 4 to 12 hex digits (12 are what a double click takes).

        Raises BadId when the text is neither or fits several alerts, NotFound when it fits none.
        """
        text = text.strip().lower()
        if len(text) == len("00000000-0000-7000-8000-000000000000"):
            rows = self._select("id = ? ORDER BY number", (ids.parse_id(text),))
        elif 4 <= len(text) <= 12 and all(c in "0123456789abcdef" for c in text):
            tail = bytes.fromhex(text[len(text) % 2 :])
            rows = self._select(f"number IN ({_BY_TAIL}) ORDER BY number", (-len(tail), tail))
            rows = [row for row in rows if row.id.hex().endswith(text)]
        else:
            raise BadId(f"{text!r} is not an alert's id", hint="give the whole id, or at least its last 4 hex digits")
        if not rows:
            raise NotFound(f"this node holds no alert {text}", hint="list what it holds: bearing inbox, bearing sent")
        if len(rows) > 1:
            raise BadId(
                f"{text} fits {len(rows)} alerts",
                hint="give more digits, for example " + " or ".join(row.id.hex()[-8:] for row in rows[:2]),
            )
        return rows[0]

    def page(self, wanted: Filter) -> list[AlertRow]:
        """Alerts newest first."""
        tests = ["direction = ?"]
        values: list[apsw.SQLiteValue] = [wanted.direction]
        for column in ("state", "kind", "sender", "operation"):
            value = getattr(wanted, column)
            if value is not None:
                tests.append(f"{column} = ?")
                values.append(value)
        if wanted.before is not None:
            tests.append("number < ?")
            values.append(wanted.before)
        values.append(wanted.limit)
        return self._select(" AND ".join(tests) + " ORDER BY number DESC LIMIT ?", tuple(values))

    def count(self, direction: Direction, *states: str) -> int:
        """How many alerts are in one of these states (in any, when none is given)."""
        if not states:
            return number(self._db, "SELECT count(*) FROM alert WHERE direction = ?", (direction,))
        sql = "SELECT count(*) FROM alert WHERE direction = ? AND state = ?"
        return sum(number(self._db, sql, (direction, state)) for state in states)

    def content(self, alert: int) -> Content:
        """What the alert says. Raises NotFound."""
        row = self._db.execute("SELECT document, header, signature FROM alert WHERE number = ?", (alert,)).fetchone()
        if row is None:
            raise NotFound(f"this node holds no alert number {alert}")
        return Content(codec.decode(row[0], max_size=limits.MAX_BODY), row[1], row[2])

    def headers(self) -> list[tuple[int, bytes]]:
        """Log index and header of every alert here that is in the log, in the order of the log."""
        sql = (
            "SELECT log_index, header FROM alert WHERE log_index IS NOT NULL AND header IS NOT NULL ORDER BY log_index"
        )
        return [(index, header) for index, header in self._db.execute(sql)]

    def proof(self, alert: int) -> ProofRow | None:
        """The evidence kept for a received alert."""
        row = self._db.execute(
            "SELECT one.entry, one.header_at, one.header, one.size, one.path, noted.note FROM alert AS one "
            "JOIN alert AS noted ON noted.number = one.noted WHERE one.number = ?",
            (alert,),
        ).fetchone()
        if row is None:
            return None
        entry, at, header, size, path, note = row
        whole = entry if at is None else entry[:at] + header + entry[at:]
        return ProofRow(whole, size, tuple(path[i : i + 32] for i in range(0, len(path), 32)), note)

    def deliveries(self, alert: int) -> list[Delivery]:
        """Each recipient's state, by agency."""
        return read_recipients(self._db, alert).deliveries()

    def counts(self, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
        """For each of these sent alerts, how many recipients are in which state."""
        return {alert: read_recipients(self._db, alert).counts() for alert in numbers}

    def thread(self, alert_id: bytes) -> list[AlertRow]:
        """All alerts held that are linked with this one by reply, follow-up, correction or recall, oldest first."""
        found: dict[int, AlertRow] = {}
        wanted, seen = [alert_id], set[bytes]()
        while wanted and len(found) < limits.MAX_RECIPIENTS:
            current = wanted.pop()
            if current in seen:
                continue
            seen.add(current)
            for row in self._select("id = ? OR related = ?", (current, current)):
                found[row.number] = row
                wanted.append(row.id)
                if row.related is not None:
                    wanted.append(row.related)
        return [found[place] for place in sorted(found)]

    def search(self, query: str, *, limit: int = 50) -> list[AlertRow]:
        """Alerts whose text holds all the words of `query` (the last may be the start of one), newest first."""
        numbers = find_words(self._db, query, limit=limit)
        wanted = json.dumps(numbers)
        return self._select("number IN (SELECT value FROM json_each(?)) ORDER BY number DESC", (wanted,))

    def _select(self, where: str, values: tuple[apsw.SQLiteValue, ...]) -> list[AlertRow]:
        return [_row(row) for row in self._db.execute(_SELECT + " WHERE " + where, values)]

    def _first(self, where: str, values: tuple[apsw.SQLiteValue, ...]) -> AlertRow | None:
        rows = self._select(where, values)
        return rows[0] if rows else None


def _row(values: tuple[apsw.SQLiteValue, ...]) -> AlertRow:
    fields = list(values)
    fields[11] = tuple(cast(str, fields[11]).split("\n"))
    return AlertRow(*fields)  # type: ignore[arg-type]  # the columns' types are the table's
