"""Sends signed receipts until the hub has answered each: accepted, or refused for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from nodes.identity import Identity
from nodes.ports import Clock
from nodes.receipts import sign_again
from nodes.standing import Standing
from nodes.store.receipts import SignedReceipt, receipt_ref
from nodes.store.store import Store
from nodes.verdicts import receipt_verdict, retry_after, retry_delay
from nodes.waiting import until_first
from schemas.errors import KeyNotValid
from schemas.session.frames import Frame, ResultItem, SendReceipt

if TYPE_CHECKING:
    from nodes.store.database import Tables

WINDOW: Final = 32
"""Receipts under way at once; each covers up to 256 alerts."""

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
            room = WINDOW - len(self._under_way)
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
                if item.accepted:
                    tables.receipts.done(receipt.ref)
                else:
                    self._refused(tables, receipt, item, now)

        await self._store.write(commit)
        for receipt, _ in pairs:
            self._under_way.pop(receipt.ref, None)
        self._answered.set()

    def _refused(self, tables: Tables, receipt: SignedReceipt, item: ResultItem, now: int) -> None:
        step = receipt_verdict(item.code)
        log.warning("receipt refused by the hub", ref=receipt.ref.hex(), code=item.code, then=step)
        later = now + (retry_after(item.retry) or retry_delay(receipt.attempts))
        if step == "sign-again":
            try:
                key = self._identity.signing_key(self._standing.directory, now)
            except KeyNotValid:
                step = "later"
            else:
                data, signature = sign_again(receipt.receipt, key, now=now)
                tables.receipts.done(receipt.ref)
                tables.receipts.add(data, signature, now=now)
                tables.receipts.postpone(receipt_ref(data), not_before=later)
        if step == "later":
            tables.receipts.postpone(receipt.ref, not_before=later)
        if step == "final":
            tables.receipts.done(receipt.ref)
            message = f"the hub takes no receipt of ours for an alert it delivered: {item.message}"
            tables.alarms.raise_(item.code, message, item.hint or "ask the hub's operator", now=now)


def _due(tables: Tables, *, now: int, room: int, sent: frozenset[bytes]) -> list[SignedReceipt]:
    return tables.receipts.due(now=now, limit=room, except_refs=sent) if room else []
