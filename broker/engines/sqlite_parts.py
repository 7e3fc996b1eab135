"""What became of each alert with each recipient, as tables: one row for an alert, however many recipients it has.

`part` has a row for each alert: a digit of `broker.state.Standing` for each recipient, in the order of its `circle`,
and the log index of the receipt that gave it. `waiting` says who waits for what, so that whoever comes back finds its
own among a million: for each rank and each stretch of the log a map from agencies to bits, one for each index. Both are
written once for a block, whatever it changed of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import apsw
import msgpack

from broker.state import Delivery, Escalated, Standing

CIRCLES: Final = 256
"""Sets of recipients kept in memory."""
STRETCH: Final = 256
"""Log indexes in one row of `waiting`: with thirty agencies such a row has 1,300 bytes."""

# A digit 0 in `standings` is `Standing.WAITING`. `escalating` has those deliveries that wait, are to be escalated, and
# whose desk was not reached.
SCHEMA = """
CREATE TABLE circle (key INTEGER PRIMARY KEY, agencies TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE part (
    idx INTEGER PRIMARY KEY, circle INTEGER NOT NULL, rank INTEGER NOT NULL, expires INTEGER NOT NULL,
    escalates INTEGER, standings TEXT NOT NULL, receipts BLOB NOT NULL, escalations BLOB NOT NULL
) STRICT;
CREATE TABLE waiting (
    rank INTEGER NOT NULL, stretch INTEGER NOT NULL, agencies BLOB NOT NULL, PRIMARY KEY (rank, stretch)
) STRICT, WITHOUT ROWID;
CREATE TABLE escalating (
    agency TEXT NOT NULL, escalated INTEGER NOT NULL, escalates INTEGER NOT NULL, idx INTEGER NOT NULL,
    expires INTEGER NOT NULL, PRIMARY KEY (agency, escalated, escalates, idx)
) STRICT, WITHOUT ROWID;
"""

PARTS: Final = (
    "SELECT idx, agencies, rank, expires, escalates, standings, receipts, escalations "
    "FROM part JOIN circle ON circle.key = part.circle"
)
PUT_PARTS: Final = "INSERT OR REPLACE INTO part VALUES "
WAITING_BY_RANK: Final = (
    "SELECT rank, sum(length(standings) - length(replace(standings, '0', ''))) AS many FROM part "
    "JOIN (SELECT DISTINCT stretch FROM waiting) ON idx >= stretch * ?1 AND idx < (stretch + 1) * ?1 "
    "WHERE expires > ?2 GROUP BY rank HAVING many > 0"
)
"""With `STRETCH` and the time now (ms)."""
STRETCHES: Final = (
    "SELECT rank, stretch, agencies FROM waiting WHERE (rank, stretch) >= (?, ?) AND instr(agencies, ?) "
    "ORDER BY rank, stretch LIMIT ?"
)
WAITING: Final = f"{PARTS} WHERE idx BETWEEN ? AND ? AND rank = ? AND expires > ? ORDER BY idx"
ESCALATIONS: Final = (
    "SELECT idx FROM escalating WHERE agency = ? AND escalated IN ({}) AND escalates <= ? AND expires > ? "
    "ORDER BY escalates, idx LIMIT ?"
)

_STANDINGS: Final = tuple(Standing)
_ZERO: Final = ord("0")


@lru_cache(CIRCLES)
def _circle(agencies: tuple[str, ...]) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The same agencies and the place of each, in the one copy that all alerts to them share."""
    return agencies, {agency: place for place, agency in enumerate(agencies)}


class Parts:
    """Every recipient's part in the alert at `index`."""

    __slots__ = ("agencies", "escalates", "escalations", "expires", "index", "place", "rank", "receipts", "standings")

    def __init__(self, index: int, agencies: tuple[str, ...], rank: int, expires: int, escalates: int | None) -> None:
        self.index = index
        self.agencies, self.place = _circle(agencies)
        self.rank = rank
        self.expires = expires
        self.escalates = escalates
        self.standings = bytearray(b"0" * len(agencies))
        self.receipts = [0] * len(agencies)
        self.escalations: dict[str, tuple[Escalated, int]] = {}

    @classmethod
    def of(cls, deliveries: Iterable[Delivery]) -> Parts:
        """The parts of an alert that is new."""
        known = {delivery.agency: delivery for delivery in deliveries}
        one = next(iter(known.values()))
        parts = cls(one.index, tuple(sorted(known)), one.rank, one.expires, one.escalates)
        for delivery in known.values():
            if delivery.standing or delivery.receipt or delivery.escalated or delivery.escalation:
                parts.put(delivery)
        return parts

    @classmethod
    def read(cls, row: tuple[Any, ...]) -> Parts:
        """From a row of `PARTS`."""
        index, agencies, rank, expires, escalates, standings, receipts, escalations = row
        parts = cls(index, tuple(agencies.split(" ")), rank, expires, escalates)
        parts.standings = bytearray(standings.encode())
        parts.receipts = msgpack.unpackb(receipts)
        if escalations:
            found = msgpack.unpackb(escalations)
            parts.escalations = {agency: (Escalated(how_far), entry) for agency, (how_far, entry) in found.items()}
        return parts

    def row(self, circle: int) -> tuple[object, ...]:
        """For `PUT_PARTS`."""
        escalations = (
            msgpack.packb({a: self.escalations[a] for a in sorted(self.escalations)}) if self.escalations else b""
        )
        facts = (self.index, circle, self.rank, self.expires, self.escalates)
        return (*facts, self.standings.decode(), msgpack.packb(self.receipts), escalations)

    def put(self, delivery: Delivery) -> None:
        """Take the part of one of the recipients as it now is."""
        place = self.place[delivery.agency]
        self.standings[place] = _ZERO + delivery.standing
        self.receipts[place] = delivery.receipt
        if delivery.escalated or delivery.escalation:
            self.escalations[delivery.agency] = (delivery.escalated, delivery.escalation)

    def delivery(self, agency: str) -> Delivery | None:
        """The part of `agency`; None when it is no recipient."""
        place = self.place.get(agency)
        if place is None:
            return None
        standing = _STANDINGS[self.standings[place] - _ZERO]
        made = Delivery(agency, self.index, self.rank, self.expires, standing, self.receipts[place], self.escalates)
        if agency in self.escalations:
            made.escalated, made.escalation = self.escalations[agency]
        return made

    def waits(self, agency: str) -> bool:
        """Whether it waits for `agency`."""
        place = self.place.get(agency)
        return place is not None and self.standings[place] == _ZERO

    def waits_besides(self, agency: str) -> bool:
        """Whether it waits for another recipient than `agency`."""
        waiting = self.standings.count(_ZERO)
        return waiting > 1 or (waiting == 1 and not self.waits(agency))

    def waiting(self) -> tuple[Delivery, ...]:
        """Those that wait, by agency."""
        every = (self.delivery(agency) for agency in self.agencies if self.waits(agency))
        return tuple(delivery for delivery in every if delivery is not None)


def circle_key(db: apsw.Connection, agencies: tuple[str, ...]) -> int:
    """The key of that set of recipients, which is given one if it is new."""
    text = " ".join(agencies)
    db.execute("INSERT OR IGNORE INTO circle (agencies) VALUES (?)", (text,))
    key: int = next(iter(db.execute("SELECT key FROM circle WHERE agencies = ?", (text,))))[0]
    return key


def read_waiting(data: bytes) -> dict[str, int]:
    """A row of `waiting`: for each agency the bits of the indexes in that stretch."""
    found = msgpack.unpackb(data)
    return {agency: int.from_bytes(bits, "little") for agency, bits in found.items()}


def write_waiting(agencies: dict[str, int]) -> bytes:
    """See `read_waiting`; empty when nobody waits."""
    some = {
        agency: agencies[agency].to_bytes(STRETCH // 8, "little") for agency in sorted(agencies) if agencies[agency]
    }
    packed: bytes = msgpack.packb(some) if some else b""
    return packed


def indexes_of(bits: int, stretch: int) -> list[int]:
    """The log indexes that the bits of one agency stand for, in order."""
    first = stretch * STRETCH
    return [first + n for n in range(bits.bit_length()) if bits >> n & 1]
