"""Recipients that have not stored a flash alert in its time, as this node sees it.

`overdue` of a delivery is when that was noticed (ms). It stands as long as nothing was heard of the recipient and the
alert has not expired, was not recalled, and may still arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import apsw

from nodes.store.deliveries import Deliveries
from nodes.store.recipients import Recipients
from nodes.store.rows import number
from schemas import ids


@dataclass(frozen=True, slots=True)
class Overdue:
    """One recipient of one flash alert; the id is text."""

    alert: str
    agency: str


class Deadlines:
    """Finds and notes them."""

    def __init__(self, connection: apsw.Connection, deliveries: Deliveries) -> None:
        self._db = connection
        self._deliveries = deliveries

    def any(self, *, now: int, before: int) -> bool:
        """Whether something expired by `now`, or became overdue that was handed over at `before` or earlier (ms)."""
        return bool(number(self._db, _EXPIRED, (now, now)) or self._late(before))

    def begin(self, *, now: int, before: int) -> list[Overdue]:
        """Note at `now` those that became overdue, which were handed over at `before` or earlier, and give them."""
        found = []
        for alert, recipients in self._late(before):
            for place in _silent(recipients, overdue=False):
                recipients.note(place, overdue=now)
                found.append(Overdue(ids.format_id(alert), recipients.agencies[place]))
            self._deliveries.put(recipients)
        return found

    def standing(self) -> list[Overdue]:
        """All that are overdue now, the alert handed over first at the head."""
        return [
            Overdue(ids.format_id(alert), recipients.agencies[place])
            for alert, recipients in self._open(_OWN, ())
            for place in _silent(recipients, overdue=True)
        ]

    def _late(self, before: int) -> list[tuple[bytes, Recipients]]:
        """Alerts handed over at `before` or earlier with recipients that are overdue and not noted as such."""
        found = self._open(_OWN + "AND received <= ? ", (before,))
        return [(alert, recipients) for alert, recipients in found if _silent(recipients, overdue=False)]

    def _open(self, where: str, values: tuple[apsw.SQLiteValue, ...]) -> list[tuple[bytes, Recipients]]:
        rows = self._db.execute(_SELECT + where + "ORDER BY number", values).fetchall()
        return [(cast(bytes, alert), Recipients.of_row(cast(int, place), row)) for alert, place, *row in rows]


def _silent(recipients: Recipients, *, overdue: bool) -> list[int]:
    """The places of those of whom nothing was heard, and that are, or are not, noted as overdue."""
    return [
        place
        for place in range(len(recipients.agencies))
        if recipients.state(place) in _SILENT and (recipients.noted(place, "overdue") is not None) is overdue
    ]


_SILENT = ("waiting", "accepted", "escalated")
_SELECT = (
    "SELECT id, number, agencies, states, times, more FROM delivery INDEXED BY delivery_flash "
    "CROSS JOIN alert USING (number) "  # in this order: left to itself it looks at all alerts ever sent
    "WHERE flash = 1 AND states GLOB '*[wae]*' "
)
_OWN = "AND direction = 'out' AND alert.state IN ('waiting', 'accepted') AND recalled_by IS NULL "
_EXPIRED = (
    "SELECT (SELECT count(*) FROM delivery INDEXED BY delivery_ends WHERE states GLOB '*[ae]*' AND expires <= ?) "
    "+ (SELECT count(*) FROM outgoing CROSS JOIN alert USING (number) WHERE body IS NULL AND expires <= ?)"
)
