"""Tiles (C2SP tlog-tiles): the log as static files of 256 hashes or entries each.

    tile/<level>/<index>[.p/<width>]      hashes: item i of tile (L, n) is the root over the 256^L leaves from
                                          (256n + i) * 256^L on; only full tiles feed the level above
    tile/entries/<index>[.p/<width>]      entries, each after its length in two bytes, big-endian

``index`` is written in groups of three digits, all but the last after an ``x``: 1234067 is ``x001/x234/067``. A full
tile has no ``.p`` part; ``width`` is 1 to 255.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from schemas.errors import BadEntry, BadProof, LogTampered, Malformed, Truncated
from schemas.limits import MAX_ENTRY, MAX_INDEX
from schemas.log.merkle import HASH_SIZE, HashReader, node_hash

TILE_WIDTH = 256
TILE_HEIGHT = 8
MAX_LEVEL = 63
_CACHED_TILES = 256
_LENGTH_SIZE = 2

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")

TileSource = Callable[[int, int, int], bytes]
"""``(level, index, width)`` to the bytes of that tile; raises `Missing` where there is none."""


# -- paths -------------------------------------------------------------------------------------------------------------


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile of hashes. Raises `Malformed` if there can be no such tile."""
    if not 0 <= level <= MAX_LEVEL:
        raise Malformed(f"no tile has level {level}")
    return f"tile/{level}/{_suffix(index, width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of a bundle of entries. Raises `Malformed` if there can be no such bundle."""
    return f"tile/entries/{_suffix(index, width)}"


def parse_tile_path(text: str) -> tuple[int | None, int, int]:
    """``(level, index, width)`` of a path, with level None for entries. Raises `Malformed` for any other spelling."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise Malformed("the path is no tile's")
    index = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3]) if match[3] else TILE_WIDTH
    level = None if match[1] == "entries" else int(match[1])
    if text != (entries_path(index, width) if level is None else tile_path(level, index, width)):
        raise Malformed("the path is not written in its only form")
    return level, index, width


def tiles_for(size: int) -> Iterator[tuple[int, int, int]]:
    """Every tile of hashes of the tree of ``size``, as ``(level, index, width)``, each level's partial tile last."""
    level, items = 0, size
    while items:
        full, partial = divmod(items, TILE_WIDTH)
        for index in range(full):
            yield level, index, TILE_WIDTH
        if partial:
            yield level, full, partial
        level, items = level + 1, full


def _suffix(index: int, width: int) -> str:
    if not 0 <= index <= MAX_INDEX // TILE_WIDTH or not 1 <= width <= TILE_WIDTH:
        raise Malformed(f"no tile has index {index} and width {width}")
    digits = str(index)
    groups = [digits[max(0, end - 3) : end].zfill(3) for end in range(len(digits), 0, -3)][::-1]
    path = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


# -- contents ----------------------------------------------------------------------------------------------------------


def tile(level: int, index: int, width: int, read: HashReader) -> bytes:
    """The bytes of a tile of hashes, made from the tree."""
    first = index * TILE_WIDTH
    return b"".join(read(level * TILE_HEIGHT, item) for item in range(first, first + width))


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of a bundle of up to 256 entries. Raises `BadEntry` for an entry that is too long, or too many."""
    if len(entries) > TILE_WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        raise BadEntry(f"a bundle holds at most {TILE_WIDTH} entries of at most {MAX_ENTRY} bytes")
    return b"".join(len(entry).to_bytes(_LENGTH_SIZE, "big") + entry for entry in entries)


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """The ``width`` entries of a bundle. Raises `Truncated` or `Malformed` if it holds fewer, or anything more."""
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        start = at + _LENGTH_SIZE
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data) or start > len(data):
            raise Truncated(f"the bundle ends within entry {len(entries)} of {width}")
        entries.append(data[start:at])
    if at != len(data):
        raise Malformed(f"bytes follow the {width} entries of the bundle")
    return entries


# -- reading -----------------------------------------------------------------------------------------------------------


class TileReader:
    """A `HashReader` over the tiles of a tree of ``size``, so that proofs can be made from tiles alone.

    What it reads is no more trusted than its source: check the proof or root made from it against a checkpoint.
    """

    def __init__(self, size: int, read_tile: TileSource) -> None:
        self.size = size
        self._read_tile = read_tile
        self._tile = lru_cache(maxsize=_CACHED_TILES)(self._load)

    def __call__(self, level: int, index: int) -> bytes:
        """The root of a perfect subtree. Raises `BadProof` beyond the tree, `LogTampered` for a tile of wrong size."""
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise BadProof(f"a tree of {self.size} has no subtree {index} of level {level}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, first = divmod(index << height, TILE_WIDTH)
        data = self._tile(tile_level, number)
        hashes = [data[HASH_SIZE * at :][:HASH_SIZE] for at in range(first, first + (1 << height))]
        while len(hashes) > 1:
            hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    def _load(self, level: int, index: int) -> bytes:
        items = self.size >> (TILE_HEIGHT * level)
        width = min(TILE_WIDTH, items - index * TILE_WIDTH)
        data = self._read_tile(level, index, width)
        if len(data) != width * HASH_SIZE:
            raise LogTampered(f"{tile_path(level, index, width)} has {len(data)} bytes, not {width * HASH_SIZE}")
        return data
