"""Decides what goes into the next block: whatever is pending when the last one is done, taken fairly between agencies.

An idle sequencer starts at once, so a single alert never waits for company; under load blocks fill by themselves.
A failed block is answered and forgotten. Doubt is final: nothing is signed any more and `run` raises.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from broker.committer import Committed
from broker.draft import Verdict, Work, weight
from schemas.errors import CrossbearingError, NotReady, ShuttingDown, StorageFailed, StorageFull

log = structlog.get_logger()

Commit = Callable[[Sequence[Work]], Awaitable[Committed]]


@dataclass(frozen=True, slots=True)
class _Pending:
    work: Work
    answer: asyncio.Future[Verdict]


class Sequencer:
    """Feeds `commit` with batches of at most `max_entries` pieces and about `max_bytes`.

    `publish` hears of every block, before the senders are answered. `waited` counts what is pending.
    """

    def __init__(
        self, commit: Commit, publish: Callable[[Committed], None], *, max_entries: int, max_bytes: int
    ) -> None:
        self._commit = commit
        self._publish = publish
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._queues: OrderedDict[str, deque[_Pending]] = OrderedDict()
        self._wake = asyncio.Event()
        self._closing: CrossbearingError | None = None
        self._fault: CrossbearingError | None = None

    @property
    def pending(self) -> int:
        """Pieces of work that no block has taken yet."""
        return sum(map(len, self._queues.values()))

    def submit(self, work: Work) -> asyncio.Future[Verdict]:
        """Have `work` logged. The future gives the verdict, and never raises but for cancellation."""
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        if self._closing is not None:
            answer.set_result(self._closing)
            return answer
        self._queues.setdefault(work.agency, deque()).append(_Pending(work, answer))
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
                while self._fault is None and (batch := self._take()):
                    await self._settle(batch)
                if self._fault is not None:
                    raise self._fault
                if self._closing is not None:
                    return
                self._wake.clear()
                await self._wake.wait()
        except BaseException as error:
            self._closing = NotReady("the hub stopped taking work")
            for pending in (p for queue in self._queues.values() for p in queue):
                _answer(pending, self._closing)
            self._queues.clear()
            log.critical("stopped", code=getattr(error, "code", type(error).__name__), reason=str(error))
            raise

    def _take(self) -> list[_Pending]:
        """The next batch: one piece from each agency in turn until the block is full."""
        batch: list[_Pending] = []
        size = 0
        while self._queues and len(batch) < self._max_entries and size < self._max_bytes:
            agency, queue = self._queues.popitem(last=False)
            pending = queue.popleft()
            if queue:
                self._queues[agency] = queue
            batch.append(pending)
            size += weight(pending.work)
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
