"""Warns 30, 7 and 1 days before signatures of the directory expire, while their signers can still meet.

Nothing in force ends at that date, but no successor can be published under what has expired: an expired root must be
renewed before the document, and that before the keys of the agencies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from broker.exchange import Exchange
from schemas.directory.metadata import ROOT, TARGETS

log = structlog.get_logger()

DAY_MS: Final = 86_400_000
WARN_DAYS: Final = (30, 7, 1, 0)
"""How many days ahead; 0 is when it has expired."""
LOOK_SECONDS: Final = 3_600.0


def stage(expires: int, now: int) -> int | None:
    """The last of `WARN_DAYS` reached for something that expires then (ms); None while there is time."""
    reached = [days for days in WARN_DAYS if expires - now <= days * DAY_MS]
    return min(reached, default=None)


class ExpiryWatch:
    """Keeps the gauges, and logs each stage once for each version of a role."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._said: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Look every hour, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> Mapping[str, int]:
        """Look now; the roles warned of this time, with the whole days left."""
        exchange = self._exchange
        now, warned = exchange.clock(), {}
        dates = exchange.history.latest.expires()
        self._show(dates, now)
        for role, expires in dates.items():
            reached = stage(expires, now)
            if reached is None or self._said.get(role) == (expires, reached):
                continue
            self._said[role] = (expires, reached)
            warned[role] = (expires - now) // DAY_MS
            text = "directory expires" if reached else "directory has expired"
            (log.warning if reached else log.error)(text, role=role, days=warned[role], expires=expires)
        return warned

    def _show(self, dates: Mapping[str, int], now: int) -> None:
        """One gauge for the agencies together, the soonest: what is collected elsewhere names none of them."""
        gauge = self._exchange.metrics.directory_expiry
        for role in (ROOT, TARGETS):
            if role in dates:
                gauge.labels(role).set((dates[role] - now) / DAY_MS)
        agencies = [expires for role, expires in dates.items() if role not in (ROOT, TARGETS)]
        if agencies:
            gauge.labels("agencies").set((min(agencies) - now) / DAY_MS)
