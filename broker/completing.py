"""Completing a restored log with the entries it lacks, from any copy of the same log: an auditor's, or a later backup.

What counts is a checkpoint that the log's own key signed: the entries must give exactly its root. So the copy may come
from anybody. It is one block, kept whole or not at all, and nothing is signed: the anchor takes over the checkpoint
that was signed before. A crash between the two leaves a log that no hub starts on, until it is completed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from broker.backup import CHECKPOINT, LOG, MANIFEST
from broker.config import Config
from broker.engines.port import Engine
from broker.engines.sqlite_copy import frozen
from broker.engines.sqlite_reader import SqliteReader
from broker.hub import Storage, open_storage
from broker.recovery import restore_history, restore_tree
from broker.replay import Replay
from broker.tree import TILE_WIDTH, Tree
from schemas.envelope.header import decode_header
from schemas.errors import BadConfig, CrossbearingError, Missing, NotFound, StorageTampered
from schemas.limits import MAX_NOTE
from schemas.log.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint, verify_signers
from schemas.log.entry import AlertEntry, decode_entry
from schemas.log.merkle import leaf_hash, root
from schemas.log.note import format_note, note_key, parse_note
from schemas.log.tiles import entries_path, split_bundle


class Copy(Protocol):
    """A copy of the log with its newest signed checkpoint."""

    note: bytes

    def entries(self, start: int, stop: int) -> list[bytes]:
        """The entries from `start` to before `stop`. Raises `Missing`."""

    def body(self, index: int) -> bytes | None:
        """See `broker.replay.Blobs`."""

    def blob(self, digest: bytes) -> bytes | None:
        """See `broker.replay.Blobs`."""

    def pieces(self, digest: bytes) -> Iterator[bytes]:
        """An attachment, piece by piece, as far as it is there."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The log went from `before` to `size` entries; `bodies` of the `alerts` among the new ones came along."""

    before: int
    size: int
    alerts: int
    bodies: int


class Mirror:
    """What `bearing audit fetch` writes: C2SP tlog-tiles, and the directory's files. It holds no body."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.note = _read(folder / "checkpoint", MAX_NOTE)
        self._size = parse_checkpoint(parse_note(self.note).text).size

    def entries(self, start: int, stop: int) -> list[bytes]:
        """See `Copy`."""
        found: list[bytes] = []
        for bundle in range(start // TILE_WIDTH, -(-stop // TILE_WIDTH)):
            first = bundle * TILE_WIDTH
            width = min(TILE_WIDTH, self._size - first)
            entries = split_bundle(_read(self._folder / entries_path(bundle, width)), width)
            found += entries[max(0, start - first) : stop - first]
        return found

    def body(self, index: int) -> bytes | None:
        """See `Copy`."""
        del index
        return None

    def blob(self, digest: bytes) -> bytes | None:
        """See `Copy`."""
        path = self._folder / "directory" / digest.hex()
        return path.read_bytes() if path.is_file() else None

    def pieces(self, digest: bytes) -> Iterator[bytes]:
        """See `Copy`."""
        del digest
        yield from ()


class LaterBackup:
    """A backup made later than the one restored. It has what the hub had then."""

    def __init__(self, folder: Path, log: SqliteReader) -> None:
        self.note = _read(folder / CHECKPOINT, MAX_NOTE)
        self._log = log

    def entries(self, start: int, stop: int) -> list[bytes]:
        """See `Copy`."""
        return self._log.entries(start, stop)

    def body(self, index: int) -> bytes | None:
        """See `Copy`."""
        return self._log.body(index)

    def blob(self, digest: bytes) -> bytes | None:
        """See `Copy`."""
        return self._log.blob(digest)

    def pieces(self, digest: bytes) -> Iterator[bytes]:
        """See `Copy`."""
        return self._log.pieces(digest)


@contextmanager
def open_copy(folder: Path) -> Iterator[Copy]:
    """Whatever copy of the log lies in `folder`. Raises `NotFound` if none does."""
    if (folder / MANIFEST).is_file():
        with frozen(folder / LOG) as log:
            yield LaterBackup(folder, log)
    else:
        yield Mirror(folder)


def complete(config: Config, folder: Path) -> Completed:
    """Complete the restored log of a hub that does not run from the copy in `folder`.

    Raises `BadConfig` for a log that is not waiting for it or a copy that goes no further, `StorageTampered` when the
    copy and this log are not one history or the copy does not bear out its checkpoint, and the storage's faults.
    """
    with ExitStack() as stack:
        copy = stack.enter_context(open_copy(folder))
        storage = stack.enter_context(open_storage(config))
        restorations = storage.anchor.restorations()
        if not restorations or restorations[-1].settled:
            raise BadConfig("this log was not restored, or is settled", hint="Complete a log before it is resumed.")
        target = _signed(copy.note, storage)
        note = storage.anchor.read()
        before = _signed(note, storage).size if note is not None else 0
        if target.size <= before:
            raise BadConfig(
                f"the copy holds {target.size} entries, {before} are here already",
                hint="It has nothing to add. `bearing-broker restore-status` says what is missing, if anything is.",
            )
        tree = restore_tree(storage.engine)
        if tree.size > before:  # completed before, up to the anchor, or with another copy
            _same_history(tree, target)
            replayed = (0, 0)
        else:
            _bring_attachments(storage.engine, copy, before, target.size)
            replayed = _append(storage, copy, tree, target)
        storage.anchor.swap(note, _own_line(copy.note, storage))
        return Completed(before, target.size, *replayed)


def _append(storage: Storage, copy: Copy, tree: Tree, target: Checkpoint) -> tuple[int, int]:
    engine, position = storage.engine, tree.size
    history = restore_history(engine, storage.trusted_root)
    with engine.block(position) as block:
        replay = Replay(block, history, copy, storage.trusted_root)
        leaves: list[bytes] = []
        for start in range(position, target.size, TILE_WIDTH):
            stop = min(start + TILE_WIDTH, target.size)
            entries = copy.entries(start, stop)
            if len(entries) != stop - start:
                raise Missing(f"the copy lacks entries between {start} and {stop}")
            for index, data in enumerate(entries, start):
                leaves.append(leaf_hash(data))
                replay.append(index, leaves[-1], data)
        growth = tree.extend(leaves)
        if (growth.size, growth.root()) != (target.size, target.root):
            raise StorageTampered(
                f"the copy's entries on top of this log do not give the root that was signed for {target.size}",
                hint="The copy is damaged, or this log was signed on after it was restored: restore the backup again.",
            )
        for level, index, data in growth.tiles:
            block.put_tile(level, index, data)
    return replay.alerts, replay.bodies


def _same_history(tree: Tree, target: Checkpoint) -> None:
    if tree.size != target.size or root(target.size, tree.read) != target.root:
        raise StorageTampered(f"the log was completed to {tree.size} entries before, with another copy")


def _signed(note: bytes, storage: Storage) -> Checkpoint:
    signer = storage.signer
    try:
        return verify_checkpoint(note, signer.origin, [note_key(signer.origin, signer.key.public)])
    except CrossbearingError as error:
        raise StorageTampered(f"the checkpoint is not one that this log signed: {error.message}") from error


def _own_line(note: bytes, storage: Storage) -> bytes:
    """The checkpoint with the log's own signature only, as the hub once made it."""
    signer = storage.signer
    return format_note(verify_signers(note, [note_key(signer.origin, signer.key.public)]))


def _bring_attachments(engine: Engine, copy: Copy, start: int, stop: int) -> None:
    """Bring in what the copy has of attachments that the new alerts name. It waits for them like any upload."""
    for first in range(start, stop, TILE_WIDTH):
        for data in copy.entries(first, min(first + TILE_WIDTH, stop)):
            entry = decode_entry(data)
            if isinstance(entry, AlertEntry):
                header = decode_header(entry.header)
                for digest, size in header.attachments:
                    _bring(engine, copy, header.sender, digest, size)


def _bring(engine: Engine, copy: Copy, owner: str, digest: bytes, size: int) -> None:
    offset = 0
    for piece in copy.pieces(digest):
        offset = engine.upload(owner, digest, offset, size, piece).have
        if offset == size:
            return


def _read(path: Path, limit: int | None = None) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}", hint="Give an auditor's copy or a backup."
        ) from error
    if limit is not None and len(data) > limit:
        raise BadConfig(f"{path} is larger than {limit} bytes")
    return data
