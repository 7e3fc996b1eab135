"""Calls an agency's duty desk when its node has not stored an urgent alert in time, and logs that for the sender.

What is due, and how far each call came, is in the log and nowhere else: a hub that was killed goes on where the log
stands. `due` is logged before anybody is called, so the sender hears of it whatever becomes of the call. A desk may be
called twice with the same words (a crash between the call and its entry), never without an entry. All that waits for
one agency goes into one call. One that fails is made again, with growing pauses, until the alerts are stored, recalled
or expired; that nobody was reached is logged after the first attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from broker.draft import Work
from broker.escalating import Escalate
from broker.escalation_call import Call, make_call
from broker.exchange import Exchange
from broker.state import Delivery, Escalated
from schemas.directory.contacts import Contact
from schemas.errors import CrossbearingError, Unreachable
from schemas.limits import MAX_ALERTS_IN_CALL, MAX_DESK_CALLS, MAX_NEW_ESCALATIONS
from schemas.log.entry import Outcome

log = structlog.get_logger()

CallDesk = Callable[[Contact, bytes, str], Awaitable[None]]
"""Calls a contact with a body and an idempotency key. Raises `Unreachable`."""

INTERVAL: Final = 1.0
"""Seconds between two looks: what escalation may come late by."""
FIRST: Final = 5.0
LONGEST: Final = 300.0
"""Seconds between two calls to a desk that cannot be reached, doubling."""
BETWEEN: Final = 30.0
"""Seconds from a call that was taken to the next to the same desk: what becomes due meanwhile goes into one, so that a
flood of alerts is not a flood of pages."""


@dataclass(slots=True)
class _Desk:
    """What is known of one agency's desk. `next` is when it may be called (loop time)."""

    next: float = 0.0
    failures: int = 0
    task: asyncio.Task[None] | None = None


class Escalation:
    """Watches and calls while it runs."""

    def __init__(
        self,
        exchange: Exchange,
        call: CallDesk,
        *,
        interval: float = INTERVAL,
        first: float = FIRST,
        between: float = BETWEEN,
    ) -> None:
        self._exchange = exchange
        self._call = call
        self._interval = interval
        self._first = first
        self._between = between
        self._desks: dict[str, _Desk] = {}
        self._room = asyncio.Semaphore(MAX_DESK_CALLS)

    async def run(self) -> None:
        """Look now and after every pause, until cancelled."""
        try:
            while True:
                try:
                    if self._exchange.ready:
                        await self.look()
                except CrossbearingError as fault:
                    log.error("nothing escalated", code=fault.code, reason=fault.message)
                except Exception:
                    log.exception("nothing escalated")
                await asyncio.sleep(self._interval)
        finally:
            for desk in self._desks.values():
                if desk.task is not None:
                    desk.task.cancel()

    async def look(self) -> None:
        """Log what has become due, and begin to call the desks that are to be called."""
        agencies = self._active()
        new, open_ = await self._exchange.read(partial(self._find, agencies))
        await self._log([Escalate(delivery.index, delivery.agency, "due") for delivery in new])
        now = asyncio.get_running_loop().time()
        for agency in {*open_, *(delivery.agency for delivery in new)}:
            desk = self._desks.setdefault(agency, _Desk())
            if (desk.task is None or desk.task.done()) and now >= desk.next:
                desk.task = asyncio.create_task(self._serve(agency, desk))

    async def settle(self) -> None:
        """Wait for the calls that are under way."""
        await asyncio.gather(*(desk.task for desk in self._desks.values() if desk.task is not None))

    def _active(self) -> list[str]:
        document = self._exchange.history.latest.require_document()
        return [agency.id for agency in document.agencies.values() if agency.status == "active"]

    def _find(self, agencies: list[str]) -> tuple[list[Delivery], set[str]]:
        engine, now = self._exchange.engine, self._exchange.clock()
        new = [d for agency in agencies for d in engine.escalations(agency, now, MAX_NEW_ESCALATIONS, logged=False)]
        return new, {agency for agency in agencies if engine.escalations(agency, now, 1, logged=True)}

    async def _serve(self, agency: str, desk: _Desk) -> None:
        """One attempt to reach an agency's desk about everything that waits for it."""
        try:
            async with self._room:
                done: bool | None = await self._attempt(agency)
        except CrossbearingError as fault:  # the storage fails; what the log says is tried again
            log.error("escalation failed", agency=agency, code=fault.code, reason=fault.message)
            done = False
        except Exception:
            log.exception("escalation failed", agency=agency)
            done = False
        if done is None:
            return
        desk.failures = 0 if done else desk.failures + 1
        pause = self._between if done else min(self._first * 2 ** min(desk.failures - 1, 10), LONGEST)
        desk.next = asyncio.get_running_loop().time() + pause

    async def _attempt(self, agency: str) -> bool | None:
        """Whether this agency's desk was reached; None when there is nothing to tell it."""
        exchange = self._exchange
        now = exchange.clock()
        deliveries = await exchange.read(
            partial(exchange.engine.escalations, agency, now, MAX_ALERTS_IN_CALL, logged=True)
        )
        if not deliveries:
            return None
        reached = await self._reach(agency, deliveries)
        outcome: Outcome = "reached" if reached is not None else "unreachable"
        told = [d for d in deliveries if reached is not None or d.escalated is Escalated.DUE]
        await self._log([Escalate(d.index, agency, outcome, reached) for d in told])
        return reached is not None

    async def _reach(self, agency: str, deliveries: list[Delivery]) -> str | None:
        """The contact that took the call; None when none did."""
        exchange = self._exchange
        published = exchange.history.latest.keys.get(agency)
        contacts = published.contacts if published is not None else ()
        if not contacts:
            log.error("an agency that must be called publishes no contact", agency=agency, alerts=len(deliveries))
            return None
        head = exchange.head
        made: Call = await exchange.read(partial(make_call, exchange.shipping, head, agency, deliveries))
        for contact in contacts:
            try:
                await self._call(contact, made.body, made.key)
            except Unreachable as fault:
                log.error("desk not reached", agency=agency, contact=contact.id, reason=fault.message)
            else:
                log.warning("desk called", agency=agency, contact=contact.id, alerts=len(deliveries))
                return contact.id
        return None

    async def _log(self, steps: list[Escalate]) -> None:
        """Have them logged. What is no longer so is dropped; raises the fault of a storage that fails."""
        if not steps:
            return
        answers = [self._exchange.submit(Work("", wanted)) for wanted in steps]
        await asyncio.wait(answers)
        for answer in answers:
            verdict = None if answer.cancelled() else answer.result()
            if isinstance(verdict, CrossbearingError):
                log.info("not escalated any more", code=verdict.code, reason=verdict.message)
