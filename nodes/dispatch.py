"""Brings composed alerts into the log: seals them, submits the sealed bytes, and acts on the hub's answers.

An alert is sealed in the commit that takes it in, if it can go at once, and is on its way as soon as that is durable.
Up to `WINDOW` submissions are under way at once, the most urgent first; what is not urgent leaves room for what is.
What the hub puts off stays here until it says. An alert leaves the outbox only with the hub's answer, so whatever
breaks in between is made good by submitting the same bytes again: the hub gives the same acceptance for them. So
an acceptance need not be durable before anything else is done: it is committed with whatever comes next, mostly the
first receipts, or by itself after a moment, or at once when something waits for the room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from nodes.answers import Ready, ready_now, ready_of, settle_alert
from nodes.identity import Identity
from nodes.ports import Clock, Random
from nodes.sealing import seal_or_refuse
from nodes.standing import Standing
from nodes.store.database import Failed
from nodes.store.store import Follower, Store
from nodes.transfers import Transfers
from nodes.waiting import until_first
from schemas.envelope.words import PRECEDENCES, URGENT
from schemas.errors import CrossbearingError, ProtocolError, Unreachable
from schemas.limits import MAX_RETRY_MS, RANK_WAIT_MS, UNDER_WAY_BYTES, WINDOW, WINDOW_RESERVE
from schemas.session.frames import Frame, ResultItem

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from nodes.store.fresh import Outgoing

SETTLE_AFTER: Final = 0.05
"""Seconds without a commit after which what the hub accepted is noted in one of its own: an officer may wait for it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found in the outbox at a time (ms): what to submit; when the next is due that waits for its time.

    `again` when some could not be sealed: what waited for these, such as a recall of one, can go now. `short` when some
    may wait for room.
    """

    at: int
    ready: list[Ready]
    due: int | None
    again: bool
    short: bool


class _Room:
    """What may go beside others: what is not urgent leaves some of the window, and of the line."""

    def __init__(self, share: Sequence[int], others: Iterable[Ready]) -> None:
        self.left = WINDOW
        self._of_rank = list(share)
        self._slow = WINDOW - WINDOW_RESERVE
        self._bytes = UNDER_WAY_BYTES
        for other in others:
            self.take(other)

    def is_for(self, rank: int) -> bool:
        """Whether one more of that rank may go."""
        return self._of_rank[rank] > 0 and (rank < URGENT or (self._slow > 0 and self._bytes > 0))

    def take(self, ready: Ready) -> None:
        """It goes."""
        self.left -= 1
        self._of_rank[ready.rank] -= 1
        if ready.rank >= URGENT:
            self._slow -= 1
            self._bytes -= ready.size


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
        self._settling: set[bytes] = set()  # of these, whose answer is here
        self._accepted: dict[bytes, tuple[Ready, ResultItem]] = {}  # of these, what is in the log, and not noted yet
        self._settle_by = 0.0  # when they are to be noted at the latest (the loop's time)
        self._short = False  # when it was looked for more, there was no room for some, or for no more
        self._found: deque[Ready] = deque()  # of these, what is not sent yet
        self._again = True  # it is to be looked for more
        self._looked = 0  # at what time (ms)
        self._due: int | None = None  # when (ms) the next of those that wait for their time is to be tried
        self._failure: BaseException | None = None
        self._awake = asyncio.Event()
        self._uploads: asyncio.Queue[Ready] = asyncio.Queue()  # of what is under way, so no longer than the window
        self._held: dict[int, int] = {}  # until when (ms) nothing of a rank is tried, for the hub refused some of it
        self._share = [WINDOW] * len(PRECEDENCES)  # of each rank under way at once: half after such a refusal

    async def run(self) -> None:
        """Send whatever waits, as long as the session lasts."""
        accepting, looking = Follower(None, self._gather, self._noted), Follower("outbox", self._look, self._take)
        with self._store.follow(accepting), self._store.follow(looking):
            try:
                await until_first(self._pump(), self._upload())
            finally:
                if self._accepted and self._failure is None:
                    await self._store.write(_touch)

    async def _pump(self) -> None:
        while True:
            self._awake.clear()
            if self._failure is not None:
                raise self._failure
            while self._found:
                item = self._found.popleft()
                if item.attachments:
                    self._uploads.put_nowait(item)
                else:
                    await self._send(item.submit)
            if self._again:
                self._again = False
                await self._store.write(_touch)
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        """Until something was found or there is room again, or a postponed alert is due.

        It may be due already: a commit takes its time, on a slow disk seconds, and it was looked for before that.
        """
        now = self._clock()
        times = [time for time in (self._due, *self._held.values()) if time is not None and time > self._looked]
        if times and min(times) <= now:
            self._again = True
            return
        waits = [(min(times) - now) / 1000] if times else []
        if self._accepted:
            waits.append(max(0.0, self._settle_by - asyncio.get_running_loop().time()))
        try:
            async with asyncio.timeout(min(waits, default=None)):
                await self._awake.wait()
        except TimeoutError:
            self._again = True

    # In the commit of whatever changed the outbox ---------------------------------------------------------------------

    def _look(self) -> Callable[[Tables], _Look] | None:
        """What to do about a change of the outbox; None if there is no room. Whatever makes some, looks again."""
        room, now = (
            _Room(self._share, (r for r in self._under_way.values() if r.id not in self._settling)),
            self._clock(),
        )
        self._short = room.left <= 0
        if self._short:
            self._looked = now
            return None
        held = {rank for rank, until in self._held.items() if until > now}
        ranks = [rank for rank in range(len(PRECEDENCES)) if rank in held or not room.is_for(rank)]
        numbers = [ready.number for ready in self._under_way.values()]
        return partial(self._prepare, at=now, room=room, except_ranks=ranks, except_numbers=numbers)

    def _take(self, outcome: _Look | Failed) -> None:
        """It is durable: send it."""
        if isinstance(outcome, Failed):
            self._failure = outcome.error
        else:
            self._under_way |= {ready.id: ready for ready in outcome.ready}
            self._found.extend(outcome.ready)
            self._looked, self._due = outcome.at, outcome.due
            self._short = outcome.short
            self._again = self._again or outcome.again
        self._awake.set()

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

    def _prepare(
        self, tables: Tables, *, at: int, room: _Room, except_ranks: Collection[int], except_numbers: Iterable[int]
    ) -> _Look:
        """Seal what waits and is not sealed, as far as there is room, and say what to submit."""
        now = self._clock()
        ready: list[Ready] = []
        again, short = False, bool(except_ranks)
        for outgoing in tables.outbox.waiting(
            now=now, limit=room.left, except_numbers=except_numbers, except_ranks=except_ranks
        ):
            if not room.is_for(outgoing.rank):
                short = True
                continue
            if (found := self._ready(tables, outgoing, now)) is None:
                again = True
            else:
                room.take(found)
                ready.append(found)
        return _Look(at, ready, tables.outbox.next_due(now=now), again, short or room.left <= 0)

    def _ready(self, tables: Tables, outgoing: Outgoing, now: int) -> Ready | None:
        """What to submit of one alert; None if it cannot be sealed, which the officer is told."""
        if outgoing.body is not None:
            return ready_of(tables, outgoing)
        sealed = seal_or_refuse(
            tables,
            outgoing,
            identity=self._identity,
            directory=self._standing.directory,
            now=now,
            random=self._random,
        )
        return None if sealed is None else ready_now(tables, outgoing, sealed)

    # Answers ------------------------------------------------------------------------------------------------------

    def owns(self, ref: bytes) -> bool:
        """Whether an answer to this reference is awaited here."""
        return ref in self._under_way and ref not in self._settling

    async def settle(self, items: Sequence[ResultItem]) -> None:
        """Act on the hub's answers in their order: on a refusal at once. What waits takes the room that they leave."""
        now = self._clock()
        pairs = [(self._under_way[item.ref], item) for item in items]
        self._settling |= {ready.id for ready, _ in pairs}
        refused = not all(item.accepted for item in items)
        if not self._accepted:
            self._settle_by = asyncio.get_running_loop().time() + SETTLE_AFTER
        if refused:
            before, self._accepted = self._accepted, {}
            self._forget(await self._store.write(partial(self._settle, pairs=[*before.values(), *pairs], now=now)))
        else:
            self._accepted |= {ready.id: (ready, item) for ready, item in pairs}
        for ready, item in pairs:
            self._pace(ready.rank, item, now)
        if refused or self._short or min(self._share) < WINDOW:
            self._again = True  # what is to be sealed again at once was left out above, and a rank's share has grown
        self._awake.set()

    def _settle(self, tables: Tables, *, pairs: Iterable[tuple[Ready, ResultItem]], now: int) -> list[bytes]:
        """Keep what these answers mean; the ids of their alerts."""
        settled = []
        for ready, item in pairs:
            settle_alert(tables, ready, item, self._standing, now=now)
            settled.append(ready.id)
        _touch(tables)
        return settled

    def _forget(self, settled: Iterable[bytes]) -> None:
        for alert_id in settled:
            self._under_way.pop(alert_id, None)
            self._settling.discard(alert_id)
            self._accepted.pop(alert_id, None)

    # In any commit ------------------------------------------------------------------------------------------------

    def _gather(self) -> Callable[[Tables], list[bytes]] | None:
        """Note what the hub accepted."""
        if not self._accepted:
            return None
        return partial(self._settle, pairs=tuple(self._accepted.values()), now=self._clock())

    def _noted(self, outcome: list[bytes] | Failed) -> None:
        if isinstance(outcome, Failed):
            self._failure = outcome.error
            self._awake.set()
        else:
            self._forget(outcome)

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


def _touch(tables: Tables) -> None:
    """Have the outbox looked at, as if something had changed in it."""
    tables.topics.add("outbox")
