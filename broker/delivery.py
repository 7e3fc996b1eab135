"""What one connected agency has still to be sent: by precedence, then by age, in little memory however much waits.

The queue keeps the front of what waits as `(rank, index)` pairs; what lies behind it stays in the engine and is read
when the front is used up. Bodies are not here at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from schemas.envelope.words import URGENT
from schemas.limits import MAX_CREDIT, MAX_DELIVERY_QUEUE

Key = tuple[int, int]
"""(rank, index): the order of delivery."""

START: Key = (-1, -1)
REFILL = 1_024


class DeliveryQueue:
    """Waiting and sent alerts of one session.

    Everything that waits with a key up to `horizon` is in memory; `horizon` None means that nothing waits beyond.
    """

    def __init__(self, capacity: int = MAX_DELIVERY_QUEUE) -> None:
        self._capacity = capacity
        self._heap: list[Key] = []
        self._waiting: dict[int, Key] = {}
        self._sent: set[int] = set()
        self._refilling = False
        self.horizon: Key | None = START

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def sent(self) -> int:
        """Alerts sent on this session and not yet receipted."""
        return len(self._sent)

    @property
    def needs_refill(self) -> bool:
        """Whether the front is used up and there may be more in the engine."""
        return not self._waiting and self.horizon is not None

    def push(self, key: Key) -> None:
        """An alert has newly been logged for this agency."""
        if self.horizon is not None and key > self.horizon and not self._refilling:
            return  # it is found in the engine when the front gets there
        self._add(key)
        if not self._refilling:
            self._trim()

    def begin_refill(self) -> Key:
        """The key after which the engine is to be asked. Until `refill`, pushes are kept wherever they lie."""
        self._refilling = True
        return self.horizon or START

    def refill(self, found: Iterable[Key], *, more: bool) -> None:
        """Take what the engine found; `more` says that its answer was cut off at the last one."""
        self._refilling = False
        last = self.horizon or START
        for key in found:
            last = key
            self._add(key)
        self.horizon = last if more else None
        self._trim()

    def take(self, limit: int, *, slow: int | None = None) -> list[Key]:
        """The next alerts to send, at most `limit`; none while too many sent ones are without a receipt.

        Urgent ones go without company. Of the others there are at most `slow`, where that is given.
        """
        taken: list[Key] = []
        limit = min(limit, MAX_CREDIT - len(self._sent))
        slow = limit if slow is None else min(limit, slow)
        while self._heap:
            urgent = self._heap[0][0] < URGENT
            if len(taken) >= (limit if urgent else slow) or (taken and taken[0][0] < URGENT and not urgent):
                break
            key = heapq.heappop(self._heap)
            if self._waiting.get(key[1]) == key:
                del self._waiting[key[1]]
                self._sent.add(key[1])
                taken.append(key)
        return taken

    def put_back(self, keys: Iterable[Key]) -> None:
        """These were taken but not sent after all."""
        for key in keys:
            if key[1] in self._sent:
                self._sent.remove(key[1])
                self._add(key)

    def settle(self, index: int) -> None:
        """The alert has a receipt, was withdrawn, or has expired: it is not to be sent any more."""
        self._sent.discard(index)
        self._waiting.pop(index, None)

    def _add(self, key: Key) -> None:
        if key[1] not in self._waiting and key[1] not in self._sent:
            self._waiting[key[1]] = key
            heapq.heappush(self._heap, key)
            if len(self._heap) > 2 * self._capacity + len(self._waiting):  # what was settled while it waited
                self._heap = sorted(self._waiting.values())

    def _trim(self) -> None:
        """Leave the later part of an overlong front to the engine."""
        if len(self._waiting) <= self._capacity:
            return
        kept = sorted(self._waiting.values())[: self._capacity // 2]
        self._heap, self._waiting = kept, {key[1]: key for key in kept}
        self.horizon = kept[-1]
