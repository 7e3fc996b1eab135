"""Brings composed alerts into the log: seals them, submits the sealed bytes, and acts on the hub's answers.

Up to `WINDOW` submissions are under way at once, the most urgent first; what is not urgent leaves room for what is.
What the hub puts off stays here until it says. An alert leaves the outbox only with the hub's answer, so whatever
breaks in between is made good by submitting the same bytes again: the hub gives the same acceptance for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from nodes.answers import Ready, ready_now, ready_of, settle_alert
from nodes.identity import Identity
from nodes.ports import Clock, Random
from nodes.sealing import seal_or_refuse
from nodes.standing import Standing
from nodes.store.store import Store
from nodes.transfers import Transfers
from nodes.waiting import until_first
from schemas.envelope.words import PRECEDENCES, URGENT
from schemas.errors import CrossbearingError, ProtocolError, Unreachable
from schemas.limits import MAX_RETRY_MS, RANK_WAIT_MS, UNDER_WAY_BYTES, WINDOW, WINDOW_RESERVE
from schemas.session.frames import Frame, ResultItem

if TYPE_CHECKING:
    from nodes.store.database import Tables

log = structlog.get_logger(__name__)


class Dispatch:
    """Sends the outbox over one session."""

    def __init__(
        self,
        *,
        store: Store,
        standing: Standing,
        identity: Identity,
        transfers: Transfers,
        send: Callable[[Frame], Awaitable[None]],
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._standing = standing
        self._identity = identity
        self._transfers = transfers
        self._send = send
        self._clock = clock
        self._random = random
        self._under_way: dict[bytes, Ready] = {}
        self._answered = asyncio.Event()
        self._uploads: asyncio.Queue[Ready] = asyncio.Queue()  # of what is under way, so no longer than the window
        self._held: dict[int, int] = {}  # until when (ms) nothing of a rank is tried, for the hub refused some of it
        self._share = [WINDOW] * len(PRECEDENCES)  # of each rank under way at once: half after such a refusal

    async def run(self) -> None:
        """Send whatever waits, as long as the session lasts."""
        await until_first(self._pump(), self._upload())

    async def _pump(self) -> None:
        while True:
            self._answered.clear()
            seen = self._store.revision("outbox")
            room = WINDOW - len(self._under_way)
            under_way = tuple(self._under_way.values())
            ready = await self._store.write(partial(self._prepare, room=room, under_way=under_way)) if room else []
            for item in ready:
                self._under_way[item.id] = item
                if item.attachments:
                    self._uploads.put_nowait(item)
                else:
                    await self._send(item.submit)
            if len(ready) < room or not room:
                await self._wait(seen)

    async def _wait(self, seen: int) -> None:
        """Until there is room, something new in the outbox, or a postponed alert is due."""
        now = self._clock()
        due = await self._store.read(lambda tables: tables.outbox.next_due(now=now))
        works: list[Coroutine[Any, Any, object]] = [self._answered.wait(), self._store.wait("outbox", seen)]
        times = [until for until in (due, *self._held.values()) if until is not None and until > now]
        works += [asyncio.sleep((time - now) / 1000) for time in times]
        await until_first(*works)

    async def _upload(self) -> None:
        """Bring attachments to the hub, one alert after the other, so that other alerts need not wait for them."""
        while True:
            item = await self._uploads.get()
            try:
                for digest, size in item.attachments:
                    await self._transfers.upload(digest, size)
            except (Unreachable, ProtocolError):
                raise
            except CrossbearingError as error:
                await self._settle_one(item, error)
            else:
                await self._send(item.submit)

    def _prepare(self, tables: Tables, *, room: int, under_way: Sequence[Ready]) -> list[Ready]:
        """In one transaction: seal what is not sealed, and say what to submit."""
        now = self._clock()
        held = [rank for rank, until in self._held.items() if until > now]
        ready: list[Ready] = []
        numbers = [item.number for item in under_way]
        for outgoing in tables.outbox.waiting(now=now, limit=room, except_numbers=numbers, except_ranks=held):
            if not self._has_room(outgoing.rank, [*under_way, *ready]):
                continue
            if outgoing.body is not None:
                ready.append(ready_of(tables, outgoing))
                continue
            sealed = seal_or_refuse(
                tables,
                outgoing,
                identity=self._identity,
                directory=self._standing.directory,
                now=now,
                random=self._random,
            )
            if sealed is not None:
                ready.append(ready_now(tables, outgoing, sealed))
        return ready

    def _has_room(self, rank: int, others: Sequence[Ready]) -> bool:
        """Whether one more may go beside `others`: what is not urgent leaves some of the window, and of the line."""
        if sum(other.rank == rank for other in others) >= self._share[rank]:
            return False
        slow = [other for other in others if other.rank >= URGENT]
        return rank < URGENT or (
            len(slow) < WINDOW - WINDOW_RESERVE and sum(other.size for other in slow) < UNDER_WAY_BYTES
        )

    # Answers ------------------------------------------------------------------------------------------------------

    def owns(self, ref: bytes) -> bool:
        """Whether an answer to this reference is awaited here."""
        return ref in self._under_way

    async def settle(self, items: Sequence[ResultItem]) -> None:
        """Act on the hub's answers, in one commit."""
        now = self._clock()
        pairs = [(self._under_way[item.ref], item) for item in items]

        def commit(tables: Tables) -> None:
            for ready, item in pairs:
                settle_alert(tables, ready, item, self._standing, now=now)

        await self._store.write(commit)
        for ready, item in pairs:
            self._under_way.pop(ready.id, None)
            self._pace(ready.rank, item, now)
        self._answered.set()

    def _pace(self, rank: int, item: ResultItem, now: int) -> None:
        """After a refusal for want of room the rest of that rank waits a while too, and then fewer go at once."""
        if item.accepted:
            self._share[rank] = min(WINDOW, self._share[rank] + 1)
        elif item.retry and self._held.get(rank, 0) <= now:
            self._held[rank] = now + min(item.retry, RANK_WAIT_MS)
            self._share[rank] = max(1, self._share[rank] // 2)

    async def _settle_one(self, ready: Ready, error: CrossbearingError) -> None:
        await self.settle(
            [
                ResultItem(
                    ready.id, False, 0, error.code, error.message, error.hint, min(error.retry_after, MAX_RETRY_MS)
                )
            ]
        )
