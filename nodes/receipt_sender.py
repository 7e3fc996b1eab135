"""Sends signed receipts until the hub has answered each: accepted, or refused for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

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
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Send whatever is due, as long as the session lasts."""
        while True:
            self._answered.clear()
            seen = self._store.revision("receipts")
            room = RECEIPT_WINDOW - len(self._under_way)
            due = await self._store.read(partial(_due, now=self._clock(), room=room, sent=frozenset(self._under_way)))
            for receipt in due:
                self._under_way[receipt.ref] = receipt
                await self._send(SendReceipt(receipt.receipt, receipt.signature))
            if len(due) < room or not room:
                await self._wait(seen)

    async def _wait(self, seen: int) -> None:
        now = self._clock()
        due = await self._store.read(lambda tables: tables.receipts.next_due(now=now))
        works: list[Coroutine[Any, Any, object]] = [self._answered.wait(), self._store.wait("receipts", seen)]
        if due is not None:
            works.append(asyncio.sleep((due - now) / 1000))
        await until_first(*works)

    def owns(self, ref: bytes) -> bool:
        """Whether an answer to this reference is awaited here."""
        return ref in self._under_way

    async def settle(self, items: Sequence[ResultItem]) -> None:
        """Act on the hub's answers, in one commit."""
        now = self._clock()
        pairs = [(self._under_way[item.ref], item) for item in items]

        def commit(tables: Tables) -> None:
            for receipt, item in pairs:
                settle_receipt(tables, receipt, item, self._identity, self._standing, now=now)

        await self._store.write(commit)
        for receipt, _ in pairs:
            self._under_way.pop(receipt.ref, None)
        self._answered.set()


def _due(tables: Tables, *, now: int, room: int, sent: frozenset[bytes]) -> list[SignedReceipt]:
    return tables.receipts.due(now=now, limit=room, except_refs=sent) if room else []
