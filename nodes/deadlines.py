"""Watches the time of what this agency sent: what expired, and flash alerts that a recipient does not store.

The hub calls the recipient's desk by the same clock. This node does not rely on that: the hub may be silent or away,
and then its officers must reach for the telephone. An alert counts from when it was handed over here, so one that
cannot leave is noticed like one that does not arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from nodes.ports import Clock, Sleep
from nodes.standing import Standing
from nodes.store.deadlines import Overdue
from nodes.store.store import Store
from schemas.codec import Value
from schemas.directory.documents import Agency
from schemas.errors import StorageFull
from schemas.limits import FLASH_SECONDS

if TYPE_CHECKING:
    from nodes.store.database import Tables

INTERVAL: Final = 1.0
"""Seconds between two looks. The wall clock is looked at, so one that jumps is caught up with."""
GRACE_MS: Final = 5_000
"""For a receipt to come back from a recipient that stored it in its last second."""
ALARM: Final = "flash-overdue"
NAMED: Final = 5
"""Recipients that the alarm names with their telephone lines; `bearing sent ID` shows the others."""

log = structlog.get_logger(__name__)


class DeadlineWatch:
    """Looks every second, until cancelled."""

    def __init__(self, store: Store, standing: Standing, clock: Clock, *, sleep: Sleep = asyncio.sleep) -> None:
        self._store = store
        self._standing = standing
        self._clock = clock
        self._sleep = sleep
        self._said: list[Overdue] | None = None
        """What the alarm names; None: not looked yet."""

    async def run(self) -> None:
        """Raises what the store raises, but for a full disk, which is waited out."""
        while True:
            try:
                await self.look()
            except StorageFull as full:
                log.warning("deadlines wait", code=full.code, message=full.message)
            await self._sleep(INTERVAL)

    async def look(self) -> None:
        """Note what is due now, and nothing else: a look that finds nothing writes nothing."""
        now = self._clock()
        before = now - self._allowed() - GRACE_MS
        due, standing = await self._store.read(
            lambda tables: (tables.deadlines.any(now=now, before=before), tables.deadlines.standing())
        )
        if due or standing != self._said:
            self._said = await self._store.write(lambda tables: self._note(tables, now, before))

    def _allowed(self) -> int:
        """How long a recipient may leave a flash alert unstored (ms)."""
        document = self._standing.history.latest.document if len(self._standing.history) else None
        return (document.limits.flash_seconds if document is not None else FLASH_SECONDS) * 1_000

    def _agencies(self) -> Mapping[str, Agency]:
        document = self._standing.history.latest.document if len(self._standing.history) else None
        return document.agencies if document is not None else {}

    def _note(self, tables: Tables, now: int, before: int) -> list[Overdue]:
        tables.outbox.expire(now=now)
        tables.sent.expire(now=now)
        agencies = self._agencies()
        for overdue in tables.deadlines.begin(now=now, before=before):
            telephone = _telephone(agencies, overdue.agency)
            data: dict[str, Value] = {"alert": overdue.alert, "agency": overdue.agency, "telephone": telephone}
            tables.events.add("overdue", data, now=now)
            log.warning("flash alert not stored", alert=overdue.alert, agency=overdue.agency)
        standing = tables.deadlines.standing()
        if standing:
            message, hint = alarm_words(standing, agencies)
            tables.alarms.raise_(ALARM, message, hint, now=now)
        else:
            tables.alarms.clear(ALARM, now=now)
        return standing


def alarm_words(standing: Sequence[Overdue], agencies: Mapping[str, Agency]) -> tuple[str, str]:
    """What the alarm says, and what to do."""
    by_alert: dict[str, list[str]] = {}
    for overdue in standing:
        by_alert.setdefault(overdue.alert, []).append(overdue.agency)
    waits = [f"flash alert {alert[-8:]} is not stored by {', '.join(names)}" for alert, names in by_alert.items()]
    more = f"; and {len(waits) - NAMED} more" if len(waits) > NAMED else ""
    named = list(dict.fromkeys(overdue.agency for overdue in standing))
    lines = [f"{name}: {_telephone(agencies, name) or 'no line is in the directory'}" for name in named[:NAMED]]
    return "; ".join(waits[:NAMED]) + more, "telephone them. " + "; ".join(lines)


def _telephone(agencies: Mapping[str, Agency], agency: str) -> str | None:
    known = agencies.get(agency)
    return known.contact if known is not None else None
