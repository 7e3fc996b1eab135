"""The durable queue in front of one handler: every alert it wants, at least once, retried with growing pauses.

The queue reads the node's journal from its own cursor. An arrival that passes the handler's filter becomes a job in
the same transaction that moves the cursor, so a crash neither loses nor doubles it. A job is gone once the handler
took the alert; a crash in between hands the alert over again, under the same idempotency key. A job that failed too
often becomes a dead letter, which waits for a person. Both have a most (docs/limits.md), at which nothing is lost:
what finds no room as a job stays in the journal, and what finds none among the dead letters is tried on.

A handler is given the recall and the corrections of every alert that its filter lets through, whatever the filter says
of them: a system that acts on the one must hear of the other. An alert that was recalled before the handler took it
is left out.

A handler that is new in the configuration begins with the alerts that arrive from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from nodes.handlers.delivery import Delivery, Handler
from nodes.handlers.payload import alert_payload
from nodes.handlers.settings import HandlerSettings
from nodes.store.alerts import AlertRow
from nodes.store.database import Tables
from nodes.store.events import Event
from nodes.store.jobs import Job
from nodes.store.relations import OWN_ONLY
from nodes.store.store import Store
from nodes.waiting import until_first
from schemas.errors import CrossbearingError, Internal, StorageFull, StorageTampered
from schemas.ids import format_id, parse_id
from schemas.limits import MAX_DEAD_LETTERS, MAX_JOBS

__all__ = ["HandlerQueue", "backoff"]

FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 1_800_000
"""Half an hour: a receiver that came back is not left waiting for longer."""

EVENTS_AT_ONCE = 256

FULL_DISK_PAUSE = 5.0
"""Seconds until a full disk is tried again; nothing can be noted meanwhile, so nothing is handed over either."""

log = structlog.get_logger(__name__)


class HandlerQueue:
    """Feeds `handler`. `now` gives milliseconds since the epoch; `random` gives that many random bytes."""

    def __init__(
        self,
        settings: HandlerSettings,
        handler: Handler,
        store: Store,
        *,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._handler = handler
        self._store = store
        self._now = now
        self._random = random
        self._cursor: int | None = None

    async def run(self) -> None:
        """Work until cancelled. Raises what the store raises, except for a full disk, which is waited out."""
        try:
            while True:
                events, jobs = self._store.revision("events"), self._store.revision("jobs")
                try:
                    await self.work()
                except StorageFull as full:
                    log.warning("handler waits", handler=self.name, code=full.code, message=full.message)
                    await asyncio.sleep(FULL_DISK_PAUSE)
                else:
                    await self._wait(events, jobs)
        finally:
            await self._handler.close()

    async def work(self) -> None:
        """Plan and do whatever there is to do now."""
        await self.plan()
        while await self.step():
            await self.plan()

    async def plan(self) -> None:
        """Turn arrivals since the last look into jobs. The first look of a new handler sets its cursor to the end."""
        if self._cursor is None:
            self._cursor = await self._store.write(self._first_cursor)
        while True:
            events, wanted = await self._store.read(self._unseen)
            if not events:
                return
            last = events[-1].seq
            # A stretch without work moves the cursor in memory only: looking at it again costs less than a commit.
            if wanted or len(events) >= EVENTS_AT_ONCE:
                await self._store.write(partial(self._plan, wanted=wanted, last=last))
            self._cursor = last

    async def step(self) -> bool:
        """Do one job that is due; False if there is none."""
        due = await self._store.read(self._next)
        if due is None:
            return False
        job, delivery = due
        if delivery is None:
            await self._store.write(lambda tables: tables.jobs.done(job.number))
            log.info("recalled before it was delivered", handler=self.name, alert=format_id(job.alert))
            return True
        try:
            await self._handler.deliver(delivery)
        except CrossbearingError as error:
            await self._failed(job, error)
        except Exception:  # one handler's defect must not take the node down
            log.exception("delivery failed unforeseen", handler=self.name, alert=delivery.alert_id)
            await self._failed(job, Internal("the handler met a case it was not written for"))
        else:
            await self._store.write(lambda tables: tables.jobs.done(job.number))
            log.info("alert delivered", handler=self.name, alert=delivery.alert_id, attempt=delivery.attempt)
        return True

    async def _failed(self, job: Job, error: CrossbearingError) -> None:
        attempts, now = job.attempts + 1, self._now()
        alert = format_id(job.alert)
        if attempts >= self._settings.attempts:
            if await self._store.write(lambda tables: self._bury(tables, job, error.message, now)):
                log.error("delivery given up", handler=self.name, alert=alert, attempts=attempts, message=error.message)
                return
            log.error("too many deliveries given up", handler=self.name, alert=alert, attempts=attempts)
        pause = backoff(attempts, self._random)
        await self._store.write(
            lambda tables: tables.jobs.retry_later(job.number, error.message, not_before=now + pause)
        )
        log.warning(
            "delivery failed", handler=self.name, alert=alert, attempt=attempts, retry_ms=pause, message=error.message
        )

    async def _wait(self, events: int, jobs: int) -> None:
        """Return when something happened since these revisions, or when the next job is due."""
        due = await self._store.read(lambda tables: tables.jobs.next_due(self.name))
        works: list[Coroutine[Any, Any, object]] = [self._store.wait("events", events), self._store.wait("jobs", jobs)]
        if due is not None:
            works.append(asyncio.sleep(max(0, due - self._now()) / 1_000))
        await until_first(*works)

    # On the store's thread ----------------------------------------------------------------------------------------

    def _first_cursor(self, tables: Tables) -> int:
        cursor = tables.jobs.cursor(self.name)
        if cursor is None:
            cursor = tables.events.last()
            tables.jobs.set_cursor(self.name, cursor)
        return cursor

    def _unseen(self, tables: Tables) -> tuple[list[Event], list[Event]]:
        """The events since the last look, and the arrivals among them that the handler is to have: what has room."""
        events = tables.events.after(self._cursor or 0, limit=EVENTS_AT_ONCE)
        if events:
            events = events[: max(0, MAX_JOBS - tables.jobs.count_open(self.name))]
        return events, [event for event in events if event.type == "alert" and self._wants(tables, event)]

    def _wants(self, tables: Tables, event: Event) -> bool:
        """Whether the filter lets it through, or an alert that it recalls or corrects."""
        facts: _ArrivalFacts | None = _facts(event)
        alert, seen = parse_id(str(event.data["alert"])), set[bytes]()
        while facts is not None and alert not in seen:
            if self._settings.when.matches(facts):
                return True
            seen.add(alert)
            row = tables.alerts.get("in", alert)
            facts = None
            if row is not None and row.relation in OWN_ONLY and row.related is not None:
                target = tables.alerts.get("in", row.related)
                if target is not None and target.sender == row.sender:
                    facts, alert = _row_facts(target), target.id
        return False

    def _plan(self, tables: Tables, *, wanted: Sequence[Event], last: int) -> None:
        for event in wanted:
            tables.jobs.plan(self.name, parse_id(str(event.data["alert"])), event.seq, now=self._now())
        tables.jobs.set_cursor(self.name, last)

    def _bury(self, tables: Tables, job: Job, error: str, now: int) -> bool:
        if tables.jobs.count_dead(self.name) >= MAX_DEAD_LETTERS:
            return False
        tables.jobs.bury(job.number, error, now=now)
        return True

    def _next(self, tables: Tables) -> tuple[Job, Delivery | None] | None:
        for job in tables.jobs.due(self.name, now=self._now(), limit=1):
            row = tables.alerts.get("in", job.alert)
            if row is None:
                raise StorageTampered(f"handler {self.name} is due an alert that the inbox does not hold")
            if row.recalled_by is not None:
                return job, None
            payload = alert_payload(row, tables.alerts.content(row.number), tables.alerts.proof(row.number))
            return job, _delivery(self.name, row, job.attempts + 1, payload)
        return None


@dataclass(frozen=True, slots=True)
class _ArrivalFacts:
    topic: str
    marking: str
    precedence: str
    status: str
    sender: str
    operation: str | None


def _facts(event: Event) -> _ArrivalFacts:
    """What the journal says of an arrival, in the words of a filter."""
    data = event.data
    operation = data.get("operation")
    return _ArrivalFacts(
        topic=str(data["kind"]),
        marking=str(data["marking"]),
        precedence=str(data["precedence"]),
        status=str(data["status"]),
        sender=str(data["sender"]),
        operation=None if operation is None else str(operation),
    )


def _row_facts(row: AlertRow) -> _ArrivalFacts:
    return _ArrivalFacts(row.kind, row.marking, row.precedence, row.status, row.sender, row.operation)


def _delivery(handler: str, row: AlertRow, attempt: int, payload: bytes) -> Delivery:
    return Delivery(
        handler=handler,
        alert_id=format_id(row.id),
        sender=row.sender,
        topic=row.kind,
        marking=row.marking,
        precedence=row.precedence,
        status=row.status,
        operation=row.operation,
        attempt=attempt,
        payload=payload,
    )


def backoff(attempts: int, random: Callable[[int], bytes]) -> int:
    """Milliseconds until the next attempt after so many failed ones: doubling, capped, and up to a fifth shorter.

    The shortening, drawn from `random`, keeps many nodes from calling one receiver in step.
    """
    pause = min(FIRST_PAUSE_MS << min(attempts - 1, 16), LONGEST_PAUSE_MS)
    return pause - pause * random(1)[0] // (5 * 255)
