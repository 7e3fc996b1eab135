"""What this node stands on in its dealings with the log: the last checkpoint it verified and the directory's history.

One object, held in memory and rebuilt from the store at start. After every session it is made to agree with the store
again, so that nothing is decided for long on facts that a failed commit has not kept.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from schemas.directory.history import DirectoryHistory
from schemas.directory.witness_policy import policy_of
from schemas.errors import CrossbearingError, NotReady, StorageTampered
from schemas.log.checkpoint import Checkpoint
from schemas.log.entry import DirectoryEntry, decode_entry
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.witnessed import Witnessed, read_witnessed

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from schemas.directory.state import Directory
    from schemas.log.note import NoteKey


class Standing:
    """The node's verified view of the log called `origin`.

    `first_key` signs checkpoints until the directory names the log's keys; `trusted_root` is the root metadata that
    the log must begin with. `checkpoint` has size 0 before the first one. `witnessed` is the newest one that the hub
    showed with the cosignatures of a quorum.
    """

    def __init__(self, agency: str, *, first_key: NoteKey, trusted_root: bytes) -> None:
        self.agency = agency
        self.origin = first_key.name
        self.trusted_root = trusted_root
        self.checkpoint = Checkpoint(self.origin, 0, EMPTY_ROOT)
        self.history = DirectoryHistory()
        self.checkpoint_time: int | None = None
        self.witnessed: Witnessed | None = None
        self._first_key = first_key

    @property
    def directory(self) -> Directory:
        """The newest directory version held. Raises NotReady while it names no agencies yet."""
        if not len(self.history) or self.history.latest.document is None:
            raise NotReady(
                "this node has no directory yet", hint="wait until it has reached the hub once: bearing status"
            )
        return self.history.latest

    @property
    def version(self) -> int:
        """The newest directory version held; 0 when none."""
        return len(self.history)

    @property
    def log_keys(self) -> tuple[NoteKey, ...]:
        """The keys that may sign checkpoints."""
        published = self.history.latest.log_keys() if len(self.history) else ()
        return published or (self._first_key,)

    def restore(self, tables: Tables) -> None:
        """Take everything from the store. Raises StorageTampered when what it holds does not verify any more."""
        history = DirectoryHistory()
        try:
            for row in tables.directory.all():
                entry = decode_entry(row.entry)
                if not isinstance(entry, DirectoryEntry):
                    raise StorageTampered(f"the entry of directory version {row.version} is of another kind")
                history.accept(row.index, entry, row.bundle, trusted_root=self.trusted_root)
        except CrossbearingError as error:
            raise StorageTampered(
                f"the directory in this node's store does not verify: {error.message}",
                hint="compare root.json with the governors'; if it is right, restore the home from a backup",
            ) from error
        self.history = history
        self._take_checkpoint(tables)
        note = tables.held.witnessed
        if note is not None and len(history):
            with suppress(CrossbearingError):  # the keys may have changed since; the hub sends a newer one
                self.witnessed = read_witnessed(note, policy_of(history.latest), origin=self.origin)

    def agree(self, tables: Tables) -> None:
        """After a session that broke off: hold what the store holds, and no more. Raises as `restore` does."""
        if tables.directory.newest() == self.version:
            self._take_checkpoint(tables)
        else:
            self.restore(tables)

    def _take_checkpoint(self, tables: Tables) -> None:
        held = tables.held.checkpoint
        self.checkpoint = (
            Checkpoint(self.origin, held.size, held.root) if held else Checkpoint(self.origin, 0, EMPTY_ROOT)
        )

    def stand_on(self, checkpoint: Checkpoint, *, now: int) -> None:
        """Move to a newer checkpoint, once it is committed; `now` (ms) is when it was verified."""
        self.checkpoint_time = now
        self.checkpoint = checkpoint
