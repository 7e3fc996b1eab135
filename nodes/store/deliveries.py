"""The recipients of the alerts that this agency sent, and what became of each: one row an alert.

Receipts come for many alerts at once and by many recipients, so an alert's recipients are read and written together.
A row holds the agencies, sorted; for each of them a letter (`LETTERS`) and a time (ms, six bytes); and as JSON what few
of them have: `code`, `officer`, `escalated`, `outcome`, `contact`, `overdue`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

import apsw

LETTERS: Final = {
    "waiting": "w",
    "accepted": "a",
    "escalated": "e",
    "expired": "x",
    "recalled": "c",
    "refused": "f",
    "stored": "s",
    "read": "r",
    "actioned": "d",
    "withdrawn": "t",
}
"""A recipient's state, as the table has it."""

_STATES = {letter: state for state, letter in LETTERS.items()}
_TIME = 6  # bytes
_SELECT = "SELECT agencies, states, times, more FROM delivery WHERE number = ?"

More = dict[str, Mapping[str, str | int | None]]
"""By agency, what only some have."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One recipient of a sent alert: `waiting`, `accepted`, `escalated`, `stored`, `read`, `actioned`, `refused`,
    `expired`, `recalled` or `withdrawn`.

    `escalated` is when the hub says that it was not stored in time (ms), whatever came of it since, `outcome` how far
    it came in calling the recipient's desk, and `contact` who took that call.
    """

    agency: str
    state: str
    time: int
    code: str | None
    officer: str | None
    escalated: int | None = None
    outcome: str | None = None
    contact: str | None = None


class Recipients:
    """Those of one alert; changes count once they are `Deliveries.put`."""

    __slots__ = ("agencies", "more", "number", "states", "times")

    def __init__(self, number: int, agencies: Sequence[str], states: str, times: bytes, more: More) -> None:
        self.number = number
        self.agencies = agencies
        self.states = states
        self.times = bytearray(times)
        self.more = more

    @classmethod
    def new(cls, number: int, agencies: Iterable[str], *, now: int) -> Recipients:
        """All of them `waiting` since `now`."""
        names = sorted(set(agencies))
        return cls(number, names, LETTERS["waiting"] * len(names), _time(now) * len(names), {})

    @classmethod
    def of_row(cls, number: int, row: Sequence[apsw.SQLiteValue]) -> Recipients:
        """What a row of the table says, its columns being `agencies, states, times, more`."""
        agencies, states, times, more = cast(tuple[str, str, bytes, str | None], tuple(row))
        names = agencies.split(",") if agencies else []
        return cls(number, names, states, times, {} if more is None else json.loads(more))

    def place(self, agency: str) -> int | None:
        """Where that agency stands, if it is a recipient."""
        try:
            return self.agencies.index(agency)
        except ValueError:
            return None

    def state(self, place: int) -> str:
        """The state of the recipient at that place."""
        return _STATES[self.states[place]]

    def set(self, place: int, state: str, time: int) -> None:
        """Give the recipient at that place a state, since `time`."""
        self.states = self.states[:place] + LETTERS[state] + self.states[place + 1 :]
        self.times[place * _TIME : (place + 1) * _TIME] = _time(time)

    def note(self, place: int, **values: str | int | None) -> None:
        """Set some of what only some have."""
        agency = self.agencies[place]
        both = {**self.more.get(agency, {}), **values}
        noted = {name: value for name, value in both.items() if value is not None}
        if noted:
            self.more[agency] = noted
        else:
            self.more.pop(agency, None)

    def noted(self, place: int, name: str) -> str | int | None:
        """One of what only some have."""
        return self.more.get(self.agencies[place], {}).get(name)

    def move(self, come_from: Sequence[str], to: str, time: int, *, code: str | None = None) -> list[str]:
        """Give all that are in one of those states another; their agencies."""
        letters = {LETTERS[state] for state in come_from}
        if not code and len(letters) == 1 and self.states == (letter := next(iter(letters))) * len(self.states):
            self.states = self.states.replace(letter, LETTERS[to])
            self.times = bytearray(_time(time) * len(self.agencies))
            return list(self.agencies)
        moved = [place for place, letter in enumerate(self.states) if letter in letters]
        for place in moved:
            self.set(place, to, time)
            if code:
                self.note(place, code=code)
        return [self.agencies[place] for place in moved]

    def become(self, agencies: Iterable[str], *, now: int) -> None:
        """Be exactly these: who stays is as before, who is new waits."""
        before, self.agencies = self.agencies, sorted(set(agencies))
        times, states = bytes(self.times), self.states
        places = {agency: place for place, agency in enumerate(before)}
        kept = [places.get(agency) for agency in self.agencies]
        self.states = "".join(LETTERS["waiting"] if place is None else states[place] for place in kept)
        self.times = bytearray(b"".join(_time(now) if p is None else times[p * _TIME : (p + 1) * _TIME] for p in kept))
        self.more = {agency: noted for agency, noted in self.more.items() if agency in self.agencies}

    def deliveries(self) -> list[Delivery]:
        """Each recipient's state, by agency."""
        return [self._delivery(place, agency) for place, agency in enumerate(self.agencies)]

    def _delivery(self, place: int, agency: str) -> Delivery:
        time = int.from_bytes(self.times[place * _TIME : (place + 1) * _TIME], "big")
        noted = {name: value for name, value in self.more.get(agency, {}).items() if name != "overdue"}
        fields = {"code": None, "officer": None, **noted}
        return Delivery(agency, self.state(place), time, **fields)  # type: ignore[arg-type]  # the types are those it was written with

    def counts(self) -> dict[str, int]:
        """How many recipients are in which state."""
        return dict(sorted((_STATES[letter], count) for letter, count in Counter(self.states).items()))

    def row(self) -> tuple[str, str, bytes, str | None]:
        """The columns `agencies, states, times, more`."""
        more = json.dumps(self.more, ensure_ascii=False, separators=(",", ":")) if self.more else None
        return ",".join(self.agencies), self.states, bytes(self.times), more


class Deliveries:
    """Reads and writes them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._held: dict[int, Recipients] | None = None
        self._changed: dict[int, Recipients] = {}

    @contextmanager
    def together(self) -> Iterator[None]:
        """While this lasts an alert's row is read once, and what changed is written at its end."""
        self._held, self._changed = {}, {}
        try:
            yield
            self._write(self._changed.values())
        finally:
            self._held, self._changed = None, {}

    def begin(self, number: int, agencies: Iterable[str], *, now: int) -> None:
        """The alert goes to these, of whom nothing was heard yet, and to no others."""
        self.put(Recipients.new(number, agencies, now=now))

    def set_deadline(self, number: int, *, flash: bool, expires: int | None) -> None:
        """Whether they are to store it within the time of a flash, and when it expires (ms), as the alert says."""
        self._db.execute("UPDATE delivery SET flash = ?, expires = ? WHERE number = ?", (int(flash), expires, number))

    def set_expiry(self, number: int, expires: int) -> None:
        """When the alert expires (ms), since it was sealed."""
        self._db.execute("UPDATE delivery SET expires = ? WHERE number = ?", (expires, number))

    def get(self, number: int) -> Recipients:
        """An alert's recipients; none if it was not sent from here."""
        if self._held is not None and (held := self._held.get(number)) is not None:
            return held
        row = self._db.execute(_SELECT, (number,)).fetchone()
        return self.hold(Recipients(number, [], "", b"", {}) if row is None else Recipients.of_row(number, row))

    def hold(self, recipients: Recipients) -> Recipients:
        """Have them at hand while several things are done together; those that are at hand already stand."""
        return recipients if self._held is None else self._held.setdefault(recipients.number, recipients)

    def put(self, recipients: Recipients) -> None:
        """Keep what changed of them."""
        if self._held is None:
            self._write([recipients])
        else:
            self._changed[recipients.number] = self._held[recipients.number] = recipients

    def move(self, number: int, come_from: Sequence[str], to: str, time: int, *, code: str | None = None) -> list[str]:
        """`Recipients.move` for one alert, and keep it."""
        recipients = self.get(number)
        moved = recipients.move(come_from, to, time, code=code)
        if moved:
            self.put(recipients)
        return moved

    def _write(self, changed: Iterable[Recipients]) -> None:
        self._db.executemany(
            "INSERT INTO delivery (number, agencies, states, times, more) VALUES (?, ?, ?, ?, ?) ON CONFLICT (number) "
            "DO UPDATE SET agencies = excluded.agencies, states = excluded.states, times = excluded.times, "
            "more = excluded.more",
            [(recipients.number, *recipients.row()) for recipients in changed],
        )


def _time(ms: int) -> bytes:
    return ms.to_bytes(_TIME, "big")
