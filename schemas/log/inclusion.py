"""Inclusion proofs of one leaf after another in the same tree: what two paths have in common is hashed once.

Leaves that stand near each other share most of their paths. Once one of them is proven, every inner node above it is
known, and the next path need only lead to one of these nodes, and be the same from there on.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from schemas.log.merkle import HASH_SIZE, verify_inclusion

_HASHES: Final = frozenset({HASH_SIZE})


class _Proven(NamedTuple):
    """A leaf that was proven, by its index: its path, and the nodes from itself up to the right edge of the tree."""

    leaf: int
    path: tuple[bytes, ...]
    nodes: tuple[bytes, ...]


class InclusionChecker:
    """Proves leaves of the tree of ``size`` and ``root``. Threads may share one: all it holds is replaced at once."""

    __slots__ = ("_proven", "_root", "_size")

    def __init__(self, size: int, root: bytes) -> None:
        self._size = size
        self._root = root
        self._proven: _Proven | None = None

    def check(self, leaf: bytes, index: int, path: Sequence[bytes]) -> None:
        """As `schemas.log.merkle.verify_inclusion`, whose verdict it is. Raises `BadProof`."""
        proven = self._beside(leaf, index, path) or self._alone(leaf, index, path)
        if proven is None:
            verify_inclusion(leaf, index, self._size, path, self._root)
        else:
            self._proven = proven

    def _beside(self, leaf: bytes, index: int, path: Sequence[bytes]) -> _Proven | None:
        """Proven by the leaf proven before; None where that does not show it."""
        before = self._proven
        if before is None or not 0 <= index < self._size:
            return None
        apart = (index ^ before.leaf).bit_length()
        rest = tuple(path[apart:])
        # Up to the right edge every node is above as many leaves as its level says, so both paths have it at one place.
        if apart > min(self._inner(index), len(before.nodes) - 1) or rest != before.path[apart:]:
            return None
        own = tuple(path[:apart])
        nodes = _climb(leaf, index, own)
        if nodes is None or nodes[-1] != before.nodes[apart]:
            return None
        return _Proven(index, own + rest, (*nodes[:-1], *before.nodes[apart:]))

    def _alone(self, leaf: bytes, index: int, path: Sequence[bytes]) -> _Proven | None:
        """Proven by its whole path; None where there may be anything wrong."""
        if not 0 <= index < self._size:
            return None
        inner = self._inner(index)
        if len(path) != inner + (index >> inner).bit_count():
            return None
        nodes = _climb(leaf, index, path[:inner])
        if nodes is None or not _HASHES.issuperset(map(len, path[inner:])):
            return None
        computed = nodes[-1]
        for left in path[inner:]:
            computed = sha256(b"\x01" + left + computed).digest()
        return _Proven(index, tuple(path), tuple(nodes)) if computed == self._root else None

    def _inner(self, index: int) -> int:
        """How many levels a path climbs before it comes to the right edge, where only left siblings follow."""
        return (index ^ (self._size - 1)).bit_length()


def _climb(leaf: bytes, index: int, path: Sequence[bytes]) -> list[bytes] | None:
    """The nodes from a leaf upwards, itself first; None if a hash has another length."""
    if len(leaf) != HASH_SIZE or not _HASHES.issuperset(map(len, path)):
        return None
    nodes = [leaf]
    computed = leaf
    for sibling in path:
        pair = sibling + computed if index & 1 else computed + sibling
        computed = sha256(b"\x01" + pair).digest()
        nodes.append(computed)
        index >>= 1
    return nodes
