"""Paths brought from a tree to a larger one: they are those that the log itself would give."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadProof
from schemas.log.checkpoint import Checkpoint
from schemas.log.growth import Growth
from schemas.log.merkle import prove_consistency, prove_inclusion, verify_inclusion
from tests.support.trees import Tree

SIZE = 70
TREE = Tree()
for _number in range(SIZE):
    TREE.append(bytes((_number,)))
OTHER = b"o" * 32


def head(size: int) -> Checkpoint:
    return Checkpoint("log.example", size, TREE.roots[size])


def growth(old: int, new: int) -> Growth:
    return Growth(head(old), head(new), prove_consistency(old, new, TREE.read))


def path(index: int, size: int) -> tuple[bytes, ...]:
    return tuple(prove_inclusion(index, size, TREE.read))


def test_every_leaf_from_every_tree_to_every_larger_one() -> None:
    for new in range(1, SIZE + 1):
        paths = [path(index, new) for index in range(new)]
        for old in range(1, new + 1):
            grown = growth(old, new)
            assert [grown.bring(index, path(index, old)) for index in range(old)] == paths[:old]


def included(index: int, size: int, hashes: Sequence[bytes]) -> bool:
    try:
        verify_inclusion(TREE.leaves[index], index, size, hashes, TREE.roots[size])
    except BadProof:
        return False
    return True


@given(st.data())
def test_a_leaf_that_is_not_proven_in_the_one_is_not_in_the_other(data: st.DataObject) -> None:
    old = data.draw(st.integers(1, SIZE))
    new = data.draw(st.integers(old, SIZE))
    index = data.draw(st.integers(0, old - 1))
    hashes = list(path(data.draw(st.sampled_from([index, data.draw(st.integers(0, old - 1))])), old))
    for at in data.draw(st.lists(st.integers(0, 8), max_size=2)):
        hashes[at : at + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from([[], [OTHER], [TREE.leaves[3]]]))
    try:
        brought = growth(old, new).bring(index, hashes)
    except BadProof:
        assert not included(index, old, hashes)
    else:
        assert included(index, new, brought) == included(index, old, hashes)


def test_a_leaf_beyond_the_smaller_tree_is_refused() -> None:
    for index in (-1, 8, 9, 70):
        with pytest.raises(BadProof, match=f"leaf {index} cannot be in a tree of 8"):
            growth(8, 11).bring(index, path(7, 8))


def test_what_did_not_grow_so_is_refused() -> None:
    proof = prove_consistency(5, 11, TREE.read)
    with pytest.raises(BadProof):
        Growth(head(5), Checkpoint("log.example", 11, OTHER), proof)
    with pytest.raises(BadProof):
        Growth(head(6), head(11), proof)
    with pytest.raises(BadProof):
        Growth(head(11), head(5), proof)


def test_an_empty_tree_proves_nothing() -> None:
    with pytest.raises(BadProof, match="proves nothing"):
        Growth(head(0), head(5), ())
