"""Leaves proven one after another: the verdict is each time that of a leaf alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadProof
from schemas.log import inclusion as inclusion_module
from schemas.log.inclusion import InclusionChecker
from schemas.log.merkle import prove_inclusion, verify_inclusion
from tests.support.trees import Tree

TREE = Tree()
for _number in range(70):
    TREE.append(bytes((_number,)))
OTHER = b"o" * 32


def alone(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> str | None:
    """What is wrong with it."""
    try:
        verify_inclusion(leaf, index, size, path, TREE.roots[size])
    except BadProof as error:
        return error.message
    return None


def asked(checker: InclusionChecker, leaf: bytes, index: int, path: Sequence[bytes]) -> str | None:
    try:
        checker.check(leaf, index, path)
    except BadProof as error:
        return error.message
    return None


def test_every_leaf_after_every_other() -> None:
    for size in (1, 2, 3, 5, 8, 21, 64, 70):
        paths = [prove_inclusion(index, size, TREE.read) for index in range(size)]
        for first in range(size):
            for second in range(size):
                checker = InclusionChecker(size, TREE.roots[size])
                checker.check(TREE.leaves[first], first, paths[first])
                checker.check(TREE.leaves[second], second, tuple(paths[second]))


def test_what_is_shared_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    checker = InclusionChecker(70, TREE.roots[70])
    checker.check(TREE.leaves[40], 40, prove_inclusion(40, 70, TREE.read))
    monkeypatch.delattr(InclusionChecker, "_alone")
    monkeypatch.delattr(inclusion_module, "verify_inclusion")
    for index in (40, 41, 44, 10, 63, 0):
        checker.check(TREE.leaves[index], index, prove_inclusion(index, 70, TREE.read))


@given(st.integers(1, 70), st.data())
def test_however_a_leaf_is_proven_the_verdict_is_the_same(size: int, data: st.DataObject) -> None:
    checker = InclusionChecker(size, TREE.roots[size])
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, size - 1))
        leaf, path = TREE.leaves[index], prove_inclusion(index, size, TREE.read)
        match data.draw(st.integers(0, 8)):
            case 0 if path:
                path[data.draw(st.integers(0, len(path) - 1))] = data.draw(st.sampled_from([OTHER, b"", OTHER + b"x"]))
            case 1:
                path.append(OTHER)
            case 2 if path:
                path.pop()
            case 3:
                leaf = data.draw(st.sampled_from([OTHER, b"", leaf + b"x", leaf[1:]]))
            case 4:
                index = data.draw(st.integers(-1, 71))
            case 5 if path:
                path[-1] = path[-1][1:]
            case 6:
                path = path[1:]
        assert asked(checker, leaf, index, path) == alone(leaf, index, size, path)


def test_a_path_that_differs_only_where_the_other_was_proven_is_refused() -> None:
    paths = [prove_inclusion(index, 70, TREE.read) for index in range(64)]
    for level in range(7):
        for wrong in (OTHER, OTHER[1:], b""):
            checker = InclusionChecker(70, TREE.roots[70])
            checker.check(TREE.leaves[40], 40, paths[40])
            path = [*paths[41][:level], wrong, *paths[41][level + 1 :]]
            with pytest.raises(BadProof):
                checker.check(TREE.leaves[41], 41, path)
            with pytest.raises(BadProof):
                checker.check(TREE.leaves[41], 41, [*paths[41], wrong])
            checker.check(TREE.leaves[41], 41, paths[41])


def test_nothing_that_was_refused_proves_anything() -> None:
    paths = [prove_inclusion(index, 70, TREE.read) for index in range(64)]
    checker = InclusionChecker(70, TREE.roots[70])
    for _ in range(2):
        with pytest.raises(BadProof):
            checker.check(OTHER, 40, paths[40])
        with pytest.raises(BadProof):
            checker.check(OTHER, 40, [OTHER, *paths[40][1:]])


def test_parts_of_a_node_cut_at_another_place_are_refused() -> None:
    path = prove_inclusion(0, 2, TREE.read)
    both = TREE.leaves[0] + path[0]
    for cut in (31, 33):
        checker = InclusionChecker(2, TREE.roots[2])
        with pytest.raises(BadProof, match="32 bytes"):
            checker.check(both[:cut], 0, [both[cut:]])
