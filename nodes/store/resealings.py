"""Which sent alerts were sealed for others than their officer was told, or more than once, as the directory changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from nodes.store.deliveries import Deliveries


@dataclass(frozen=True, slots=True)
class Resealing:
    """How an alert was sealed last: under the directory version `directory`, at `time` (ms).

    `added` and `dropped` are the recipients since the officer was told them.
    """

    directory: int
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    time: int


class Resealings:
    """Notes them and finds them again."""

    def __init__(self, connection: apsw.Connection, deliveries: Deliveries) -> None:
        self._db = connection
        self._deliveries = deliveries

    def note(self, number: int, *, told: Sequence[str], directory: int, now: int) -> None:
        """The alert is sealed again; `told` are the recipients it had so far, kept when it happens the first time."""
        self._db.execute(
            "INSERT INTO resealed (number, told, directory, time) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (number) DO UPDATE SET directory = excluded.directory, time = excluded.time",
            (number, ",".join(sorted(told)), directory, now),
        )

    def get(self, number: int) -> Resealing | None:
        """What became of an alert's recipients, if it was noted; its present ones are those of its deliveries."""
        row = self._db.execute("SELECT told, directory, time FROM resealed WHERE number = ?", (number,)).fetchone()
        if row is None:
            return None
        text, directory, time = row
        told = set(text.split(",")) if text else set()
        now = set(self._deliveries.get(number).agencies)
        return Resealing(directory, tuple(sorted(now - told)), tuple(sorted(told - now)), time)
