"""A segment of the log: leaf hashes from some size on, out of which any proof from there on can be made.

Whoever holds an older checkpoint than the file's, of any size from the segment's start on, finds by itself the proof
that the newer one continues it. So files can come in any order, and whoever wrote them need not know which have come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas.carrier.records import MAX_LEAVES, Segment
from schemas.errors import CarrierDamaged
from schemas.limits import MAX_SEGMENT
from schemas.log.merkle import HASH_SIZE, HashReader, node_hash, prove_consistency, root


class Leaves:
    """The segments of one file, put together."""

    def __init__(self) -> None:
        self.start = 0
        self._known: dict[tuple[int, int], bytes] = {}
        self._leaves = bytearray()
        self._begun = False

    @property
    def end(self) -> int:
        """Up to which log size the leaves are here."""
        return self.start + len(self._leaves) // HASH_SIZE

    @property
    def begun(self) -> bool:
        """Whether there is any segment."""
        return self._begun

    def add(self, segment: Segment) -> None:
        """Take in the next segment. Raises `CarrierDamaged` when it does not go on where the last one ended."""
        if not self._begun:
            places = list(_peaks(segment.start))
            if len(places) != len(segment.frontier):
                raise CarrierDamaged(f"a log of {segment.start} entries has {len(places)} whole subtrees")
            self.start, self._known, self._begun = segment.start, dict(zip(places, segment.frontier, strict=True)), True
        elif segment.start != self.end or segment.frontier:
            raise CarrierDamaged("a segment does not go on where the one before it ended")
        if self.end - self.start + len(segment.leaves) // HASH_SIZE > MAX_SEGMENT:
            raise CarrierDamaged(f"the segments have more than {MAX_SEGMENT} leaves")
        self._leaves += segment.leaves

    def root(self, size: int) -> bytes:
        """The root of the log of `size` entries, which is from `start` to `end`."""
        return root(size, self.read)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the tree of `new` entries continues that of `old`, both from `start` to `end`."""
        return tuple(prove_consistency(old, new, self.read))

    def read(self, level: int, index: int) -> bytes:
        """The root of a whole subtree; see `HashReader`."""
        first, last = index << level, (index + 1) << level
        if last <= self.start:
            return self._known[level, index]
        if level == 0:
            place = (first - self.start) * HASH_SIZE
            return bytes(self._leaves[place : place + HASH_SIZE])
        return node_hash(self.read(level - 1, 2 * index), self.read(level - 1, 2 * index + 1))


def segments(start: int, end: int, read: HashReader, leaves: Callable[[int, int], bytes]) -> Iterator[Segment]:
    """The segments from log size `start` to `end`; `leaves(first, last)` gives leaf hashes one after the other."""
    frontier = tuple(read(level, index) for level, index in _peaks(start))
    first = start
    while first < end or first == start:
        last = min(end, first + MAX_LEAVES)
        yield Segment(first, frontier, leaves(first, last))
        if last == end:
            return
        first, frontier = last, ()


def _peaks(size: int) -> Iterator[tuple[int, int]]:
    """Level and index of the largest whole subtrees of a log of `size` entries, from the left."""
    place = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            yield level, place >> level
            place += 1 << level
