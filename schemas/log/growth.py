"""A tree that grew into a larger one: an inclusion path in the smaller one becomes one in the larger, without the log.

A leaf's path climbs first to the root of the perfect part of the smaller tree that holds it. That part stands in the
larger tree too, and the consistency proof between them names every one of these parts, or lets it be computed, with
what stands above it in either tree. So the rest of the path is exchanged, and the leaf itself need not be known.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import BadProof
from schemas.log.checkpoint import Checkpoint
from schemas.log.merkle import node_hash, verify_consistency


class Growth:
    """That the tree of ``new`` begins with the leaves of the tree of ``old``, which is not empty, by the ``proof``.

    Raises `BadProof`.
    """

    __slots__ = ("_above", "_size")

    def __init__(self, old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
        verify_consistency(old.size, old.root, new.size, new.root, proof)
        if old.size == 0:
            raise BadProof("an empty tree proves nothing")
        self._size = old.size
        self._above = _above(old, new, proof) if old.size < new.size else None

    def bring(self, index: int, path: Sequence[bytes]) -> tuple[bytes, ...]:
        """The path of leaf ``index`` in the larger tree, from the one in the smaller. Raises `BadProof`.

        A leaf is in the larger tree by the path returned if, and only if, it is in the smaller by the one given.
        """
        if self._above is None:
            return tuple(path)
        if not 0 <= index < self._size:
            raise BadProof(f"leaf {index} cannot be in a tree of {self._size}")
        level = (index ^ self._size).bit_length() - 1  # of the perfect part: where the index is below the size
        old, new = self._above[level]
        if tuple(path[level:]) != old:
            raise BadProof(f"the proof does not lead from leaf {index} to the root of {self._size}")
        return (*path[:level], *new)


_Above = dict[int, tuple[tuple[bytes, ...], tuple[bytes, ...]]]
"""By the level of a perfect part of the smaller tree: the siblings above it in the smaller tree and in the larger."""


def _above(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> _Above:
    """By a consistency proof that was verified: the walk is that of RFC 9162 section 2.1.4.2."""
    level = (old.size & -old.size).bit_length() - 1
    node, last = (old.size >> level) - 1, (new.size - 1) >> level
    small = large = proof[0] if node else old.root
    steps = tuple(proof[1:] if node else proof)
    parts: list[tuple[int, int, bytes | None, bytes | None]] = [(level, 0, None, None)]
    lefts: list[tuple[int, bytes]] = []
    for number, sibling in enumerate(steps, start=1):
        if node & 1 or node == last:
            while not node & 1:
                node, last, level = node >> 1, last >> 1, level + 1
            parts.append((level, number, small, large))
            lefts.append((number, sibling))
            small, large = node_hash(sibling, small), node_hash(sibling, large)
        else:
            large = node_hash(large, sibling)
        node, last, level = node >> 1, last >> 1, level + 1
    return {
        level: (
            (*(() if small is None else (small,)), *(left for place, left in lefts if place > number)),
            (*(() if large is None else (large,)), *steps[number:]),
        )
        for level, number, small, large in parts
    }
