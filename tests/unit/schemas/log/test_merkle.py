from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadProof
from schemas.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    prove_subtree_consistency,
    root,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)
from tests.support.trees import Tree, grow, textbook_root

SIZE = 70
TREE = grow(SIZE)
OTHER = hashlib.sha256(b"other").digest()

# The eight leaves and the roots by size of transparency-dev/merkle testonly/constants.go, first and last hex digits.
KNOWN_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOTS = ["e3b0c442…b855", "6e340b9c…a01d", "fac54203…c125", "aeb6bcfe…6e77", "d37ee418…14b7"]
KNOWN_ROOTS += ["4e3bbb1f…64d4", "76e67dad…87ef", "ddb89be4…4c8c", "5dc9da79…4328"]


def test_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"L123456").hex().startswith("395aa064")
    assert leaf_hash(b"L123456").hex().endswith("4d56")
    assert node_hash(b"N123", b"N456").hex().startswith("aa217fe8")
    assert node_hash(b"N123", b"N456").hex().endswith("6bbb")


def test_roots_are_the_published_ones() -> None:
    tree = Tree()
    for leaf in KNOWN_LEAVES:
        tree.append(bytes.fromhex(leaf))
    for found, known in zip(tree.roots, KNOWN_ROOTS, strict=True):
        start, end = known.split("…")
        assert found.hex().startswith(start)
        assert found.hex().endswith(end)


@pytest.mark.parametrize("size", range(SIZE + 1))
def test_frontier_and_reader_give_the_textbook_root(size: int) -> None:
    assert TREE.roots[size] == textbook_root(TREE.leaves[:size]) == root(size, TREE.read)


@pytest.mark.parametrize("size", range(SIZE + 1))
def test_every_inclusion_and_consistency_proof_of_a_size_holds(size: int) -> None:
    for index in range(size):
        path = prove_inclusion(index, size, TREE.read)
        verify_inclusion(TREE.leaves[index], index, size, path, TREE.roots[size])
    for old in range(size + 1):
        path = prove_consistency(old, size, TREE.read)
        verify_consistency(old, TREE.roots[old], size, TREE.roots[size], path)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 21, 33, 64, SIZE])
def test_every_subtree_proof_of_a_size_holds(size: int) -> None:
    for start in range(size):
        for end in range(start + 1, size + 1):
            if start % (1 << (end - start - 1).bit_length()):
                with pytest.raises(BadProof, match="no subtree"):
                    prove_subtree_consistency(start, end, size, TREE.read)
                continue
            small = textbook_root(TREE.leaves[start:end])
            path = prove_subtree_consistency(start, end, size, TREE.read)
            verify_subtree_consistency(small, TREE.roots[size], path, start=start, end=end, size=size)
            inside = grow(0)
            for leaf in TREE.leaves[start:end]:
                for level, index, node in inside.frontier.append(leaf):
                    inside.nodes[level, index] = node
            last = prove_inclusion(end - start - 1, end - start, inside.read)
            verify_subtree_inclusion(TREE.leaves[end - 1], end - 1, last, small, start=start, end=end)


sizes = st.integers(1, SIZE)


@given(sizes, st.data())
def test_an_inclusion_proof_holds_for_nothing_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = prove_inclusion(index, size, TREE.read)
    leaf, top = TREE.leaves[index], TREE.roots[size]
    wrong: list[tuple[bytes, int, int, list[bytes], bytes]] = [
        (OTHER, index, size, path, top),
        (leaf, index, size, path, OTHER),
        (leaf, index, size, [*path, OTHER], top),
        (leaf, index, size, [*path[:-1], OTHER] if path else [OTHER], top),
        (leaf, size, size, path, top),
        (leaf, -1, size, path, top),
        (leaf[:-1], index, size, path, top),
        (leaf, index, size, path, top + b"\0"),
        (leaf, index, size, [*path, b""], top),
    ]
    if path:
        wrong += [(leaf, index, size, path[:-1], top), (leaf, index ^ 1, size, path, top)]
    for case in wrong:
        with pytest.raises(BadProof):
            verify_inclusion(*case)


@given(sizes, st.data())
def test_a_consistency_proof_holds_for_nothing_else(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    path = prove_consistency(old, size, TREE.read)
    wrong: list[tuple[int, bytes, int, bytes, list[bytes]]] = [
        (old, OTHER, size, TREE.roots[size], path),
        (old, TREE.roots[old], size, OTHER, path),
        (old, TREE.roots[old], size, TREE.roots[size], [*path, OTHER]),
        (size + 1, TREE.roots[old], size, TREE.roots[size], path),
        (-1, TREE.roots[old], size, TREE.roots[size], path),
    ]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        wrong.append((old, TREE.roots[old], size, TREE.roots[size], [*path[:at], OTHER, *path[at + 1 :]]))
        wrong.append((old, TREE.roots[old], size, TREE.roots[size], path[:-1]))
    for case in wrong:
        with pytest.raises(BadProof):
            verify_consistency(*case)


def test_an_empty_old_tree_needs_the_empty_root_and_an_empty_proof() -> None:
    verify_consistency(0, EMPTY_ROOT, 5, TREE.roots[5], [])
    with pytest.raises(BadProof, match="empty root"):
        verify_consistency(0, OTHER, 5, TREE.roots[5], [])
    with pytest.raises(BadProof, match="must be empty"):
        verify_consistency(0, EMPTY_ROOT, 5, TREE.roots[5], [OTHER])
    with pytest.raises(BadProof, match="new tree is empty"):
        verify_consistency(0, EMPTY_ROOT, 0, OTHER, [])


def test_two_roots_of_one_size_are_refused() -> None:
    with pytest.raises(BadProof, match="different roots"):
        verify_consistency(7, TREE.roots[7], 7, OTHER, [])


def test_a_missing_consistency_proof_is_too_short() -> None:
    with pytest.raises(BadProof, match="too short"):
        verify_consistency(3, TREE.roots[3], 5, TREE.roots[5], [])


def test_subtrees_out_of_range_are_refused() -> None:
    with pytest.raises(BadProof, match="cannot be in a tree"):
        verify_subtree_consistency(OTHER, OTHER, [], start=4, end=8, size=6)
    with pytest.raises(BadProof, match="cannot be in a tree"):
        prove_subtree_consistency(4, 8, 6, TREE.read)
    with pytest.raises(BadProof, match="cannot be in the subtree"):
        verify_subtree_inclusion(OTHER, 8, [], OTHER, start=4, end=8)
    with pytest.raises(BadProof, match="no subtree"):
        verify_subtree_inclusion(OTHER, 2, [], OTHER, start=1, end=3)


def test_an_empty_subtree_has_the_empty_root() -> None:
    verify_subtree_consistency(EMPTY_ROOT, OTHER, [], start=3, end=3, size=5)
    with pytest.raises(BadProof, match="empty subtree"):
        verify_subtree_consistency(OTHER, OTHER, [], start=3, end=3, size=5)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_inclusion_proof_is_made_out_of_range(index: int, size: int) -> None:
    with pytest.raises(BadProof):
        prove_inclusion(index, size, TREE.read)


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_no_consistency_proof_is_made_out_of_range(old: int, new: int) -> None:
    with pytest.raises(BadProof):
        prove_consistency(old, new, TREE.read)


@given(st.integers(0, SIZE))
def test_a_frontier_resumes_from_its_hashes_and_from_a_reader(size: int) -> None:
    resumed = Frontier.read(size, TREE.read)
    again = Frontier(size, resumed.hashes)
    copied = again.copy()
    for leaf in TREE.leaves[size:]:
        again.append(leaf)
    assert again.root() == TREE.roots[SIZE]
    assert (copied.size, copied.root()) == (size, TREE.roots[size])


@pytest.mark.parametrize(("size", "hashes"), [(3, [OTHER]), (0, [OTHER]), (1, []), (-1, [OTHER]), (1, [b"short"])])
def test_a_frontier_refuses_what_does_not_fit(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(BadProof):
        Frontier(size, hashes)


def test_append_names_the_subtrees_it_completes() -> None:
    frontier = Frontier()
    completed = [[(level, index) for level, index, _ in frontier.append(leaf)] for leaf in TREE.leaves[:4]]
    assert completed == [[(0, 0)], [(0, 1), (1, 0)], [(0, 2)], [(0, 3), (1, 1), (2, 0)]]


# -- what only a changed line would let through ------------------------------------------------------------------------


def test_a_subtree_is_climbed_past_a_left_neighbour_of_the_right_edge() -> None:
    """In this shape the walk leaves a run of left siblings inside the subtree and has another such sibling above."""
    start, end, size = 32, 53, 54
    path = prove_subtree_consistency(start, end, size, TREE.read)
    small = textbook_root(TREE.leaves[start:end])
    verify_subtree_consistency(small, TREE.roots[size], path, start=start, end=end, size=size)
    with pytest.raises(BadProof, match="does not lead"):
        verify_subtree_consistency(OTHER, TREE.roots[size], path, start=start, end=end, size=size)


@pytest.mark.parametrize("place", [0, 4, 8])
def test_there_is_no_proof_of_an_empty_subtree(place: int) -> None:
    with pytest.raises(BadProof, match="no subtree"):
        prove_subtree_consistency(place, place, 8, TREE.read)


def test_bytes_cannot_move_between_a_leaf_and_its_sibling() -> None:
    """Hashing joins the two, so that only their lengths keep another split from giving the same root."""
    left, right = TREE.leaves[:2]
    for cut in (1, 31):
        with pytest.raises(BadProof, match="32 bytes"):
            verify_inclusion(left[:cut], 0, 2, [left[cut:] + right], TREE.roots[2])
        with pytest.raises(BadProof, match="32 bytes"):
            verify_consistency(1, left[:cut], 2, TREE.roots[2], [left[cut:] + right])
        with pytest.raises(BadProof, match="32 bytes"):
            verify_subtree_consistency(left[:cut], TREE.roots[2], [left[cut:] + right], start=0, end=1, size=2)


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda: verify_inclusion(OTHER, 5, 5, [], OTHER), "leaf 5 cannot be in a tree of 5"),
        (lambda: verify_inclusion(OTHER, 0, 1, [OTHER], OTHER), "the inclusion proof is too long"),
        (lambda: verify_inclusion(OTHER, 0, 2, [], OTHER), "the proof does not lead from leaf 0 to the root of 2"),
        (lambda: verify_consistency(3, OTHER, 2, OTHER, []), "a tree of 2 cannot continue a tree of 3"),
        (
            lambda: verify_consistency(0, OTHER, 2, OTHER, []),
            "the old tree is empty, but its root is not the empty root",
        ),
        (
            lambda: verify_consistency(0, EMPTY_ROOT, 0, OTHER, []),
            "the new tree is empty, but its root is not the empty root",
        ),
        (lambda: verify_consistency(3, OTHER, 4, OTHER, []), "the consistency proof is too short"),
        (lambda: verify_consistency(2, OTHER, 4, OTHER, [OTHER] * 2), "the consistency proof is too long"),
        (
            lambda: verify_consistency(2, OTHER, 4, OTHER, [OTHER]),
            "the proof does not lead from leaves 0 to 2 to the root of 4",
        ),
        (
            lambda: verify_subtree_consistency(OTHER, OTHER, [], start=0, end=0, size=2),
            "an empty subtree has the empty root and an empty proof",
        ),
        (lambda: prove_inclusion(2, 2, TREE.read), "leaf 2 cannot be in a tree of 2"),
        (lambda: prove_consistency(3, 2, TREE.read), "a tree of 2 cannot continue a tree of 3"),
        (lambda: Frontier(3, [OTHER]), "a tree of 3 has 2 perfect parts, not 1"),
    ],
)
def test_every_refusal_says_what_is_wrong(attempt: Callable[[], object], sentence: str) -> None:
    with pytest.raises(BadProof) as caught:
        attempt()
    assert caught.value.message == sentence
