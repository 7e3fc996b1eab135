"""Receipts this agency signed and the hub has not answered yet: sent until it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from nodes.store.rows import among, number, optional_number
from nodes.store.topics import Topics
from schemas import ids


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt's exact bytes; `ref` (first 16 bytes of their SHA-256) is what the hub's answer names."""

    ref: bytes
    receipt: bytes
    signature: bytes
    attempts: int = 0


def receipt_ref(receipt: bytes) -> bytes:
    """How the hub names a receipt in its answer."""
    return ids.sha256(receipt)[:16]


class Receipts:
    """Writes signed receipts."""

    def __init__(self, connection: apsw.Connection, topics: Topics) -> None:
        self._db = connection
        self._topics = topics

    def add(self, receipt: bytes, signature: bytes, *, now: int) -> None:
        """Keep a signed receipt until it is answered."""
        self.keep([SignedReceipt(receipt_ref(receipt), receipt, signature)], now=now, tell=True)

    def keep(self, receipts: Sequence[SignedReceipt], *, now: int, tell: bool) -> None:
        """Keep signed receipts until they are answered, and `tell` those who wait for any."""
        self._db.executemany(
            "INSERT INTO receipt (ref, made, receipt, signature) VALUES (?, ?, ?, ?)",
            [(one.ref, now, one.receipt, one.signature) for one in receipts],
        )
        if receipts and tell:
            self._topics.add("receipts")

    def due(self, *, now: int, limit: int, except_refs: frozenset[bytes] = frozenset()) -> list[SignedReceipt]:
        """Receipts to send now, oldest first."""
        rows = self._db.execute(
            "SELECT ref, receipt, signature, attempts FROM receipt WHERE not_before <= ? ORDER BY number LIMIT ?",
            (now, limit + len(except_refs)),
        )
        return [SignedReceipt(*row) for row in rows if row[0] not in except_refs][:limit]

    def all(self) -> list[SignedReceipt]:
        """Every unanswered receipt, oldest first."""
        rows = self._db.execute("SELECT ref, receipt, signature, attempts FROM receipt ORDER BY number")
        return [SignedReceipt(*row) for row in rows]

    def next_due(self, *, now: int) -> int | None:
        """The time (ms) at which the next postponed receipt is to be tried, or None."""
        return optional_number(self._db, "SELECT min(not_before) FROM receipt WHERE not_before > ?", (now,))

    def done(self, ref: bytes) -> None:
        """The hub answered: nothing more to send."""
        self.delete([ref])

    def delete(self, refs: Sequence[bytes]) -> None:
        """The hub answered all of these."""
        if refs:
            self._db.execute(*among("DELETE FROM receipt WHERE ref IN (?)", refs))

    def get(self, ref: bytes) -> SignedReceipt | None:
        """An unanswered receipt."""
        row = self._db.execute("SELECT ref, receipt, signature, attempts FROM receipt WHERE ref = ?", (ref,)).fetchone()
        return None if row is None else SignedReceipt(*row)

    def postpone(self, ref: bytes, *, not_before: int) -> None:
        """Send it again, no sooner than `not_before` (ms)."""
        self._db.execute("UPDATE receipt SET attempts = attempts + 1, not_before = ? WHERE ref = ?", (not_before, ref))
        self._topics.add("receipts")

    def count(self) -> int:
        """How many receipts wait for an answer."""
        return number(self._db, "SELECT count(*) FROM receipt")
