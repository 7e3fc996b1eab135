"""The recipients of one sent alert, and what became of each: a letter and a time for each of them.

What only few have, such as a refusal's code, stands beside these. Alerts mostly go to the same recipients as others, so
the list of them is shared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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

_CODES = {state: ord(letter) for state, letter in LETTERS.items()}
_STATES = {code: state for state, code in _CODES.items()}
_TIME = 6  # bytes

More = dict[str, Mapping[str, str | int | None]]
"""By agency, what only some have."""


@dataclass(frozen=True, slots=True)
class Circle:
    """The agencies that an alert goes to, sorted; as the table has them, and the place of each."""

    agencies: tuple[str, ...]
    text: str
    places: Mapping[str, int]


@lru_cache(maxsize=256)
def _circle(text: str) -> Circle:
    agencies = tuple(text.split(",")) if text else ()
    return Circle(agencies, text, {agency: place for place, agency in enumerate(agencies)})


def circle_of(agencies: Iterable[str]) -> Circle:
    """Those agencies, each once."""
    return _circle(",".join(sorted(set(agencies))))


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

    __slots__ = ("circle", "codes", "more", "number", "times")

    def __init__(self, number: int, circle: Circle, states: bytes, times: bytes, more: More) -> None:
        self.number = number
        self.circle = circle
        self.codes = bytearray(states)  # the letter of each
        self.times = bytearray(times)
        self.more = more

    @classmethod
    def new(cls, number: int, agencies: Iterable[str], *, now: int) -> Recipients:
        """All of them `waiting` since `now`."""
        circle = circle_of(agencies)
        size = len(circle.agencies)
        return cls(number, circle, LETTERS["waiting"].encode() * size, time_bytes(now) * size, {})

    @classmethod
    def of_row(cls, number: int, row: Sequence[apsw.SQLiteValue]) -> Recipients:
        """What a row of the table says, its columns being `agencies, states, times, more`."""
        agencies, states, times, more = cast(tuple[str, str, bytes, str | None], tuple(row))
        return cls(number, _circle(agencies), states.encode(), times, {} if more is None else json.loads(more))

    @property
    def agencies(self) -> tuple[str, ...]:
        """Who they are, sorted."""
        return self.circle.agencies

    def place(self, agency: str) -> int | None:
        """Where that agency stands, if it is a recipient."""
        return self.circle.places.get(agency)

    def state(self, place: int) -> str:
        """The state of the recipient at that place."""
        return _STATES[self.codes[place]]

    def all_are(self, state: str) -> bool:
        """Whether every one of them is in that state."""
        return self.codes.count(_CODES[state]) == len(self.codes)

    def set(self, place: int, state: str, time: int) -> None:
        """Give the recipient at that place a state, since `time`."""
        self.write(place, _CODES[state], time_bytes(time))

    def write(self, place: int, code: int, time: bytes) -> None:
        """`set`, in the form of the table: the state's letter (ASCII) and the bytes of the time."""
        self.codes[place] = code
        self.times[place * _TIME : (place + 1) * _TIME] = time

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
        size = len(self.codes)
        if not code and len(come_from) == 1 and self.all_are(come_from[0]):
            self.codes = bytearray(LETTERS[to].encode() * size)
            self.times = bytearray(time_bytes(time) * size)
            return list(self.agencies)
        codes = {_CODES[state] for state in come_from}
        moved = [place for place, held in enumerate(self.codes) if held in codes]
        for place in moved:
            self.set(place, to, time)
            if code:
                self.note(place, code=code)
        return [self.agencies[place] for place in moved]

    def become(self, agencies: Iterable[str], *, now: int) -> None:
        """Be exactly these: who stays is as before, who is new waits."""
        before, self.circle = self.circle, circle_of(agencies)
        times, codes = bytes(self.times), bytes(self.codes)
        kept = [before.places.get(agency) for agency in self.agencies]
        new = _CODES["waiting"], time_bytes(now)
        self.codes = bytearray(new[0] if place is None else codes[place] for place in kept)
        self.times = bytearray(b"".join(new[1] if p is None else times[p * _TIME : (p + 1) * _TIME] for p in kept))
        self.more = {agency: noted for agency, noted in self.more.items() if agency in self.circle.places}

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
        return dict(sorted((_STATES[code], count) for code, count in Counter(self.codes).items()))

    def row(self) -> tuple[str, str, bytes, str | None]:
        """The columns `agencies, states, times, more`."""
        more = json.dumps(self.more, ensure_ascii=False, separators=(",", ":")) if self.more else None
        return self.circle.text, self.codes.decode(), bytes(self.times), more


def code_of(state: str) -> int:
    """The letter of a state (ASCII)."""
    return _CODES[state]


def time_bytes(ms: int) -> bytes:
    """A time, as the table has it."""
    return ms.to_bytes(_TIME, "big")
