"""Merkle trees grown leaf by leaf, and the textbook definition of their roots to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.log.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash


def textbook_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word, over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(textbook_root(leaves[:split]), textbook_root(leaves[split:]))


@dataclass
class Tree:
    """A tree with all its nodes in memory; `read` is a HashReader, ``roots[n]`` the root of its first n leaves."""

    leaves: list[bytes] = field(default_factory=list)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    roots: list[bytes] = field(default_factory=lambda: [EMPTY_ROOT])
    frontier: Frontier = field(default_factory=Frontier)

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def append(self, entry: bytes) -> None:
        self.leaves.append(leaf_hash(entry))
        for level, index, node in self.frontier.append(self.leaves[-1]):
            self.nodes[level, index] = node
        self.roots.append(self.frontier.root())


def grow(size: int) -> Tree:
    """A tree of ``size`` leaves, each with the decimal text of its index."""
    tree = Tree()
    for index in range(size):
        tree.append(str(index).encode())
    return tree
