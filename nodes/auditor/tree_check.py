"""First pass of an audit: are the files the log that the checkpoints signed?

The tree is recomputed from the entries, one bundle at a time, with memory that does not grow with the log, and compared
with every stored hash and with the root of every genuine checkpoint. Where a stored tile and the entries disagree, the
hash above them tells which of the two was signed, so that damage is pinned to a file, a byte and an entry. The few
entries that change the directory are set aside on the way, for the second pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from nodes.auditor import findings as found
from nodes.auditor.bundles import Bundle, bundles_of, mark_of, read_bundle
from nodes.auditor.findings import COPY, Finding, Findings, Kind
from nodes.auditor.mirror import LogFolder
from nodes.auditor.progress import Progress
from nodes.auditor.text import entries_text
from schemas.errors import CrossbearingError, Missing
from schemas.log.entry import DirectoryEntry, decode_entry
from schemas.log.merkle import HASH_SIZE, Frontier, leaf_hash, node_hash
from schemas.log.tiles import TILE_HEIGHT, TILE_WIDTH, tile_path

_DIRECTORY_MARK = mark_of("directory")


@dataclass(slots=True)
class TreeVerdict:
    """What the first pass established."""

    roots: dict[int, bytes] = field(default_factory=dict)
    """The recomputed root at each size asked for, as far as the tree could be recomputed."""
    damaged: set[int] = field(default_factory=set)
    """Indexes of entries whose bytes here are not the signed ones, or cannot be read."""
    directory: dict[int, DirectoryEntry] = field(default_factory=dict)
    """The entries that change the directory, by index, the damaged ones among them."""

    def directory_entries(self) -> list[tuple[int, DirectoryEntry]]:
        """The undamaged ones of `directory`, in the order of the log."""
        return [(index, entry) for index, entry in sorted(self.directory.items()) if index not in self.damaged]


def check_tree(
    folder: LogFolder,
    size: int,
    signed: Mapping[int, bytes],
    findings: Findings,
    progress: Progress,
    *,
    note: Set[int] = frozenset(),
) -> TreeVerdict:
    """Recompute the tree of `size` entries and compare it with every stored tile.

    `signed` holds the roots of the genuine checkpoints by size; they settle which side is right where the newest tile
    and the newest entries disagree. The roots at their sizes, and at those in `note`, are in the verdict.
    """
    walk = _Walk(folder, size, signed, note | signed.keys(), findings)
    bundles = list(bundles_of(size))
    walk.note_root()
    for done, (index, width) in enumerate(bundles):
        progress("recomputing the tree", done, len(bundles))
        leaves = walk.leaves(index, width)
        if leaves is None:
            return walk.verdict
        walk.append(leaves)
    walk.compare_last_tiles()
    return walk.verdict


@dataclass(slots=True)
class _Walk:
    """One run through all bundles. `pending[level]` holds the hashes of that level's unfinished tile."""

    folder: LogFolder
    size: int
    signed: Mapping[int, bytes]
    noted: Set[int]
    findings: Findings
    verdict: TreeVerdict = field(default_factory=TreeVerdict)
    frontier: Frontier = field(default_factory=Frontier)
    pending: list[list[bytes]] = field(default_factory=list)

    # -- leaves --------------------------------------------------------------------------------------------------------

    def leaves(self, index: int, width: int) -> Sequence[bytes] | None:
        """The signed leaf hashes of one bundle, from its entries or, where those are damaged, from its tile.

        None if neither can give them.
        """
        stored = self._stored_tile(0, index, width)
        try:
            bundle = read_bundle(self.folder, index, width)
        except CrossbearingError as error:
            kind = found.MISSING_FILE if isinstance(error, Missing) else found.BUNDLE_BROKEN
            self._lost(kind, error.message, index, width, good=0, offset=None)
            return stored
        self._set_aside(index, bundle)
        leaves = self._leaf_hashes(bundle, stored)
        if leaves is None:
            return None
        if not bundle.whole:
            return self._salvage(index, width, bundle, leaves, stored)
        if stored is None or leaves == stored:
            return leaves
        return self._settle(index, bundle, leaves, stored)

    def _leaf_hashes(self, bundle: Bundle, stored: list[bytes] | None) -> list[bytes] | None:
        """The hashes of a bundle's entries. In an agency's own copy, those left out have them from the tile alone."""
        if self.folder.party is None:
            return [leaf_hash(entry) for entry in bundle.entries]
        if stored is None:
            return None
        return [leaf_hash(entry) if entry else stored[item] for item, entry in enumerate(bundle.entries)]

    def _set_aside(self, index: int, bundle: Bundle) -> None:
        for item, data in enumerate(bundle.entries):
            if _DIRECTORY_MARK in data:
                with contextlib.suppress(CrossbearingError):  # the second pass reports what does not decode
                    entry = decode_entry(data)
                    if isinstance(entry, DirectoryEntry):
                        self.verdict.directory[index * TILE_WIDTH + item] = entry

    def _settle(self, index: int, bundle: Bundle, leaves: list[bytes], stored: list[bytes]) -> list[bytes]:
        """Entries and their hash tile disagree: report the side that the tree does not vouch for."""
        if not self._vouched_for(index, stored, leaves):
            return leaves  # the tile is compared with these, and reported, once they are appended
        for first, last in _runs(item for item, leaf in enumerate(leaves) if leaf != stored[item]):
            low, high = index * TILE_WIDTH + first, index * TILE_WIDTH + last
            message = f"{entries_text(low, high)} did not have these bytes when the log was signed"
            path = self.folder.bundle_path(index, len(leaves))
            self._add(found.ENTRY_ALTERED, message, path, bundle.offset(first), (low, high))
            self.verdict.damaged.update(range(low, high + 1))
        return stored

    def _vouched_for(self, index: int, stored: list[bytes], leaves: list[bytes]) -> bool:
        """Whether the tree above proves the stored hashes rather than the entries' own."""
        if len(stored) == TILE_WIDTH:
            parent = self._parent(index)
            return parent is not None and _perfect_root(stored) == parent and _perfect_root(leaves) != parent
        tree = self.frontier.copy()
        for leaf in stored:
            tree.append(leaf)
        return tree.root() == self.signed.get(self.size)

    def _salvage(
        self, index: int, width: int, bundle: Bundle, leaves: list[bytes], stored: list[bytes] | None
    ) -> list[bytes] | None:
        """The bundle cannot be split as it must: keep the entries before the damage."""
        good = len(leaves)
        if stored is not None:
            good = next((item for item, leaf in enumerate(leaves) if leaf != stored[item]), good)
        offset = bundle.offset(good)
        if good == width:
            last = index * TILE_WIDTH + width - 1
            message = f"bytes follow {entries_text(last, last)}, which should be the last in the file"
            self._add(found.BUNDLE_BROKEN, message, self.folder.bundle_path(index, width), offset, (last, last))
            return leaves
        message = f"from byte {offset} on, the file does not hold the entries it must"
        self._lost(found.BUNDLE_BROKEN, message, index, width, good=good, offset=offset)
        return None if stored is None else leaves[:good] + stored[good:]

    def _lost(self, kind: Kind, message: str, index: int, width: int, *, good: int, offset: int | None) -> None:
        """Report that a bundle's entries from number `good` on cannot be read."""
        low, high = index * TILE_WIDTH + good, index * TILE_WIDTH + width - 1
        self._add(kind, message, self.folder.bundle_path(index, width), offset, (low, high))
        self.verdict.damaged.update(range(low, high + 1))

    # -- hashes --------------------------------------------------------------------------------------------------------

    def append(self, leaves: Sequence[bytes]) -> None:
        """Grow the tree; compare each tile of hashes as it fills, and note the roots asked for."""
        for leaf in leaves:
            for level, _, node in self.frontier.append(leaf):
                if level % TILE_HEIGHT == 0:
                    self._collect(level // TILE_HEIGHT, node)
            self.note_root()

    def note_root(self) -> None:
        """Keep the root of the tree so far, if it was asked for at this size."""
        if self.frontier.size in self.noted:
            self.verdict.roots[self.frontier.size] = self.frontier.root()

    def compare_last_tiles(self) -> None:
        """Compare the partial tiles of the right edge, which never fill."""
        for level, hashes in enumerate(self.pending):
            if hashes:
                self._compare(level, (self.size >> TILE_HEIGHT * level) // TILE_WIDTH, hashes)

    def _collect(self, level: int, node: bytes) -> None:
        if level == len(self.pending):
            self.pending.append([])
        hashes = self.pending[level]
        hashes.append(node)
        if len(hashes) == TILE_WIDTH:
            items = self.frontier.size >> TILE_HEIGHT * level
            self._compare(level, items // TILE_WIDTH - 1, hashes)
            hashes.clear()

    def _compare(self, level: int, index: int, hashes: list[bytes]) -> None:
        """Compare one tile with what follows from the entries. A missing bottom tile was reported with its entries."""
        stored = self._stored_tile(level, index, len(hashes), quiet=level == 0)
        if stored is None or stored == hashes:
            return
        path, span = tile_path(level, index, len(hashes)), TILE_WIDTH**level
        for first, last in _runs(item for item, node in enumerate(hashes) if node != stored[item]):
            low, high = (index * TILE_WIDTH + first) * span, (index * TILE_WIDTH + last + 1) * span - 1
            offset = first * HASH_SIZE + _first_difference(stored[first], hashes[first])
            message = f"the stored hash over {entries_text(low, high)} is not the one they give"
            self._add(found.TILE_ALTERED, message, path, offset, (low, high))

    def _stored_tile(self, level: int, index: int, width: int, *, quiet: bool = False) -> list[bytes] | None:
        """The hashes of a stored tile; None, reported unless `quiet`, if it is missing or of the wrong length."""
        path = tile_path(level, index, width)
        try:
            data = self.folder.read(path)
        except CrossbearingError as error:
            kind = found.MISSING_FILE if isinstance(error, Missing) else found.TILE_ALTERED
            problem, offset = error.message, None
        else:
            if len(data) == width * HASH_SIZE:
                return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]
            kind, offset = found.TILE_ALTERED, min(len(data), width * HASH_SIZE)
            problem = f"the tile has {len(data)} bytes instead of {width * HASH_SIZE}"
        if not quiet:
            span = TILE_WIDTH**level
            low, high = index * TILE_WIDTH * span, (index * TILE_WIDTH + width) * span - 1
            self._add(kind, problem, path, offset, (low, high))
        return None

    def _parent(self, index: int) -> bytes | None:
        """The stored hash over a whole bottom tile."""
        above, item = divmod(index, TILE_WIDTH)
        width = min(TILE_WIDTH, (self.size >> TILE_HEIGHT) - above * TILE_WIDTH)
        stored = self._stored_tile(1, above, width, quiet=True)
        return None if stored is None else stored[item]

    def _add(self, kind: Kind, message: str, file: str, offset: int | None, entries: tuple[int, int]) -> None:
        low, high = entries
        self.findings.add(Finding(kind, COPY, message, file, offset, low, high if high > low else None))


def _perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def _runs(items: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of consecutive numbers."""
    first = last = None
    for item in items:
        if first is not None and last is not None and item != last + 1:
            yield first, last
            first = item
        first, last = item if first is None else first, item
    if first is not None and last is not None:
        yield first, last


def _first_difference(one: bytes, other: bytes) -> int:
    return next(at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
