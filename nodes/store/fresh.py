"""What the outbox has at hand of what waits in it: how much that is, and alerts that were taken in just now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from schemas.alert.document import Alert

FRESH: Final = 1_048_576
"""Bytes of documents at hand, as the store has them; as objects some five times as many."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An alert on its way to the log. `header`, `signature` and `body` are set once sealed, under version `directory`.

    `attempts` counts refusals of what was sealed; `delays` how often it was put off for no fault of its own;
    `not_before` (ms) is when to try next. `carried` is the word, once given, that these bytes went on removable media.
    """

    number: int
    id: bytes
    rank: int
    expires: int | None
    header: bytes | None = None
    signature: bytes | None = None
    body: bytes | None = None
    directory: int | None = None
    attempts: int = 0
    delays: int = 0
    not_before: int = 0
    carried: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """An alert that was taken in and never sealed: as it waits, what it says, and its document."""

    waits: Outgoing
    alert: Alert
    document: bytes


class FreshAlerts:
    """The last of those, up to `FRESH` bytes: under load an alert is sealed some hundred others later."""

    def __init__(self) -> None:
        self._alerts: dict[int, Fresh] = {}
        self._size = 0

    def add(self, number: int, fresh: Fresh) -> None:
        """Have one at hand, unless it is too large beside others; the oldest make room."""
        if len(fresh.document) > FRESH // 16:
            return
        self._alerts[number] = fresh
        self._size += len(fresh.document)
        while self._size > FRESH:
            self.pop(next(iter(self._alerts)))

    def get(self, number: int) -> Fresh | None:
        """One of them, by its local number."""
        return self._alerts.get(number)

    def pop(self, number: int) -> Fresh | None:
        """The same; it is at hand no longer."""
        fresh = self._alerts.pop(number, None)
        self._size -= 0 if fresh is None else len(fresh.document)
        return fresh

    def clear(self) -> None:
        """Have none at hand."""
        self._alerts.clear()
        self._size = 0


@dataclass(slots=True)
class Load:
    """How many alerts wait in the outbox, and the bytes of these with their attachments."""

    alerts: int
    bytes: int

    def change(self, alerts: int, size: int) -> None:
        """So many more, or fewer."""
        self.alerts += alerts
        self.bytes += size
