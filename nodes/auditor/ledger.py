"""What the audit must remember of every alert: in a temporary database, so that memory stays bounded for any log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from nodes.auditor.survey import AlertFacts

UNRECEIPTED = "-"
"""The mark of a recipient that gave no receipt yet."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One alert as the log holds it, with the furthest state each recipient has signed for."""

    index: int
    alert_id: bytes
    sender: str
    leaf: bytes
    recipients: tuple[str, ...]
    states: tuple[str, ...]
    answered: tuple[int | None, ...]
    """When each recipient's first receipt was entered (ms); None while there is none."""
    signed: bool
    """The sender's signature was checked and is good."""
    purged: bool
    entered: int
    """ms, as `expires` and `recalled`"""
    expires: int
    recalled: int | None
    """When its sender took it back."""
    operation: str | None
    precedence: str
    due: int | None
    """From when on it is escalated for a recipient that gave no receipt (ms); None: never, or not known."""
    escalated: tuple[int | None, ...]
    """When the log first says of each recipient that it was (ms)."""
    outcomes: tuple[str, ...]
    """And how far that came: an outcome, or `UNRECEIPTED`."""


class Ledger:
    """Alerts by index and by id. The database is private, unnamed, and gone when this is closed; use `with`."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # SQLite: an empty name is a temporary file
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE alerts (
                position INTEGER PRIMARY KEY,
                id BLOB NOT NULL,
                sender TEXT NOT NULL,
                leaf BLOB NOT NULL,
                recipients TEXT NOT NULL,
                states TEXT NOT NULL,
                answered TEXT NOT NULL,
                signed INTEGER NOT NULL,
                purged INTEGER NOT NULL DEFAULT 0,
                entered INTEGER NOT NULL,
                expires INTEGER NOT NULL,
                recalled INTEGER,
                operation TEXT,
                precedence TEXT NOT NULL,
                due INTEGER,
                escalated TEXT NOT NULL,
                outcomes TEXT NOT NULL
            );
            CREATE INDEX alerts_by_id ON alerts (id);
            BEGIN;
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, index: int, alert: AlertFacts, entered: int, due: int | None = None) -> int | None:
        """Remember an alert that was entered at a time (ms), and from when on it is escalated.

        Returns the index of an earlier one with the same id.
        """
        earlier = self._database.execute("SELECT min(position) FROM alerts WHERE id = ?", (alert.id,)).fetchone()[0]
        nothing = " ".join([UNRECEIPTED] * len(alert.recipients))
        self._database.execute(
            "INSERT INTO alerts (position, id, sender, leaf, recipients, states, answered, signed, entered, expires,"
            " operation, precedence, due, escalated, outcomes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                index,
                alert.id,
                alert.sender,
                alert.leaf,
                " ".join(alert.recipients),
                nothing,
                nothing,
                alert.signed,
                entered,
                alert.expires,
                alert.operation,
                alert.precedence,
                due,
                nothing,
                nothing,
            ),
        )
        return None if earlier is None else int(earlier)

    def alert(self, index: int) -> Logged | None:
        """Return the alert entered at `index`; None if there is none."""
        row = self._database.execute(f"{_SELECT} WHERE position = ?", (index,)).fetchone()
        return None if row is None else _logged(row)

    def find(self, alert_id: bytes) -> Logged | None:
        """Return the first alert with this id; None if there is none."""
        row = self._database.execute(f"{_SELECT} WHERE id = ? ORDER BY position LIMIT 1", (alert_id,)).fetchone()
        return None if row is None else _logged(row)

    def set_state(self, alert: Logged, agency: str, state: str, time: int) -> None:
        """Remember the state a recipient signed for, in a receipt entered at `time` (ms)."""
        place = alert.recipients.index(agency)
        states, answered = list(alert.states), list(alert.answered)
        states[place] = state
        if answered[place] is None:
            answered[place] = time
        self._database.execute(
            "UPDATE alerts SET states = ?, answered = ? WHERE position = ?",
            (" ".join(states), _times(answered), alert.index),
        )

    def escalate(self, alert: Logged, agency: str, outcome: str, time: int) -> None:
        """Remember what became of calling a recipient's desk, as an entry of `time` (ms) says."""
        place = alert.recipients.index(agency)
        escalated, outcomes = list(alert.escalated), list(alert.outcomes)
        outcomes[place] = outcome
        if escalated[place] is None:
            escalated[place] = time
        self._database.execute(
            "UPDATE alerts SET escalated = ?, outcomes = ? WHERE position = ?",
            (_times(escalated), " ".join(outcomes), alert.index),
        )

    def recall(self, alert_id: bytes, sender: str, time: int) -> None:
        """Remember that `sender` took back its alert with this id, at `time` (ms)."""
        self._database.execute(
            "UPDATE alerts SET recalled = ? WHERE id = ? AND sender = ? AND recalled IS NULL", (time, alert_id, sender)
        )

    def purge(self, alert: Logged) -> None:
        """Remember that the alert's body was deleted."""
        self._database.execute("UPDATE alerts SET purged = 1 WHERE position = ?", (alert.index,))

    def alerts(self) -> Iterator[Logged]:
        """Yield every alert in the order of the log."""
        for row in self._database.execute(f"{_SELECT} ORDER BY position"):
            yield _logged(row)


_SELECT = (
    "SELECT position, id, sender, leaf, recipients, states, answered, signed, purged, entered, expires, recalled,"
    " operation, precedence, due, escalated, outcomes FROM alerts"
)


Row: TypeAlias = tuple[
    int, bytes, str, bytes, str, str, str, int, int, int, int, int | None, str | None, str, int | None, str, str
]


def _logged(row: Row) -> Logged:
    index, alert_id, sender, leaf, recipients, states, answered, signed, purged = row[:9]
    entered, expires, recalled, operation, precedence, due, escalated, outcomes = row[9:]
    return Logged(
        index,
        alert_id,
        sender,
        leaf,
        tuple(recipients.split()),
        tuple(states.split()),
        _moments(answered),
        bool(signed),
        bool(purged),
        entered,
        expires,
        recalled,
        operation,
        precedence,
        due,
        _moments(escalated),
        tuple(outcomes.split()),
    )


def _times(moments: list[int | None]) -> str:
    return " ".join(UNRECEIPTED if moment is None else str(moment) for moment in moments)


def _moments(text: str) -> tuple[int | None, ...]:
    return tuple(None if word == UNRECEIPTED else int(word) for word in text.split())
