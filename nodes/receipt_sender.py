"""Sends signed receipts until the hub has answered each: accepted, or refused for good.

The receiver hands over what it has just committed, so that nothing is read for it, and it goes out at once when there
is room. What else the store holds is read when a session begins, when somebody else adds to it, and when a receipt that
was put off is due. That a receipt was accepted is committed with whatever comes next, or by itself when nothing came
for a second: one that is sent twice is answered twice, and logged once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from nodes.answers import settle_receipt
from nodes.identity import Identity
from nodes.ports import Clock
from nodes.standing import Standing
from nodes.store.receipts import SignedReceipt
from nodes.store.store import Store
from nodes.waiting import until_first
from schemas.limits import RECEIPT_WINDOW
from schemas.session.frames import Frame, ResultItem, SendReceipt

if TYPE_CHECKING:
    from nodes.store.database import Tables

SETTLE_AFTER: Final = 1.0
"""Seconds without a commit after which accepted receipts are deleted in one of their own."""

log = structlog.get_logger(__name__)


class ReceiptSender:
    """Sends receipts over one session."""

    def __init__(
        self,
        *,
        store: Store,
        standing: Standing,
        identity: Identity,
        send: Callable[[Frame], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._store = store
        self._standing = standing
        self._identity = identity
        self._send = send
        self._clock = clock
        self._under_way: dict[bytes, SignedReceipt] = {}
        self._accepted: dict[bytes, None] = {}  # by the hub; the store holds them still
        self._offered: deque[SignedReceipt] = deque()
        self._unread = True  # the store may hold receipts to send that are not known here
        self._due: int | None = None  # when one that was put off is to be sent (ms)
        self._sending = False  # nothing is sent before `run`
        self._changed = asyncio.Event()  # there is something to send, and room for it
        self._answered = asyncio.Event()  # something was accepted

    async def run(self) -> None:
        """Send whatever is due, as long as the session lasts."""
        self._sending = True
        await until_first(self._send_all(), self._watch(self._store.revision("receipts")), self._tidy())

    async def _watch(self, seen: int) -> None:
        while True:
            seen = await self._store.wait("receipts", seen)
            self._unread = True
            self._changed.set()

    async def _send_all(self) -> None:
        while True:
            self._changed.clear()
            await self._send_offered()
            if self._unread and self._room:
                await self._send_due()
            else:
                await self._wait()

    async def _send_offered(self) -> None:
        while self._offered and self._room:
            await self._send_one(self._offered.popleft())

    @property
    def _room(self) -> int:
        return RECEIPT_WINDOW - len(self._under_way)

    async def _send_due(self) -> None:
        """Send what the store holds, as far as there is room."""
        self._unread = False
        known = frozenset((*self._under_way, *self._accepted, *(receipt.ref for receipt in self._offered)))
        room = self._room
        due, self._due = await self._store.read(partial(_due, now=self._clock(), room=room, known=known))
        for receipt in due:
            await self._send_one(receipt)
        self._unread = self._unread or len(due) == room

    async def _send_one(self, receipt: SignedReceipt) -> None:
        if receipt.ref not in self._under_way and receipt.ref not in self._accepted:
            self._under_way[receipt.ref] = receipt
            await self._send(SendReceipt(receipt.receipt, receipt.signature))

    async def _wait(self) -> None:
        """Wait for something to send."""
        wait = None
        if self._due is not None and not self._unread:  # else room is what is missing
            wait = max(0.0, (self._due - self._clock()) / 1000)
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            self._unread = self._unread or (self._due is not None and self._clock() >= self._due)

    async def _tidy(self) -> None:
        """Commit that receipts were accepted, if nobody else does within a second."""
        while True:
            await self._answered.wait()
            self._answered.clear()
            before = self.answered()
            await asyncio.sleep(SETTLE_AFTER)
            if any(ref in self._accepted for ref in before):
                await self._delete(self.answered())
            elif self._accepted:
                self._answered.set()

    async def _delete(self, accepted: tuple[bytes, ...]) -> None:
        await self._store.write(lambda tables: tables.receipts.delete(accepted))
        self.deleted(accepted)

    def offer(self, receipts: Sequence[SignedReceipt]) -> None:
        """Send these receipts, which the store holds: with the next `flush`, or when there is room."""
        self._offered.extend(receipts)
        if len(self._offered) > RECEIPT_WINDOW:  # the hub does not answer: they are read again when there is room
            self._offered.clear()
            self._unread = True

    async def flush(self) -> None:
        """Send what was offered, as far as there is room for it now."""
        if self._sending:
            await self._send_offered()
        self._go_on()

    def _go_on(self) -> None:
        if (self._offered or self._unread) and self._room:
            self._changed.set()

    def answered(self) -> tuple[bytes, ...]:
        """References of receipts that the hub accepted, to be deleted with whatever is committed next."""
        return tuple(self._accepted)

    def deleted(self, refs: Sequence[bytes]) -> None:
        """That is committed."""
        for ref in refs:
            self._accepted.pop(ref, None)

    def owns(self, ref: bytes) -> bool:
        """Whether an answer to this reference is awaited here."""
        return ref in self._under_way

    async def settle(self, items: Sequence[ResultItem]) -> None:
        """Act on the hub's answers: on refusals at once, in one commit."""
        now = self._clock()
        refused = [(self._under_way[item.ref], item) for item in items if not item.accepted]
        self._accepted |= {item.ref: None for item in items if item.accepted}
        if self._accepted:
            self._answered.set()

        def commit(tables: Tables) -> None:
            for receipt, item in refused:
                settle_receipt(tables, receipt, item, self._identity, self._standing, now=now)

        if refused:
            await self._store.write(commit)
        for item in items:
            self._under_way.pop(item.ref, None)
        self._go_on()


def _due(tables: Tables, *, now: int, room: int, known: frozenset[bytes]) -> tuple[list[SignedReceipt], int | None]:
    """Receipts to send now, at most `room` that are not `known`; and when the next one is due that was put off."""
    return tables.receipts.due(now=now, limit=room, except_refs=known), tables.receipts.next_due(now=now)
