"""Decides what goes into the next block: whatever is pending when the last one is done, the most urgent first.

An idle sequencer starts at once, so a single alert never waits for company; under load blocks fill by themselves, but
only so far that the next one is not long in coming. Receipts that follow upon others wait a moment for each other. What
is urgent has a block to itself when anything else waits, so that it is durable as soon as if it were alone; the block
after that takes the others along. A failed block is answered and forgotten. Doubt is final: nothing is signed any more
and `run` raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from broker.backlog import Backlog
from broker.committer import Committed
from broker.draft import Verdict, Work, urgency, weight
from schemas.envelope.peek import LAST
from schemas.envelope.words import URGENT
from schemas.errors import CrossbearingError, NotReady, Overloaded, ShuttingDown, StorageFailed, StorageFull
from schemas.limits import MAX_PENDING, MAX_PENDING_BYTES
from schemas.session.frames import SendReceipt

log = structlog.get_logger()

Commit = Callable[[Sequence[Work]], Awaitable[Committed]]

BLOCK_SECONDS: Final = 0.1
"""What a block should take at most: what is urgent waits for the one that is being written."""
SMALLEST_BLOCK: Final = 16
"""Pieces that a block takes whatever they cost: fewer would be spent on fsync."""
RECEIPTS_SECONDS: Final = 0.02
"""From a block with receipts to one that has nothing else: thirty recipients say within some hundredths of a second
what they hold, and a block costs as much as many receipts."""
SOONEST_RETRY: Final = 500
LATEST_RETRY: Final = 30_000
"""Milliseconds after which who was refused for want of room may come again."""


@dataclass(frozen=True, slots=True)
class _Pending:
    work: Work
    answer: asyncio.Future[Verdict]

    @property
    def patient(self) -> bool:
        """Whether it may wait for others like it: nobody is sent anything for a receipt but word of it."""
        return isinstance(self.work.what, SendReceipt)


class Sequencer:
    """Feeds `commit` with batches of at most `max_entries` pieces and about `max_bytes`.

    `publish` hears of every block, before the senders are answered.
    """

    def __init__(
        self,
        commit: Commit,
        publish: Callable[[Committed], None],
        *,
        max_entries: int,
        max_bytes: int,
        max_pending: int = MAX_PENDING,
        max_pending_bytes: int = MAX_PENDING_BYTES,
    ) -> None:
        self._commit = commit
        self._publish = publish
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._backlog: Backlog[_Pending] = Backlog(max_pieces=max_pending, max_bytes=max_pending_bytes)
        self._pace = 0.0  # seconds that a piece took lately
        self._apart = False  # whether the block before this one left out what is not urgent
        self._hurried = 0  # pieces that wait and are not patient
        self._receipts_at = 0.0  # when (by the loop's clock) a block of nothing but receipts may be formed
        self._wake = asyncio.Event()
        self._closing: CrossbearingError | None = None
        self._fault: CrossbearingError | None = None

    @property
    def pending(self) -> int:
        """Pieces of work that no block has taken yet."""
        return self._backlog.pieces

    @property
    def pending_bytes(self) -> int:
        """About how many bytes these have."""
        return self._backlog.bytes

    def submit(self, work: Work) -> asyncio.Future[Verdict]:
        """Have `work` logged. The future gives the verdict, and never raises but for cancellation.

        With more waiting than is bounded the verdict is `Overloaded`, at once.
        """
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        if self._closing is not None:
            answer.set_result(self._closing)
            return answer
        drained = int(self._backlog.pieces * self._pace * 1_000)
        retry_after = max(SOONEST_RETRY, min(drained, LATEST_RETRY))
        pending, alone = _Pending(work, answer), not self._backlog.pieces
        try:
            self._backlog.put(work.agency, urgency(work), weight(work), pending, retry_after=retry_after)
        except Overloaded as overloaded:
            answer.set_result(overloaded)
            return answer
        self._hurried += not pending.patient
        if alone or not pending.patient or self._backlog.pieces >= self._max_entries:
            self._wake.set()
        return answer

    def close(self) -> None:
        """Take no more work; `run` returns when what is pending is done."""
        if self._closing is None:
            self._closing = ShuttingDown("the hub is shutting down")
        self._wake.set()

    def fail(self, fault: CrossbearingError) -> None:
        """Form no block any more: `run` raises `fault`."""
        self._fault = fault
        self._wake.set()

    async def run(self) -> None:
        """Form blocks until closed. Raises the fault that ends the hub, after refusing what is pending."""
        try:
            while True:
                if self._fault is not None:
                    raise self._fault
                self._wake.clear()
                if (wait := self._wait()) > 0:
                    await self._sleep(wait)
                elif batch := self._take():
                    await self._settle(batch)
                elif self._closing is not None:
                    return
                else:
                    await self._wake.wait()
        except BaseException as error:
            self._closing = NotReady("the hub stopped taking work")
            for pending in self._backlog.drain():
                _answer(pending, self._closing)
            log.critical("stopped", code=getattr(error, "code", type(error).__name__), reason=str(error))
            raise

    def _wait(self) -> float:
        """For how many seconds more what is pending waits for company."""
        pieces = self._backlog.pieces
        if not pieces or self._hurried or pieces >= self._max_entries or self._closing is not None:
            return 0.0
        return self._receipts_at - asyncio.get_running_loop().time()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _take(self) -> list[_Pending]:
        """The next batch. What is urgent goes apart from the rest, but never twice while the rest waits."""
        self._apart = self._backlog.urgent and not self._apart
        ranks = URGENT if self._apart else LAST + 1
        entries = self._max_entries
        if self._pace > 0:
            entries = min(entries, max(SMALLEST_BLOCK, int(BLOCK_SECONDS / self._pace)))
        batch = self._backlog.take(max_pieces=entries, max_bytes=self._max_bytes, ranks=ranks)
        hurried = sum(not pending.patient for pending in batch)
        self._hurried -= hurried
        if hurried < len(batch):
            self._receipts_at = asyncio.get_running_loop().time() + RECEIPTS_SECONDS
        return batch

    async def _settle(self, batch: list[_Pending]) -> None:
        try:
            committed = await self._commit([pending.work for pending in batch])
        except (StorageFull, StorageFailed) as fault:
            log.error("block failed", code=fault.code, reason=fault.message, entries=len(batch))
            self._answer_all(batch, [fault] * len(batch))
        except CrossbearingError:
            # The senders are not answered: they submit again, and get the verdict the log then holds.
            for pending in batch:
                pending.answer.cancel()
            raise
        except Exception:
            await self._settle_alone(batch)
        else:
            self._pace += (committed.seconds / len(batch) - self._pace) / 8
            self._publish(committed)
            self._answer_all(batch, committed.verdicts)

    async def _settle_alone(self, batch: list[_Pending]) -> None:
        """A bug met by one piece of work must not take the others with it, nor the hub."""
        if len(batch) == 1:
            log.exception("work failed", agency=batch[0].work.agency)
            _answer(batch[0], StorageFailed("the hub failed to process this", hint="Tell the hub's operator."))
            return
        for pending in batch:
            await self._settle([pending])

    @staticmethod
    def _answer_all(batch: Sequence[_Pending], verdicts: Sequence[Verdict]) -> None:
        for pending, verdict in zip(batch, verdicts, strict=True):
            _answer(pending, verdict)


def _answer(pending: _Pending, verdict: Verdict) -> None:
    if not pending.answer.done():
        pending.answer.set_result(verdict)
