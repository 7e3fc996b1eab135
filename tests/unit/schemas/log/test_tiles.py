from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadEntry, BadProof, LogTampered, Malformed, Truncated
from schemas.limits import MAX_ENTRY, MAX_INDEX
from schemas.log.merkle import prove_consistency, prove_inclusion, root
from schemas.log.tiles import (
    MAX_LEVEL,
    TileReader,
    entries_path,
    entry_bundle,
    parse_tile_path,
    split_bundle,
    tile,
    tile_path,
    tiles_for,
)
from tests.support.trees import Tree, grow

tree_of = cache(grow)


def reader(tree: Tree, size: int) -> TileReader:
    kept = {(level, index, width): tile(level, index, width, tree.read) for level, index, width in tiles_for(size)}
    return TileReader(size, lambda level, index, width: kept[level, index, width])


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("tile/0/000", (0, 0, 256)),
        ("tile/0/x001/x234/067", (0, 1_234_067, 256)),
        ("tile/0/x001/234.p/5", (0, 1_234, 5)),
        ("tile/63/999.p/255", (63, 999, 255)),
        ("tile/entries/x001/000", (None, 1_000, 256)),
        ("tile/entries/000.p/1", (None, 0, 1)),
    ],
)
def test_paths_are_those_of_tlog_tiles(path: str, parsed: tuple[int | None, int, int]) -> None:
    level, index, width = parsed
    assert parse_tile_path(path) == parsed
    assert path == (entries_path(index, width) if level is None else tile_path(level, index, width))


@given(st.integers(0, MAX_LEVEL), st.integers(0, MAX_INDEX // 256), st.integers(1, 256))
def test_every_path_parses_back(level: int, index: int, width: int) -> None:
    assert parse_tile_path(tile_path(level, index, width)) == (level, index, width)
    assert parse_tile_path(entries_path(index, width)) == (None, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x1/001",
        "tile/0/001/x002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/05",
        "tile/0/000.p/",
        "tile/0/\N{ARABIC-INDIC DIGIT ZERO}00",
        "tile/0/000\n",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/" + "x001/" * 7 + "000",
    ],
)
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(Malformed):
        parse_tile_path(path)


@pytest.mark.parametrize(("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_impossible_tiles_have_no_path(level: int, index: int, width: int) -> None:
    with pytest.raises(Malformed):
        tile_path(level, index, width)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, []),
        (1, [(0, 0, 1)]),
        (255, [(0, 0, 255)]),
        (256, [(0, 0, 256), (1, 0, 1)]),
        (257, [(0, 0, 256), (0, 1, 1), (1, 0, 1)]),
        (600, [(0, 0, 256), (0, 1, 256), (0, 2, 88), (1, 0, 2)]),
    ],
)
def test_tiles_of_a_size(size: int, expected: list[tuple[int, int, int]]) -> None:
    assert list(tiles_for(size)) == expected


def test_tiles_of_seventy_thousand_leaves() -> None:
    tiles = list(tiles_for(70_000))
    assert len([t for t in tiles if t[0] == 0 and t[2] == 256]) == 273
    assert [t for t in tiles if t[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


@pytest.mark.parametrize("size", [*range(1, 71), 255, 256, 257, 511, 512, 513, 600])
def test_tiles_alone_give_the_same_roots_and_proofs(size: int) -> None:
    tree = tree_of(600)
    tiles = reader(tree, size)
    assert root(size, tiles) == tree.roots[size]
    step = 1 if size <= 70 else 37
    for index in [*range(0, size, step), size - 1]:
        assert prove_inclusion(index, size, tiles) == prove_inclusion(index, size, tree.read)
        assert prove_consistency(index, size, tiles) == prove_consistency(index, size, tree.read)


def test_third_level_tiles_are_read() -> None:
    size = 65_536 + 300
    tree = grow(size)
    tiles = reader(tree, size)
    assert root(size, tiles) == tree.roots[size]
    assert prove_inclusion(65_540, size, tiles) == prove_inclusion(65_540, size, tree.read)


@pytest.mark.parametrize(("level", "index"), [(0, 5), (1, 2), (3, 0), (-1, 0), (0, -1)])
def test_reading_beyond_the_tree_is_refused(level: int, index: int) -> None:
    with pytest.raises(BadProof):
        reader(tree_of(600), 5)(level, index)


@pytest.mark.parametrize("change", [b"", b"\0"])
def test_a_tile_of_another_length_is_refused(change: bytes) -> None:
    tree = tree_of(600)
    tiles = TileReader(5, lambda level, index, width: tile(level, index, width, tree.read)[len(change) or 32 :])
    with pytest.raises(LogTampered, match=r"tile/0/000.p/5"):
        tiles(0, 0)


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_a_bundle_splits_into_its_entries(entries: list[bytes]) -> None:
    data = entry_bundle(entries)
    assert split_bundle(data, len(entries)) == entries
    with pytest.raises(Malformed):
        split_bundle(data + b"\0", len(entries))
    for end in range(len(data)):
        with pytest.raises(Truncated):
            split_bundle(data[:end], len(entries))


def test_a_bundle_holds_entries_of_the_largest_size() -> None:
    assert split_bundle(entry_bundle([bytes(MAX_ENTRY)]), 1) == [bytes(MAX_ENTRY)]


@pytest.mark.parametrize("entries", [[bytes(MAX_ENTRY + 1)], [b""] * 257])
def test_a_bundle_refuses_what_it_cannot_hold(entries: list[bytes]) -> None:
    with pytest.raises(BadEntry):
        entry_bundle(entries)


# -- what only a changed line would let through ------------------------------------------------------------------------


def test_the_last_tile_of_the_largest_log_has_a_path_and_the_next_has_none() -> None:
    last = MAX_INDEX // 256
    assert parse_tile_path(tile_path(0, last)) == (0, last, 256)
    with pytest.raises(Malformed, match=f"no tile has index {last + 1} and width 256"):
        tile_path(0, last + 1)
    with pytest.raises(Malformed, match="no tile has level 64"):
        tile_path(64, 0)


def test_a_whole_bundle_is_not_too_many_entries() -> None:
    assert len(split_bundle(entry_bundle([b"entry"] * 256), 256)) == 256
    with pytest.raises(BadEntry, match="a bundle holds at most 256 entries of at most 65535 bytes"):
        entry_bundle([b"entry"] * 257)


def test_a_broken_bundle_is_told_with_the_place() -> None:
    bundle = entry_bundle([b"one", b"two"])
    with pytest.raises(Truncated, match="the bundle ends within entry 1 of 2"):
        split_bundle(bundle[:-1], 2)
    with pytest.raises(Malformed, match="bytes follow the 1 entries of the bundle"):
        split_bundle(bundle, 1)


@pytest.mark.parametrize("path", ["tile/0/0", "tile/0/x000/001"])
def test_a_path_that_is_none_is_told_as_such(path: str) -> None:
    with pytest.raises(Malformed, match=r"^the path is (no tile's|not written in its only form)$"):
        parse_tile_path(path)


def test_a_reader_keeps_only_so_many_tiles() -> None:
    """A proof over any tree reads few tiles, but a long walk must not hold the whole log in memory."""
    size, asked = 300 * 256, list[int]()

    def read_tile(level: int, index: int, width: int) -> bytes:
        asked.append(index)
        return bytes(32 * width)

    read = TileReader(size, read_tile)
    for index in (*range(300), 299, 0):
        read(0, index * 256)
    assert asked == [*range(300), 0]


def test_a_reader_says_what_it_was_asked_or_given_in_vain() -> None:
    with pytest.raises(BadProof, match="a tree of 5 has no subtree 5 of level 0"):
        TileReader(5, lambda *_: bytes(160))(0, 5)
    with pytest.raises(LogTampered, match=r"tile/0/000.p/5 has 1 bytes, not 160"):
        TileReader(5, lambda *_: b"x")(0, 0)
