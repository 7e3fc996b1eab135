"""The port through which the hub makes things durable.

An engine keeps the log (entries, full hash tiles), what follows from it (see `broker.state`), and blobs. It is written
by one thread and read by another. Failures come as two kinds and the difference matters:

* `StorageFull`, `StorageFailed`: nothing of the block was kept. The hub answers its senders and goes on.
* `StorageInDoubt`: the block may or may not be durable. The hub stops; start-up finds out.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from broker.state import Activation, Changes, Delivery, View


@dataclass(frozen=True, slots=True)
class Held:
    """How much of an attachment is stored: `have` of `total` bytes, counted from the start."""

    have: int
    total: int


class BlockWriter(View, Protocol):
    """A block in the making. Its view already includes what it has appended; leaving it normally makes it durable."""

    def append(self, entry: bytes, changes: Changes) -> int:
        """Add an entry with what it changes; returns its index."""

    def supply(self, index: int, changes: Changes) -> None:
        """Note for the alert at `index`, which is in the log, openers and attachments that came after it."""

    def put_tile(self, level: int, index: int, data: bytes) -> None:
        """Add a full hash tile (8,192 bytes)."""

    def put_body(self, index: int, data: bytes) -> None:
        """Keep the sealed body of the alert at `index`."""

    def put_blob(self, digest: bytes, data: bytes) -> None:
        """Keep an opener or a directory's bundle under its name; a name that is held already stays as it is."""


class Engine(View, Protocol):
    """The durable log. As a `View` it shows committed blocks only."""

    def size(self) -> int:
        """Number of entries in the log."""

    def last_block(self) -> int:
        """Size of the log before its newest block; 0 for an empty log."""

    def block(self, position: int) -> AbstractContextManager[BlockWriter]:
        """Open the block that starts at log size `position`.

        Raises `StorageInDoubt` when the log does not end there: someone else wrote. An exception raised inside
        abandons the block. Leaving it raises one of the two kinds of failure named above.
        """

    def entries(self, start: int, stop: int) -> list[bytes]:
        """The entries from `start` to before `stop`, as many as there are."""

    def tile(self, level: int, index: int) -> bytes | None:
        """A full hash tile."""

    def body(self, index: int) -> bytes | None:
        """The sealed body of the alert at `index`, if it is held."""

    def blob(self, digest: bytes) -> bytes | None:
        """What `put_blob` keeps under that name."""

    def due(self, before: int, limit: int) -> list[int]:
        """Indexes of alerts held that are idle since `before` (ms) or longer, the longest first, at most `limit`."""

    def sweep(self, before: int, limit: int) -> int:
        """Remove what purges left behind, at most `limit` pieces and openers; returns how many it was.

        That is the pieces of purged attachments, and openers of which every alert had expired at `before` (ms). Raises
        `StorageFull` or `StorageFailed` when nothing was removed, and `StorageInDoubt`; to sweep again is right always.
        """

    def activations(self, after: int) -> list[Activation]:
        """Directory entries with versions above `after`, oldest first."""

    def outstanding(self, agency: str, after: tuple[int, int], below: int, now: int, limit: int) -> list[Delivery]:
        """Deliveries waiting for `agency` that have not expired, by rank then index.

        Those beyond `after` (a rank and an index) are given, at indexes under `below`, at most `limit`.
        """

    def escalations(self, agency: str, now: int, limit: int, *, logged: bool) -> list[Delivery]:
        """Deliveries that wait for `agency`, have not expired, and are to be escalated by `now` (ms).

        Those of which no entry says so yet, or with `logged` those of which one does and whose desk was not reached
        yet; the longest overdue first, at most `limit`.
        """

    def concerning(self, agency: str, since: int, start: int, below: int, limit: int) -> list[int]:
        """Log indexes from `start` to before `below` of what `agency` sent at `since` or later, or receipted there.

        In order, at most `limit`.
        """

    def waiting_by_rank(self, now: int) -> dict[int, int]:
        """How many deliveries wait and have not expired, for each rank of precedence that has any."""

    def notices(self, agency: str, start: int, stop: int, limit: int) -> list[int]:
        """Log indexes in `start..stop` of receipts about alerts of `agency`, in order."""

    def party(self, agency: str, digest: bytes) -> bool:
        """Whether `agency` sent or received an alert that names that attachment."""

    def upload(self, owner: str, digest: bytes, offset: int, total: int, data: bytes, *, at: int = 0) -> Held:
        """Keep a piece of an attachment, which came `at` that time (ms), durably if it continues what is held.

        Returns what is held afterwards. The piece that completes it makes it whole only if the digest is right; raises
        `BodyMismatch` otherwise and forgets all of it. Raises `StorageFull` or `StorageFailed` when nothing of the
        piece was kept.
        """

    def abandon(self, before: int, limit: int) -> int:
        """Remove some of an attachment that no alert names and of which no piece came since `before` (ms).

        At most `limit` pieces, the last ones first; returns how much was done, 0 when nothing is left to do. Raises as
        `sweep` does.
        """

    def pending_uploads(self, owner: str) -> tuple[int, int]:
        """How many attachments of `owner` no alert in the log names yet, and how many bytes of them are held."""

    def piece(self, digest: bytes, offset: int) -> tuple[bytes, int]:
        """The stored piece of a whole attachment that starts at `offset`, and the total; empty and 0 when none does."""

    def free_bytes(self) -> int:
        """Room left on the disk that has the least of those that a block needs."""

    def close(self) -> None:
        """Let go of the storage."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """The log came back from a copy of `size` entries at `time` (ms). Until `settled`, newer entries may be signed."""

    time: int
    size: int
    settled: bool


class Anchor(Protocol):
    """The newest signed checkpoint, kept apart from the log so that rolling back one of the two shows."""

    def read(self) -> bytes | None:
        """The signed note, or None before the first one."""

    def swap(self, expected: bytes | None, note: bytes) -> None:
        """Replace `expected` by `note` durably, or raise.

        Raises `Fork` when another note is there, `StorageInDoubt` when the outcome is unknown.
        """

    def restorations(self) -> tuple[Restoration, ...]:
        """Every time the log came back from a copy, the newest last. Nothing is signed until that one is settled."""

    def restored(self, size: int, now: int) -> Restoration:
        """Note durably that the log may have come back from a copy of `size` entries. Raises `StorageInDoubt`."""

    def settle(self) -> None:
        """Note durably that nothing newer was signed than what is here. Raises `StorageInDoubt`."""

    def close(self) -> None:
        """Let go of the storage."""
