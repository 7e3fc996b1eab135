"""One block, from what was submitted to a signed checkpoint. Runs in the one thread that writes.

The order is what makes it safe: admit and apply inside the engine's open block, make the block durable, sign its tree
head, swap that into the anchor, and only then let anyone know. A failure before the block is durable loses exactly this
block and is answered; any later one leaves in doubt what is durable or signed, and ends the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.draft import Draft, Entered, Supplied, Verdict, Work
from broker.engines.port import Anchor, Engine
from broker.quota import Quotas
from broker.tree import Tree
from schemas.directory.history import Directory, DirectoryHistory
from schemas.errors import DirectoryLockout, LogRestored
from schemas.keys import MlDsaKey, SealingKey, SigningKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.cosignature import Tree as SignedTree
from schemas.log.cosignature import sign_tree
from schemas.log.entry import decode_entry
from schemas.log.note import NoteSignature, note_key


@dataclass(frozen=True, slots=True)
class Head:
    """The newest signed tree head, and the newest directory version in it."""

    note: bytes
    checkpoint: Checkpoint
    directory: int

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self.checkpoint.size


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a batch. `head` is None when nothing was logged; `seconds` is what the block took.

    `supplied` are alerts of the log whose lost body came back, each with the deliveries that wait for it.
    """

    verdicts: tuple[Verdict, ...]
    head: Head | None
    entered: tuple[Entered, ...]
    directories: tuple[tuple[int, Directory], ...]
    seconds: float
    supplied: tuple[Supplied, ...] = ()


class _NothingToLogError(Exception):
    """Leaves an open block that would stay empty."""


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The log's name and key; `tls` is the SHA-256 of the certificate key (SPKI) under which a hub serves it."""

    origin: str
    key: SigningKey
    tls: bytes | None = None
    ml_dsa: MlDsaKey | None = None
    carrier: SealingKey | None = None
    """For which files on removable media are sealed."""

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The signed note."""
        return sign_checkpoint(checkpoint, self.key)

    def sign_tree(self, checkpoint: Checkpoint, *, now: int) -> NoteSignature:
        """A line by the ML-DSA-44 key, which there must be, at `now` (ms)."""
        if self.ml_dsa is None:
            raise ValueError("this log has no ML-DSA-44 key")
        return sign_tree(
            SignedTree(checkpoint.origin, checkpoint.size, checkpoint.root), self.origin, self.ml_dsa, now=now
        )

    def check_directory(self, directory: Directory) -> None:
        """Refuse a directory under which nobody would trust this log's signatures, or this hub's connections.

        Raises `DirectoryLockout`.
        """
        if directory.document is None:
            return
        own = note_key(self.origin, self.key.public)
        if directory.document.log.origin != self.origin or own not in directory.log_keys():
            raise DirectoryLockout("the directory does not list this log's own origin and key")
        if self.tls is not None and not any(self.tls in broker.tls for broker in directory.document.brokers):
            raise DirectoryLockout("the directory does not list this hub's own certificate")
        if self.carrier is not None:
            own_entries = [broker for broker in directory.document.brokers if self.tls in broker.tls]
            if any(broker.sealing not in (b"", self.carrier.public) for broker in own_entries):
                raise DirectoryLockout(
                    "the directory lists another sealing key for this hub than its own",
                    hint="Put in what `bearing-broker carrier-key` prints.",
                )


class Committer:
    """Turns batches into blocks. `clock` gives ms since the epoch, `stopwatch` seconds for measuring."""

    def __init__(
        self,
        *,
        engine: Engine,
        anchor: Anchor,
        tree: Tree,
        history: DirectoryHistory,
        head: Head | None,
        signer: LogSigner,
        trusted_root: bytes,
        quotas: Quotas,
        clock: Callable[[], int],
        stopwatch: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._anchor = anchor
        self._tree = tree
        self._history = history
        self._head = head
        self._signer = signer
        self._trusted_root = trusted_root
        self._quotas = quotas
        self._clock = clock
        self._stopwatch = stopwatch
        restorations = anchor.restorations()
        self._unsettled = bool(restorations) and not restorations[-1].settled
        newest = engine.entry(head.size - 1) if head is not None and head.size else None
        self._time = decode_entry(newest).time if newest is not None else 0

    def disown(self) -> None:
        """Sign nothing more, from now on and after any restart: the storage went back. Raises `StorageInDoubt`."""
        self._unsettled = True
        self._anchor.restored(self._tree.size, self._clock())

    def settle(self) -> None:
        """Sign again: what is here is all that was signed. Raises `StorageInDoubt`."""
        self._anchor.settle()
        self._unsettled = False

    def commit(self, batch: Sequence[Work]) -> Committed:
        """Log what of `batch` may enter, as one block.

        Raises `StorageFull` or `StorageFailed` when nothing was kept, and `StorageInDoubt`, `StorageTampered` or
        `Fork` when something is wrong with what is durable: then nothing more may be signed. `LogRestored` while it is
        not settled what was signed before.
        """
        if self._unsettled:
            raise LogRestored("the log was restored, and nobody has settled yet that nothing newer was signed")
        started = self._stopwatch()
        position = self._tree.size
        now = max(self._clock(), self._time)  # the log's times never go back, whatever the clock does
        verdicts: tuple[Verdict, ...] = ()
        try:
            with self._engine.block(position) as block:
                draft = Draft(
                    block,
                    position=position,
                    history=self._history,
                    quotas=self._quotas,
                    now=now,
                    trusted_root=self._trusted_root,
                    check_directory=self._signer.check_directory,
                )
                verdicts = tuple(draft.take(work) for work in batch)
                if not draft.entered and not draft.supplied:
                    raise _NothingToLogError
                growth = self._tree.extend([entered.leaf for entered in draft.entered])
                for level, index, data in growth.tiles:
                    block.put_tile(level, index, data)
        except _NothingToLogError:
            return Committed(verdicts, None, (), (), self._stopwatch() - started)
        supplied = tuple(draft.supplied)
        if not draft.entered:
            return Committed(verdicts, None, (), (), self._stopwatch() - started, supplied)
        checkpoint = Checkpoint(self._signer.origin, growth.size, growth.root())
        note = self._signer.sign(checkpoint)
        self._anchor.swap(self._head.note if self._head else None, note)
        self._time = now
        self._tree.accept(growth)
        for index, directory in draft.directories:
            self._history.add(index, directory)
        self._head = Head(note, checkpoint, len(self._history))
        seconds = self._stopwatch() - started
        return Committed(verdicts, self._head, tuple(draft.entered), tuple(draft.directories), seconds, supplied)
