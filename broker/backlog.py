"""What waits for a block: by precedence, then from each agency in turn, and no more than is bounded.

Above the bound, what is not urgent is refused early, and told when to come again, unless its agency has nothing
waiting: so those who fill the queue are the ones who are refused. Up to twice the bound is kept in reserve for them,
and for `flash` and `immediate`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from schemas.envelope.peek import LAST
from schemas.envelope.words import URGENT
from schemas.errors import Overloaded

Item = TypeVar("Item")

_OWN: Final = ""
"""The hub's own work, which is bounded where it is made."""


@dataclass(slots=True)
class _Lane(Generic[Item]):
    """What waits in one rank: a queue for each agency, in the order in which they have their turn."""

    queues: OrderedDict[str, deque[tuple[Item, int]]] = field(default_factory=OrderedDict)

    def put(self, agency: str, item: Item, size: int) -> None:
        self.queues.setdefault(agency, deque()).append((item, size))

    def take(self) -> tuple[str, Item, int]:
        agency, queue = self.queues.popitem(last=False)
        item, size = queue.popleft()
        if queue:
            self.queues[agency] = queue
        return agency, item, size


class Backlog(Generic[Item]):
    """The queue in front of the writer. `max_pieces` and `max_bytes` are its bound, twice as much its reserve."""

    def __init__(self, *, max_pieces: int, max_bytes: int) -> None:
        self._max_pieces = max_pieces
        self._max_bytes = max_bytes
        self._lanes: tuple[_Lane[Item], ...] = tuple(_Lane() for _ in range(LAST + 1))
        self._waiting: dict[str, int] = {}
        self.pieces = 0
        self.bytes = 0

    @property
    def urgent(self) -> bool:
        """Whether anything urgent waits."""
        return any(lane.queues for lane in self._lanes[:URGENT])

    def put(self, agency: str, rank: int, size: int, item: Item, *, retry_after: int) -> None:
        """Keep `item` of about `size` bytes. Raises `Overloaded`, with `retry_after` (ms)."""
        if agency != _OWN and not self._has_room(agency, rank, size):
            raise Overloaded(
                f"{self.pieces} submissions of {self.bytes} bytes wait for the log", retry_after=retry_after
            )
        self._lanes[rank].put(agency, item, size)
        self._waiting[agency] = self._waiting.get(agency, 0) + 1
        self.pieces += 1
        self.bytes += size

    def _has_room(self, agency: str, rank: int, size: int) -> bool:
        pieces, total = self.pieces + 1, self.bytes + size
        if pieces <= self._max_pieces and total <= self._max_bytes:
            return True
        if pieces > 2 * self._max_pieces or total > 2 * self._max_bytes:
            return False
        return rank < URGENT or agency not in self._waiting

    def take(self, *, max_pieces: int, max_bytes: int, ranks: int = LAST + 1) -> list[Item]:
        """The next ones of the first so many `ranks`: the urgent first, one piece from each agency in turn."""
        taken: list[Item] = []
        room = max_bytes
        for lane in self._lanes[:ranks]:
            while lane.queues and len(taken) < max_pieces and room > 0:
                agency, item, size = lane.take()
                taken.append(item)
                room -= size
                self._forget(agency, size)
        return taken

    def drain(self) -> list[Item]:
        """Everything, and nothing is left."""
        return self.take(max_pieces=self.pieces, max_bytes=self.bytes + 1)

    def _forget(self, agency: str, size: int) -> None:
        self.pieces -= 1
        self.bytes -= size
        left = self._waiting.pop(agency) - 1
        if left:
            self._waiting[agency] = left
