"""Is this copy of a log sound? Checked from the bottom up, from nothing but the copy and the governors' root metadata.

1   SQLite finds the file's structure whole
2   every directory version verifies from the trusted root
3   the checkpoint is signed by a key of the log that this directory names
4   the entries give the signed root, and the stored hash tiles are theirs
5   every body that was not deleted is the one its header names, every attachment the one its digest names
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from broker.engines.sqlite_copy import check_pages, frozen
from broker.engines.sqlite_reader import SqliteReader
from broker.recovery import restore_history
from broker.tree import TILE_WIDTH, Tree
from schemas.directory.history import DirectoryHistory
from schemas.envelope.header import decode_header
from schemas.errors import CrossbearingError, NotReady, StorageTampered
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.entry import AlertEntry, decode_entry
from schemas.log.merkle import leaf_hash

_AT_ONCE = 4 * TILE_WIDTH


@dataclass(frozen=True, slots=True)
class Contents:
    """A log that passed. `missing` bodies or attachments are known to the log and not held, after a restoration."""

    checkpoint: Checkpoint
    directory: int
    bodies: int
    attachments: int
    missing: int


def check_log(path: Path, note: bytes, trusted_root: bytes) -> Contents:
    """Check the copy at `path` against its signed checkpoint. Raises `StorageTampered` naming what is wrong."""
    with frozen(path) as log:
        check_pages(log)
        history = restore_history(log, trusted_root)
        checkpoint = _signed(note, history)
        _check_tree(log, checkpoint)
        bodies, missing = _count_bodies(log)
        attachments, lacking = _count_attachments(log)
        return Contents(checkpoint, history.latest.version, bodies, attachments, missing + lacking)


def _signed(note: bytes, history: DirectoryHistory) -> Checkpoint:
    document = history.latest.document if len(history) else None
    if document is None:
        raise NotReady("the log has no directory yet", hint="Run `bearing-broker init` first.")
    try:
        return verify_checkpoint(note, document.log.origin, history.latest.log_keys())
    except CrossbearingError as error:
        raise StorageTampered(f"the checkpoint does not verify: {error.message}") from error


def _check_tree(log: SqliteReader, checkpoint: Checkpoint) -> None:
    if (size := log.size()) != checkpoint.size:
        raise StorageTampered(f"the log has {size} entries, its checkpoint says {checkpoint.size}")
    tree = Tree(log.tile)
    for start in range(0, size, _AT_ONCE):
        entries = log.entries(start, min(start + _AT_ONCE, size))
        growth = tree.extend([leaf_hash(entry) for entry in entries])
        for level, index, hashes in growth.tiles:
            if log.tile(level, index) != hashes:
                raise StorageTampered(f"hash tile {index} of level {level} is not that of the entries")
        tree.accept(growth)
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
        raise StorageTampered("the entries do not give the root that was signed")


def _count_bodies(log: SqliteReader) -> tuple[int, int]:
    """How many bodies are held, and how many are not that should be."""
    held, missing, after = 0, 0, -1
    while found := log.held(after, _AT_ONCE):
        for index in found:
            stored = log.entry(index)
            entry = decode_entry(stored) if stored is not None else None
            if not isinstance(entry, AlertEntry):
                raise StorageTampered(f"the entry at index {index} is no alert")
            header = decode_header(entry.header)
            body = log.body(index)
            if body is not None and (len(body), sha256(body).digest()) != (header.body_size, header.body_digest):
                raise StorageTampered(f"the body of the alert at index {index} is not the one its header names")
            held, missing = held + (body is not None), missing + (body is None)
        after = found[-1]
    return held, missing


def _count_attachments(log: SqliteReader) -> tuple[int, int]:
    held, missing = 0, 0
    for digest, total in log.attachments():
        measured, length = sha256(), 0
        for piece in log.pieces(digest):
            measured.update(piece)
            length += len(piece)
        whole = total > 0 and length == total
        if whole and measured.digest() != digest:
            raise StorageTampered(f"the attachment {digest.hex()} is not the one its digest names")
        held, missing = held + whole, missing + (not whole)
    return held, missing
