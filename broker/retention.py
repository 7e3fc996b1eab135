"""Deletes, in the background, what the hub need not and may not keep any longer.

One timer for all alerts. At each round the index by idle time gives the alerts that are due, and the directory in force
those that the governors ordered deleted; each becomes a piece of work like any other, so that the deletion and its
purge entry are one block, judged and durable together. What a block would take long to delete (attachments), and what
no entry speaks of (openers), is swept up afterwards, a bounded number at a time. A crash between any two steps leaves
what the next round does anyhow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from broker.draft import DeleteBody, Work
from broker.exchange import Exchange
from broker.lane import Turn
from schemas.errors import CrossbearingError
from schemas.ids import parse_id
from schemas.limits import UPLOAD_LIFE_MS

log = structlog.get_logger()

BODIES = 64
"""Deleted in one block at most: with bodies of a megabyte, about as much work as the largest block of alerts."""
PIECES = 32
"""Swept up at a time: 8 MB of attachments, during which no block is written."""


class Retention:
    """Keeps the hub's storage to what the governors allow."""

    def __init__(self, exchange: Exchange, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._exchange = exchange
        self._sleep = sleep

    async def run(self) -> None:
        """A round now and after every pause, until cancelled."""
        while True:
            try:
                while self._exchange.ready and await self.step():
                    pass
            except CrossbearingError as fault:
                log.error("nothing deleted", code=fault.code, reason=fault.message)
            except Exception:
                log.exception("nothing deleted")
            await self._sleep(self._exchange.settings.purge_seconds)

    async def step(self) -> int:
        """Delete some of what is due; returns how much was done, 0 when nothing is left to do.

        Raises the fault of a storage that fails.
        """
        exchange = self._exchange
        before = exchange.clock() - exchange.history.latest.require_document().limits.retention
        due = await exchange.read(partial(self._due, before), Turn.PIECES)
        purged = await self._purge(due)
        swept = await exchange.write(partial(exchange.engine.sweep, before, PIECES))
        unnamed = exchange.clock() - UPLOAD_LIFE_MS
        return purged + swept + await exchange.write(partial(exchange.engine.abandon, unnamed, PIECES))

    def _due(self, before: int) -> list[int]:
        """Indexes of alerts to delete: those ordered first, then those idle for longest."""
        engine = self._exchange.engine
        orders = self._exchange.history.latest.require_document().purges
        known = (engine.alert(parse_id(alert)) for alert in orders)
        ordered = [alert.index for alert in known if alert is not None and alert.idle_since is not None]
        return list(dict.fromkeys(ordered + engine.due(before, BODIES)))[:BODIES]

    async def _purge(self, due: list[int]) -> int:
        if not due:
            return 0
        answers = [self._exchange.submit(Work("", DeleteBody(index))) for index in due]
        await asyncio.wait(answers)
        verdicts = [answer.result() for answer in answers if not answer.cancelled()]
        for verdict in verdicts:
            if isinstance(verdict, CrossbearingError):
                raise verdict
        log.info("bodies deleted", alerts=len(verdicts))
        return len(verdicts)
