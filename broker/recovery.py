"""Start-up: rebuild what is kept in memory, and compare what is durable with what was signed.

log as large as the anchor says, same root     go on
log larger by its newest block, same root      the hub died between the two writes: sign that block now
log larger by more                             somebody wrote to it: refuse
log larger, and restored from a backup         completing it was interrupted: refuse until it is completed again
log smaller, or another root at that size      rolled back or altered: refuse
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.committer import Head, LogSigner
from broker.engines.port import Anchor, Engine
from broker.state import Activation
from broker.tree import TILE_WIDTH, Tree
from schemas.directory.history import DirectoryHistory
from schemas.errors import CrossbearingError, NotReady, StorageTampered
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.entry import DirectoryEntry, decode_entry
from schemas.log.merkle import EMPTY_ROOT, leaf_hash, root
from schemas.log.note import note_key


class DirectoryLog(Protocol):
    """What of an engine holds the directory."""

    def activations(self, after: int) -> Sequence[Activation]:
        """See `View`."""

    def blob(self, digest: bytes) -> bytes | None:
        """See `Engine`."""

    def entries(self, start: int, stop: int) -> list[bytes]:
        """See `Engine`."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The memory of a hub that may go on signing. `resigned`: its last block had not been signed for."""

    tree: Tree
    history: DirectoryHistory
    head: Head
    resigned: bool


def recover(engine: Engine, anchor: Anchor, signer: LogSigner, trusted_root: bytes) -> Recovered:
    """Bring back the state of a log that was closed or crashed.

    Raises `StorageTampered` when what is stored contradicts what was signed, and `NotReady` for a log never begun.
    """
    tree = restore_tree(engine)
    history = restore_history(engine, trusted_root)
    size = tree.size
    if size == 0:
        raise NotReady("the log is empty", hint="Run `bearing-broker init` first.")
    note = anchor.read()
    signed = _signed(note, signer)
    if size < signed.size:
        raise StorageTampered(f"the log holds {size} entries, but {signed.size} were signed for", size=size)
    if root(signed.size, tree.read) != signed.root:
        raise StorageTampered(f"the log's first {signed.size} entries are not those that were signed for")
    if size == signed.size and note is not None:
        return Recovered(tree, history, Head(note, signed, len(history)), resigned=False)
    restorations = anchor.restorations()
    if restorations and not restorations[-1].settled:
        raise NotReady(
            "completing the restored log was interrupted", hint="Run `bearing-broker complete` again, as before."
        )
    if engine.last_block() != signed.size:
        raise StorageTampered(f"the log has entries from {signed.size} on that are not one block")
    checkpoint = Checkpoint(signer.origin, size, tree.root())
    renewed = signer.sign(checkpoint)
    anchor.swap(note, renewed)
    return Recovered(tree, history, Head(renewed, checkpoint, len(history)), resigned=True)


def restore_tree(engine: Engine) -> Tree:
    """The tree over the engine's entries, from its full tiles and the entries after them."""
    size = engine.size()
    tree = Tree(engine.tile)
    tree.restore(size, [leaf_hash(entry) for entry in engine.entries(size - size % TILE_WIDTH, size)])
    return tree


def restore_history(engine: DirectoryLog, trusted_root: bytes) -> DirectoryHistory:
    """Every directory version, verified again from the root that this hub trusts. Raises `StorageTampered`."""
    history = DirectoryHistory()
    for activation in engine.activations(after=0):
        bundle = engine.blob(activation.digest)
        stored = engine.entries(activation.index, activation.index + 1)
        if bundle is None or not stored:
            raise StorageTampered(f"directory version {activation.version} is missing")
        try:
            entry = decode_entry(stored[0])
            if not isinstance(entry, DirectoryEntry):
                raise StorageTampered(f"the entry at index {activation.index} is no directory entry")
            history.accept(activation.index, entry, bundle, trusted_root=trusted_root)
        except StorageTampered:
            raise
        except CrossbearingError as error:
            raise StorageTampered(f"directory version {activation.version} does not verify: {error.message}") from error
    return history


def _signed(note: bytes | None, signer: LogSigner) -> Checkpoint:
    """The checkpoint in the anchor; before the first one, that of the empty log."""
    if note is None:
        return Checkpoint(signer.origin, 0, EMPTY_ROOT)
    try:
        return verify_checkpoint(note, signer.origin, [note_key(signer.origin, signer.key.public)])
    except CrossbearingError as error:
        raise StorageTampered(f"the anchor's checkpoint does not verify: {error.message}") from error
