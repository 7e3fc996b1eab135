"""Copying the log into a folder: only what is new, checked as it comes, and nothing in place before it is checked.

The order makes a run that dies at any instant harmless: hash tiles, then entries, then directory files, and the
checkpoint that vouches for them last. What is here is a sanity check of the copy; `verify` judges its contents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nodes.auditor.bundles import bundles_of
from nodes.auditor.mirror import (
    CHECKPOINT,
    DIRECTORY,
    FORKS,
    KEPT,
    PART,
    PARTY,
    WITNESSED,
    LogFolder,
    directory_path,
    fork_path,
    kept_path,
)
from nodes.auditor.progress import Progress
from schemas.errors import CrossbearingError, EncodingRefusal, Fork, LogTampered, Missing
from schemas.ids import sha256
from schemas.log.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from schemas.log.entry import DirectoryEntry, decode_entry
from schemas.log.merkle import HASH_SIZE, leaf_hash, root
from schemas.log.note import NoteKey, parse_note
from schemas.log.tiles import (
    TILE_WIDTH,
    TileReader,
    entry_bundle,
    split_bundle,
    tile_path,
    tiles_for,
)

_DAMAGED = "Run bearing audit verify on this folder; it names the file at fault. Then fetch into a new folder."


class Source(Protocol):
    """Where a log's resources come from, by their tlog-tiles paths."""

    def get(self, path: str) -> bytes:
        """Return one resource. Raises `Missing` if there is none."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one run of `fetch` did."""

    before: int
    """Entries the folder held until now."""
    size: int
    root: bytes
    files: int
    """Files copied."""


def open_checkpoint(note: bytes, keys: Sequence[NoteKey]) -> Checkpoint:
    """Return the checkpoint in a note, its signature checked when `keys` are given.

    Raises `BadCheckpoint` or `CheckpointUntrusted`.
    """
    if keys:
        return verify_checkpoint(note, keys[0].name, keys)
    return parse_checkpoint(parse_note(note).text)


def fetch(source: Source, folder: LogFolder, *, keys: Sequence[NoteKey] = (), progress: Progress) -> Fetched:
    """Bring `folder` up to the newest checkpoint of `source`.

    Raises `Fork` if the new checkpoint contradicts the one held (the evidence is kept), `LogTampered` if what is served
    contradicts itself or went back, and what `source` and `folder` raise.
    """
    note = source.get(CHECKPOINT)
    new = open_checkpoint(note, keys)
    held = _held(folder, keys)
    if held is not None:
        _check_continues(source, folder, note, new, held)
    copy = _Copy(source, folder, progress)
    before = held.size if held is not None else 0
    copy.tiles(new.size)
    if root(new.size, TileReader(new.size, folder.read_tile)) != new.root:
        raise LogTampered(
            f"the hash tiles do not add up to the checkpoint of {new.size} entries",
            hint="Fetch into a new folder; if that fails too, the hub serves something other than it signed.",
        )
    copy.bundles(before, new.size)
    copy.directories(before, new.size)
    _keep_witnessed(source, folder, keys, new)
    folder.write(kept_path(new.size), note)
    folder.write(CHECKPOINT, note)
    _prune(folder, new.size)
    return Fetched(before, new.size, new.root, copy.files)


def _keep_witnessed(source: Source, folder: LogFolder, keys: Sequence[NoteKey], new: Checkpoint) -> None:
    """Keep the newest checkpoint that has its quorum, where the hub has one and it is older than the newest of all."""
    try:
        note = source.get(WITNESSED)
    except Missing:
        return
    witnessed = open_checkpoint(note, keys)
    if witnessed.size >= new.size or witnessed.origin != new.origin:
        return
    if root(witnessed.size, TileReader(new.size, folder.read_tile)) != witnessed.root:
        raise _fork(folder, note, witnessed, new, {})
    folder.write(kept_path(witnessed.size), note)


def _held(folder: LogFolder, keys: Sequence[NoteKey]) -> Checkpoint | None:
    """The newest checkpoint in the folder, if the folder's own tiles bear it out. Raises `LogTampered`."""
    sizes = folder.kept_sizes()
    if not sizes:
        return None
    file = kept_path(sizes[-1])
    try:
        held = open_checkpoint(folder.read(file), keys)
        fits = held.size == sizes[-1] and root(held.size, TileReader(held.size, folder.read_tile)) == held.root
    except CrossbearingError as error:
        raise LogTampered(f"{file}, or a tile under it, is damaged: {error.message}", hint=_DAMAGED) from error
    if not fits:
        raise LogTampered(f"the hash tiles in the folder do not add up to {file}", hint=_DAMAGED)
    return held


def _check_continues(source: Source, folder: LogFolder, note: bytes, new: Checkpoint, held: Checkpoint) -> None:
    """Check that the log of the new checkpoint begins with the one held. Raises `Fork` or `LogTampered`."""
    if new.origin != held.origin:
        raise LogTampered(
            f"the hub serves the log {new.origin}; this folder holds {held.origin}", hint="Use one folder for each log."
        )
    if new.size < held.size:
        if root(new.size, TileReader(held.size, folder.read_tile)) != new.root:
            raise _fork(folder, note, new, held, {})
        raise LogTampered(
            f"the hub's log went back: it shows {new.size} entries, and {held.size} were fetched before",
            hint="Entries that were signed are withheld. Keep this folder as evidence and ask the hub's operator.",
        )
    served: dict[str, bytes] = {}

    def read_served(level: int, index: int, width: int) -> bytes:
        path = tile_path(level, index, width)
        served[path] = read_tile(source, level, index, width)
        return served[path]

    reader = TileReader(new.size, read_served)
    if root(new.size, reader) != new.root:
        raise LogTampered(f"the hub's hash tiles do not add up to its checkpoint of {new.size} entries")
    if root(held.size, reader) != held.root:
        raise _fork(folder, note, new, held, served)


def _fork(folder: LogFolder, note: bytes, new: Checkpoint, held: Checkpoint, tiles: Mapping[str, bytes]) -> Fork:
    """Keep the evidence: the checkpoint, and the tiles that give both its root and another root for the one held."""
    base = fork_path(new.size, new.root)
    for path, data in tiles.items():
        folder.write(f"{base}/{path}", data)
    folder.write(f"{base}/{CHECKPOINT}", note)
    return Fork(f"the checkpoint of {new.size} entries contradicts the one of {held.size} held; see {base}", file=base)


def read_tile(source: Source, level: int, index: int, width: int) -> bytes:
    """Return a hash tile as `source` serves it, cut from the full tile if the partial one has given way to that."""
    try:
        return source.get(tile_path(level, index, width))
    except Missing:
        if width == TILE_WIDTH:
            raise
        return source.get(tile_path(level, index))[: HASH_SIZE * width]


def read_bundle(source: Source, folder: LogFolder, index: int, width: int) -> bytes:
    """Return an entry bundle of the kind `folder` holds as `source` serves it, cut from the full one if need be."""
    try:
        return source.get(folder.bundle_path(index, width))
    except Missing:
        if width == TILE_WIDTH:
            raise
        full = folder.bundle_path(index)
        return entry_bundle(_entries(source.get(full), full, TILE_WIDTH)[:width])


def _entries(data: bytes, path: str, width: int) -> list[bytes]:
    """The entries of a bundle. Raises `LogTampered` if it does not hold them."""
    try:
        return split_bundle(data, width)
    except EncodingRefusal as error:
        raise LogTampered(f"{path} does not hold {width} entries: {error.message}") from error


@dataclass(slots=True)
class _Copy:
    """One run's copying."""

    source: Source
    folder: LogFolder
    progress: Progress
    files: int = 0

    def tiles(self, size: int) -> None:
        """Copy the hash tiles of a tree of `size` leaves that are not there yet."""
        wanted = [tile for tile in tiles_for(size) if not self.folder.has(tile_path(*tile))]
        for done, (level, index, width) in enumerate(wanted):
            self.progress("copying hash tiles", done, len(wanted))
            data = read_tile(self.source, level, index, width)
            if len(data) != HASH_SIZE * width:
                raise LogTampered(f"{tile_path(level, index, width)} is not {width} hashes long")
            self._put(tile_path(level, index, width), data)

    def bundles(self, before: int, size: int) -> None:
        """Copy the entry bundles from entry `before` on, each checked against its hash tile."""
        wanted = [b for b in bundles_of(size, start=before) if not self.folder.has(self.folder.bundle_path(*b))]
        for done, (index, width) in enumerate(wanted):
            self.progress("copying entries", done, len(wanted))
            path = self.folder.bundle_path(index, width)
            data = read_bundle(self.source, self.folder, index, width)
            tile = self.folder.read_tile(0, index, width)
            for item, entry in enumerate(_entries(data, path, width)):
                left_out = self.folder.party is not None and not entry
                if not left_out and leaf_hash(entry) != tile[item * HASH_SIZE :][:HASH_SIZE]:
                    raise LogTampered(f"the entries in {path} are not those of its hash tile")
            self._put(path, data)

    def directories(self, before: int, size: int) -> None:
        """Copy the directory files that entries from the bundle of entry `before` on name."""
        for index, width in bundles_of(size, start=before):
            path = self.folder.bundle_path(index, width)
            for data in _entries(self.folder.read(path), path, width):
                digest = _directory_digest(data)
                if digest is None or self.folder.has(directory_path(digest)):
                    continue
                file = directory_path(digest)
                content = self.source.get(file)
                if sha256(content) != digest:
                    raise LogTampered(f"{file} is not the file its name promises")
                self._put(file, content)

    def _put(self, path: str, data: bytes) -> None:
        self.folder.write(path, data)
        self.files += 1


def expected_files(folder: LogFolder, size: int) -> set[str]:
    """Return the paths of the tiles and bundles that `folder` holds of a log of `size` entries."""
    tiles = {tile_path(*tile) for tile in tiles_for(size)}
    return tiles | {folder.bundle_path(index, width) for index, width in bundles_of(size)}


def _directory_digest(data: bytes) -> bytes | None:
    """The digest a directory entry names; None for any other entry, good or not: `verify` judges them."""
    try:
        entry = decode_entry(data)
    except CrossbearingError:
        return None
    return entry.digest if isinstance(entry, DirectoryEntry) else None


def _prune(folder: LogFolder, size: int) -> None:
    """Remove partial tiles that fuller ones replaced, and what an interrupted run left half-written."""
    keep = expected_files(folder, size)
    for path in list(folder.files()):
        outdated = path.startswith(("tile/", f"{PARTY}/")) and ".p/" in path and path not in keep
        half_written = path.endswith(PART) and path.startswith(("tile/", PARTY, KEPT, FORKS, DIRECTORY, CHECKPOINT))
        if outdated or half_written:
            folder.remove(path)
