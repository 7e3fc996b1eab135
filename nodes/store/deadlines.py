"""Recipients that have not stored a flash alert in its time, as this node sees it.

`overdue` of a delivery is when that was noticed (ms). It stands as long as nothing was heard of the recipient and the
alert has not expired, was not recalled, and may still arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import apsw

from nodes.store.rows import number
from schemas import ids


@dataclass(frozen=True, slots=True)
class Overdue:
    """One recipient of one flash alert; the id is text."""

    alert: str
    agency: str


class Deadlines:
    """Finds and notes them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def any(self, *, now: int, before: int) -> bool:
        """Whether something expired by `now`, or became overdue that was handed over at `before` or earlier (ms)."""
        return bool(number(self._db, _EXPIRED, (now, now)) or self._rows(_OPEN + _LATE, (before,)))

    def begin(self, *, now: int, before: int) -> list[Overdue]:
        """Note at `now` those that became overdue, which were handed over at `before` or earlier, and give them."""
        found = self._rows(_OPEN + _LATE, (before,))
        self._db.execute(
            "UPDATE delivery SET overdue = ? WHERE overdue IS NULL AND state IN ('waiting', 'accepted', 'escalated') "
            "AND number IN (SELECT number FROM alert WHERE direction = 'out' AND precedence = 'flash' "
            "AND state IN ('waiting', 'accepted') AND recalled_by IS NULL AND received <= ?)",
            (now, before),
        )
        return found

    def standing(self) -> list[Overdue]:
        """All that are overdue now, the alert handed over first at the head."""
        return self._rows(_OPEN + _STANDING, ())

    def _rows(self, sql: str, values: tuple[apsw.SQLiteValue, ...]) -> list[Overdue]:
        return [
            Overdue(ids.format_id(cast(bytes, alert)), str(agency)) for alert, agency in self._db.execute(sql, values)
        ]


_OPEN = (
    "SELECT alert.id, delivery.agency FROM delivery JOIN alert USING (number) "
    "WHERE delivery.state IN ('waiting', 'accepted', 'escalated') AND alert.direction = 'out' "
    "AND alert.precedence = 'flash' AND alert.state IN ('waiting', 'accepted') AND alert.recalled_by IS NULL "
)
_LATE = "AND delivery.overdue IS NULL AND alert.received <= ? ORDER BY alert.number, delivery.agency"
_STANDING = "AND delivery.overdue IS NOT NULL ORDER BY alert.number, delivery.agency"
_EXPIRED = (
    "SELECT (SELECT count(*) FROM delivery JOIN alert USING (number) "
    "WHERE delivery.state IN ('waiting', 'accepted', 'escalated') AND delivery.state != 'waiting' AND expires <= ?) "
    "+ (SELECT count(*) FROM alert JOIN outgoing USING (number) WHERE body IS NULL AND expires <= ?)"
)
