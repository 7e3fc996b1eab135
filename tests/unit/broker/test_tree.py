"""The tree: the same roots and proofs as a tree kept whole, in memory that does not grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.tree import FRESH_TILES, TILE_WIDTH, Tree
from schemas.errors import Missing, StorageTampered
from schemas.limits import CACHED_TILES
from schemas.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(b"%d" % number) for number in range(3 * TILE_WIDTH)]
Store = dict[tuple[int, int], bytes]


def grow(tree: Tree, store: Store, leaves: list[bytes]) -> None:
    growth = tree.extend(leaves)
    store |= {(level, index): data for level, index, data in growth.tiles}
    tree.accept(growth)


def grown(sizes: list[int]) -> tuple[Tree, Store]:
    store: Store = {}
    tree = Tree(lambda level, index: store.get((level, index)))
    for size in sizes:
        grow(tree, store, LEAVES[tree.size : tree.size + size])
    return tree, store


def reference_root(size: int) -> bytes:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    return frontier.root()


def test_an_empty_tree() -> None:
    assert (Tree(lambda _level, _index: None).size, Tree(lambda _level, _index: None).root()) == (0, EMPTY_ROOT)


@given(st.lists(st.integers(0, 200), max_size=8), st.data())
def test_roots_and_proofs_however_it_grew(sizes: list[int], data: st.DataObject) -> None:
    tree, store = grown([size for size in sizes if sum(sizes) <= len(LEAVES)])
    size = tree.size
    assert tree.root() == reference_root(size)
    restored = Tree(lambda level, index: store.get((level, index)))
    restored.restore(size, LEAVES[size - size % TILE_WIDTH : size])
    assert restored.root() == tree.root()
    if size:
        index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
        for each in (tree, restored):
            path = prove_inclusion(index, size, each.read)
            verify_inclusion(LEAVES[index], index, size, path, tree.root())
            older = root(old, each.read) if old else EMPTY_ROOT
            verify_consistency(old, older, size, tree.root(), prove_consistency(old, size, each.read))


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8), st.data())
def test_what_is_in_memory_is_what_a_reader_finds(sizes: list[int], data: st.DataObject) -> None:
    tree, store = grown([size for size in sizes if sum(sizes) <= len(LEAVES)])
    size = tree.size
    if size:
        index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
        store.clear()
        held = Tree(lambda _level, _index: None)
        held._frontier, held._edge, held._fresh = tree._frontier, tree._edge, tree._fresh
        path = prove_inclusion(index, size, held.read_held)
        verify_inclusion(LEAVES[index], index, size, path, tree.root())
        older = root(old, held.read_held) if old else EMPTY_ROOT
        verify_consistency(old, older, size, tree.root(), prove_consistency(old, size, held.read_held))


def test_only_the_newest_full_tiles_are_held() -> None:
    store: Store = {}
    tree = Tree(lambda level, index: store.get((level, index)))
    for _ in range(FRESH_TILES + 2):
        grow(tree, store, LEAVES[:TILE_WIDTH])
    with pytest.raises(LookupError):
        tree.read_held(0, 3)
    last = (FRESH_TILES + 2) * TILE_WIDTH - 1
    assert tree.read_held(0, last) == tree.read(0, last)
    assert len(tree._fresh) == FRESH_TILES
    tree.read(0, 3)
    assert tree.read_held(0, 3) == tree.read(0, 3)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 600])
def test_tiles_of_every_width(size: int) -> None:
    tree, store = grown([size])
    for index in range(size // TILE_WIDTH):
        assert store[0, index] == tree.tile(0, index, TILE_WIDTH)
    last, width = divmod(size, TILE_WIDTH)
    expected = b"".join(LEAVES[last * TILE_WIDTH : size])
    assert tree.tile(0, last, width) == expected if width else True
    with pytest.raises(Missing):
        tree.tile(0, last, width + 1)
    assert tree.tile(0, 0, 1) == LEAVES[0]
    if size >= TILE_WIDTH:
        assert tree.tile(1, 0, 1) == root(TILE_WIDTH, tree.read)
        assert tree.tile(0, 0, 7) == b"".join(LEAVES[:7])


def test_growth_that_is_not_accepted_changes_nothing() -> None:
    tree, _ = grown([300])
    before = tree.root()
    growth = tree.extend(LEAVES[300:600])
    assert (tree.size, tree.root(), tree.read(0, 299)) == (300, before, LEAVES[299])
    assert (growth.size, growth.root()) == (600, reference_root(600))


def test_memory_stays_flat() -> None:
    store: Store = {}
    tree = Tree(lambda level, index: store.get((level, index)))
    for _ in range(2 * CACHED_TILES):
        grow(tree, store, LEAVES[:TILE_WIDTH])
    for tile in range(2 * CACHED_TILES):
        tree.read(3, tile * TILE_WIDTH >> 3)
    assert len(tree._cache) == CACHED_TILES
    assert sum(map(len, tree._edge)) < 2 * TILE_WIDTH * 2


@pytest.mark.parametrize("damage", [None, b"short"])
def test_a_missing_or_damaged_tile_is_named(damage: bytes | None) -> None:
    tree, store = grown([600])
    if damage is None:
        del store[0, 0]
    else:
        store[0, 0] = damage
    with pytest.raises(StorageTampered, match="tile 0 of level 0"):
        tree.read(0, 3)


def test_missing_entries_at_the_end_are_named() -> None:
    _, store = grown([600])
    tree = Tree(lambda level, index: store.get((level, index)))
    with pytest.raises(StorageTampered):
        tree.restore(600, LEAVES[512:590])
