"""What the audit must remember of every alert: in a temporary database, so that memory stays bounded for any log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

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
    signed: bool
    """The sender's signature was checked and is good."""
    purged: bool


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
                signed INTEGER NOT NULL,
                purged INTEGER NOT NULL DEFAULT 0
            );
            CREATE INDEX alerts_by_id ON alerts (id);
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(
        self, index: int, alert_id: bytes, sender: str, leaf: bytes, recipients: tuple[str, ...], *, signed: bool
    ) -> int | None:
        """Remember an alert. Returns the index of an earlier one with the same id."""
        earlier = self._database.execute("SELECT min(position) FROM alerts WHERE id = ?", (alert_id,)).fetchone()[0]
        states = " ".join([UNRECEIPTED] * len(recipients))
        self._database.execute(
            "INSERT INTO alerts (position, id, sender, leaf, recipients, states, signed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (index, alert_id, sender, leaf, " ".join(recipients), states, signed),
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

    def set_state(self, alert: Logged, agency: str, state: str) -> None:
        """Remember the state a recipient signed for."""
        states = [state if who == agency else had for who, had in zip(alert.recipients, alert.states, strict=True)]
        self._database.execute("UPDATE alerts SET states = ? WHERE position = ?", (" ".join(states), alert.index))

    def purge(self, alert: Logged) -> None:
        """Remember that the alert's body was deleted."""
        self._database.execute("UPDATE alerts SET purged = 1 WHERE position = ?", (alert.index,))

    def alerts(self) -> Iterator[Logged]:
        """Yield every alert in the order of the log."""
        for row in self._database.execute(f"{_SELECT} ORDER BY position"):
            yield _logged(row)


_SELECT = "SELECT position, id, sender, leaf, recipients, states, signed, purged FROM alerts"


def _logged(row: tuple[int, bytes, str, bytes, str, str, int, int]) -> Logged:
    index, alert_id, sender, leaf, recipients, states, signed, purged = row
    return Logged(
        index, alert_id, sender, leaf, tuple(recipients.split()), tuple(states.split()), bool(signed), bool(purged)
    )
