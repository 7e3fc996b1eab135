"""Looks after the agency's keys while the node runs: says in time what ends, and has a new certificate taken up.

It looks at every change of the directory, whenever it is told to, and every hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import structlog

from nodes.keys.certificate import expires
from nodes.keys.expiry import ALARMS, alarms, endings
from nodes.keys.renewal import RenewingLink
from nodes.ports import Clock
from nodes.standing import Standing
from nodes.store.store import Store
from nodes.waiting import until_first
from schemas.errors import NotReady, StorageFull

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from schemas.directory.state import Directory

INTERVAL: Final = 3_600.0
"""Seconds between two looks when nothing happens."""
REFUSED: Final = "certificate-refused"
"""The alarm that stands while the hub does not take the new certificate."""

log = structlog.get_logger(__name__)


class KeyWatch:
    """Watches one agency's keys. `reconnect` ends the session, so that the next one takes up the new certificate."""

    def __init__(
        self,
        store: Store,
        standing: Standing,
        clock: Clock,
        *,
        renewal: RenewingLink | None,
        reconnect: Callable[[], None],
    ) -> None:
        self._store = store
        self._standing = standing
        self._clock = clock
        self._renewal = renewal
        self._reconnect = reconnect
        self._poked = asyncio.Event()
        if renewal is not None:
            renewal.told = self.poke

    def poke(self) -> None:
        """Look again now."""
        self._poked.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._poked.clear()
            seen = self._store.revision("directory")
            try:
                await self._look()
            except StorageFull as full:  # the node stays up and shows what it has
                log.warning("keys not looked at", code=full.code, message=full.message)
            await until_first(self._store.wait("directory", seen), self._poked.wait(), asyncio.sleep(INTERVAL))

    async def _look(self) -> None:
        now, renewal = self._clock(), self._renewal
        if renewal is not None and renewal.problem is None and renewal.due:
            self._reconnect()
        certificate = None if renewal is None else expires(renewal.files.certificate)
        standing = dict(alarms(endings(self._directory(), self._standing.agency, certificate, now), now))
        if renewal is not None and renewal.problem is not None:
            standing[REFUSED] = (
                f"the hub does not take the new certificate: {renewal.problem.message}",
                "Compare it with what the hub's authority issued, then: bearing keys tls --cert FILE.",
            )
        raised = await self._store.write(lambda tables: _settle(tables, standing, now))
        for code in raised:
            log.warning("key or certificate", code=code, message=standing[code][0])

    def _directory(self) -> Directory | None:
        try:
            return self._standing.directory
        except NotReady:
            return None


def _settle(tables: Tables, standing: Mapping[str, tuple[str, str]], now: int) -> list[str]:
    """Raise what stands and clear what does not; the codes that are new or say something else than before."""
    changed = []
    for code in sorted({*ALARMS, REFUSED}):
        held = tables.alarms.get(code)
        if code not in standing:
            tables.alarms.clear(code, now=now)
            continue
        message, hint = standing[code]
        if held is None or held.message != message:
            tables.alarms.raise_(code, message, hint, now=now)
            changed.append(code)
    return changed
