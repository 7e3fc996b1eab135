"""The log's Merkle tree as the hub holds it: the right edge in memory, full tiles in the engine.

A tile spans eight levels (C2SP tlog-tiles), and its inner hashes are computed once when it is read. Tiles that are
still growing stay in memory with all their inner hashes, so proofs of recent leaves read nothing from disk, and memory
does not grow with the log. A block is first computed as a `Growth` that changes nothing, made durable, then accepted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from schemas.errors import Missing, StorageTampered
from schemas.limits import CACHED_TILES
from schemas.log.merkle import HASH_SIZE, Frontier, node_hash

TILE_LEVELS = 8
TILE_WIDTH = 1 << TILE_LEVELS

FRESH_TILES = 8  # of which alerts have just been logged: at least the newest 1,500 entries
TileLoader = Callable[[int, int], bytes | None]
Rows = list[list[bytes]]


@dataclass(frozen=True, slots=True)
class Growth:
    """A tree some leaves larger than the one it was made from.

    `tiles` are those now full, (level, index, hashes), and `rows` all the hashes inside each of them.
    """

    frontier: Frontier
    edge: Rows
    tiles: tuple[tuple[int, int, bytes], ...]
    rows: tuple[Rows, ...] = ()

    @property
    def size(self) -> int:
        """Leaves in the grown tree."""
        return self.frontier.size

    def root(self) -> bytes:
        """Root of the grown tree."""
        return self.frontier.root()


class Tree:
    """The tree of the newest block. One thread grows it, others may read it meanwhile."""

    def __init__(self, load: TileLoader) -> None:
        self._load = load
        self._frontier = Frontier()
        self._edge: Rows = []  # by level: the hashes of that level inside the tile that is still growing
        self._cache: OrderedDict[tuple[int, int], Rows] = OrderedDict()
        self._fresh: OrderedDict[tuple[int, int], Rows] = OrderedDict()  # the newest full tiles, not read from disk yet
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Leaves in the tree."""
        return self._frontier.size

    def root(self) -> bytes:
        """Root of the tree."""
        return self._frontier.root()

    def extend(self, leaves: Sequence[bytes]) -> Growth:
        """The tree with `leaves` (leaf hashes) added."""
        frontier, edge = self._frontier.copy(), [row.copy() for row in self._edge]
        tiles, rows = [], []
        for leaf in leaves:
            for level, index, value in frontier.append(leaf):
                if level == len(edge):
                    edge.append([])
                edge[level].append(value)
                if level and level % TILE_LEVELS == 0:
                    tiles.append((level // TILE_LEVELS - 1, index, b"".join(edge[level - TILE_LEVELS])))
                    rows.append(edge[level - TILE_LEVELS : level])
                    edge[level - TILE_LEVELS : level] = [[] for _ in range(TILE_LEVELS)]
        return Growth(frontier, edge, tuple(tiles), tuple(rows))

    def accept(self, growth: Growth) -> None:
        """Make `growth` the tree, once it is durable."""
        with self._lock:
            self._frontier, self._edge = growth.frontier, growth.edge
            for (level, index, _), rows in zip(growth.tiles, growth.rows, strict=True):
                self._fresh[level, index] = rows
            while len(self._fresh) > FRESH_TILES:
                self._fresh.popitem(last=False)

    def read(self, level: int, index: int) -> bytes:
        """A `HashReader`: the root of the perfect subtree over leaves `[index << level, (index + 1) << level)`."""
        tile_level, row = divmod(level, TILE_LEVELS)
        tile = index >> (TILE_LEVELS - row)
        offset = index - (tile << (TILE_LEVELS - row))
        with self._lock:
            if tile == self._frontier.size >> (TILE_LEVELS * (tile_level + 1)):
                return self._edge[level][offset]
            return self._rows(tile_level, tile)[row][offset]

    def read_held(self, level: int, index: int) -> bytes:
        """As `read`, of what is in memory. Raises `LookupError` for what would have to be read from the disk."""
        tile_level, row = divmod(level, TILE_LEVELS)
        tile = index >> (TILE_LEVELS - row)
        offset = index - (tile << (TILE_LEVELS - row))
        with self._lock:
            if tile == self._frontier.size >> (TILE_LEVELS * (tile_level + 1)):
                return self._edge[level][offset]
            held = self._fresh.get((tile_level, tile)) or self._cache[tile_level, tile]
            return held[row][offset]

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile. Raises `Missing` when the tree is not that large."""
        available = min(TILE_WIDTH, max(0, (self.size >> (TILE_LEVELS * level)) - index * TILE_WIDTH))
        if width > available:
            raise Missing(f"tile {index} of level {level} has {available} hashes, not {width}")
        with self._lock:
            if index == self._frontier.size >> (TILE_LEVELS * (level + 1)):
                return b"".join(self._edge[level * TILE_LEVELS][:width])
        return self._stored(level, index)[: width * HASH_SIZE]

    def _rows(self, level: int, index: int) -> Rows:
        rows = self._cache.pop((level, index), None)
        if rows is None:
            rows = inner_hashes(self._stored(level, index))
            if len(self._cache) >= CACHED_TILES:
                self._cache.popitem(last=False)
        self._cache[level, index] = rows
        return rows

    def _stored(self, level: int, index: int) -> bytes:
        data = self._load(level, index)
        if data is None or len(data) != TILE_WIDTH * HASH_SIZE:
            raise StorageTampered(f"hash tile {index} of level {level} is missing or damaged")
        return data

    def restore(self, size: int, leaves: Sequence[bytes]) -> None:
        """Rebuild the right edge of a tree of `size` from the full tiles and the `leaves` after the last of them.

        The subtrees left of the edge are taken from the tiles' own hashes, so a damaged tile there shows in the root.
        """
        levels = max(1, -(-size.bit_length() // TILE_LEVELS))
        edge: Rows = [[] for _ in range(levels * TILE_LEVELS)]
        for level in range(levels):
            tiles, width = divmod(size >> (TILE_LEVELS * level), TILE_WIDTH)
            if level == 0:
                row = list(leaves)
            else:
                row = [tile_root(self._stored(level - 1, tiles * TILE_WIDTH + k)) for k in range(width)]
            if len(row) != width:
                raise StorageTampered(f"a log of {size} entries lacks some of its last ones")
            for step in range(TILE_LEVELS):
                edge[level * TILE_LEVELS + step] = row
                row = [node_hash(row[k], row[k + 1]) for k in range(0, len(row) - 1, 2)]
        parts = [edge[level][-1] for level in reversed(range(len(edge))) if size >> level & 1]
        self.accept(Growth(Frontier(size, parts), edge, ()))


def inner_hashes(tile: bytes) -> Rows:
    """All eight levels of hashes inside a full tile, its own first."""
    row = [tile[k : k + HASH_SIZE] for k in range(0, len(tile), HASH_SIZE)]
    rows = [row]
    while len(rows) < TILE_LEVELS:
        row = [node_hash(row[k], row[k + 1]) for k in range(0, len(row), 2)]
        rows.append(row)
    return rows


def tile_root(tile: bytes) -> bytes:
    """The root over a full tile's hashes."""
    left, right = inner_hashes(tile)[-1]
    return node_hash(left, right)
