"""The recipients of the alerts that this agency sent, and what became of each: one row an alert.

Receipts come for many alerts at once and by many recipients, so an alert's recipients are read and written together.
A row holds the agencies, sorted; for each of them a letter and a time (ms, six bytes); and as JSON what few of them
have: `code`, `officer`, `escalated`, `outcome`, `contact`, `overdue`. With the alert's own: whether it is a
`flash`, and when it expires.

Those of the newest `HELD` alerts are in memory too: what is heard of an alert comes soon after it was sent, and in
many pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import apsw

from nodes.store.recipients import Recipients

HELD: Final = 1_024
"""Alerts whose recipients are in memory, some hundred bytes each: ten seconds of as many as a node can send."""

_SELECT = "SELECT agencies, states, times, more FROM delivery WHERE number = ?"
_INSERT = "INSERT INTO delivery (number, agencies, states, times, flash, expires) VALUES (?, ?, ?, ?, ?, ?)"
_UPDATE = (
    "UPDATE delivery SET agencies = ?, states = ?, times = ?, more = ?, "
    "expires = (SELECT expires FROM alert WHERE alert.number = delivery.number) WHERE number = ?"
)


class Deliveries:
    """Reads and writes them. What is in memory is what the table says, or will when what is done together ends."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._held: dict[int, Recipients] = {}
        self._together = False
        self._changed: dict[int, Recipients] = {}

    def forget(self) -> None:
        """Believe the table alone: some of what is in memory was rolled back."""
        self._held.clear()

    @contextmanager
    def together(self) -> Iterator[None]:
        """While this lasts, what changes is gathered; it is written at its end, each alert's row once."""
        self._together, self._changed = True, {}
        try:
            yield
            self._write(self._changed.values())
        except BaseException:
            self.forget()
            raise
        finally:
            self._together, self._changed = False, {}
            self._trim()

    def begin(self, number: int, agencies: Iterable[str], *, flash: bool, expires: int | None, now: int) -> None:
        """A new alert goes to these, of whom nothing was heard yet; they are to store a `flash` within its time.

        It `expires` (ms) then, or when it is sealed for then.
        """
        recipients = Recipients.new(number, agencies, now=now)
        names, states, times, _ = recipients.row()
        self._db.execute(_INSERT, (number, names, states, times, int(flash), expires))
        self._hold(recipients)

    def get(self, number: int) -> Recipients:
        """An alert's recipients; none if it was not sent from here."""
        held = self._held.get(number)
        return self._hold(read_recipients(self._db, number)) if held is None else held

    def put(self, recipients: Recipients) -> None:
        """Keep what changed of them, and when the alert expires, as it says now."""
        self._hold(recipients)
        if self._together:
            self._changed[recipients.number] = recipients
        else:
            self._write([recipients])

    def move(self, number: int, come_from: Sequence[str], to: str, time: int, *, code: str | None = None) -> list[str]:
        """`Recipients.move` for one alert, and keep it."""
        recipients = self.get(number)
        moved = recipients.move(come_from, to, time, code=code)
        if moved:
            self.put(recipients)
        return moved

    def _hold(self, recipients: Recipients) -> Recipients:
        self._held[recipients.number] = recipients
        if not self._together:  # until then what changed is nowhere else
            self._trim()
        return recipients

    def _trim(self) -> None:
        while len(self._held) > HELD:
            del self._held[next(iter(self._held))]

    def _write(self, changed: Iterable[Recipients]) -> None:
        self._db.executemany(_UPDATE, [(*recipients.row(), recipients.number) for recipients in changed])


def read_recipients(db: apsw.Connection, number: int) -> Recipients:
    """An alert's recipients, as the table has them; none if it was not sent from here."""
    row = db.execute(_SELECT, (number,)).fetchone()
    return Recipients.new(number, (), now=0) if row is None else Recipients.of_row(number, row)
