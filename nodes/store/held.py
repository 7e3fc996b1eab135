"""What this node holds of the log: the last trusted checkpoint, and how far its notices are read."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from schemas.errors import StorageInDoubt
from schemas.log.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class HeldCheckpoint:
    """The newest checkpoint this node verified, as size, root and the signed note's bytes (empty before the first)."""

    size: int
    root: bytes
    note: bytes


_HALTED = "halted"


class Held:
    """A handful of named values."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def get(self, name: str) -> bytes | None:
        """The raw value of that name, or None."""
        row = self._db.execute("SELECT value FROM held WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, name: str, value: bytes) -> None:
        """Set a value."""
        self._db.execute("INSERT OR REPLACE INTO held (name, value) VALUES (?, ?)", (name, value))

    def drop(self, name: str) -> None:
        """Forget a value."""
        self._db.execute("DELETE FROM held WHERE name = ?", (name,))

    @property
    def checkpoint(self) -> HeldCheckpoint | None:
        """The checkpoint held, or None in a new store."""
        row = self._db.execute("SELECT size, root, note FROM checkpoint").fetchone()
        return None if row is None else HeldCheckpoint(int.from_bytes(row[0], "big"), row[1], row[2])

    def set_checkpoint(self, checkpoint: HeldCheckpoint) -> None:
        """Replace the checkpoint held; call it in the same transaction as whatever was accepted under it."""
        self._db.execute(
            "INSERT OR REPLACE INTO checkpoint (one, size, root, note) VALUES (1, ?, ?, ?)",
            (checkpoint.size.to_bytes(8, "big"), checkpoint.root, checkpoint.note),
        )

    def advance(self, expected: Checkpoint, new: HeldCheckpoint) -> None:
        """Replace the checkpoint held, if it still is the one that `new` was shown to continue (size 0: none).

        In one transaction with whatever was accepted under it, and before anything is signed over it. Raises
        `StorageInDoubt` if another one is held: then somebody else moved it, or the store is an older copy.
        """
        self._db.execute(
            "UPDATE checkpoint SET size = ?, root = ?, note = ? WHERE size = ? AND root = ?",
            (new.size.to_bytes(8, "big"), new.root, new.note, expected.size.to_bytes(8, "big"), expected.root),
        )
        if self._db.changes():
            return
        if expected.size or self.checkpoint is not None:
            raise StorageInDoubt("the checkpoint in this node's store is not the one it stood on")
        self.set_checkpoint(new)

    @property
    def cosigned(self) -> int:
        """The time (ms) of this node's last cosignature; 0 before the first."""
        return int.from_bytes(self.get("cosigned") or b"", "big")

    def set_cosigned(self, time: int) -> None:
        """A cosignature of that time may leave once this is committed."""
        self.put("cosigned", time.to_bytes(8, "big"))

    @property
    def witnessed(self) -> bytes | None:
        """The newest checkpoint seen that a quorum cosigned, as its note."""
        return self.get("witnessed")

    def set_witnessed(self, note: bytes) -> None:
        """Replace it."""
        self.put("witnessed", note)

    @property
    def halted(self) -> str | None:
        """After a fork, where the evidence is; the node keeps away from the hub until `resume`."""
        evidence = self.get(_HALTED)
        return None if evidence is None else evidence.decode()

    def halt(self, evidence: str) -> None:
        """Keep away from the hub: it showed two histories."""
        self.put(_HALTED, evidence.encode())

    def resume(self) -> None:
        """An operator has looked at the evidence: the hub may be called again."""
        self.drop(_HALTED)

    @property
    def log_restored(self) -> int:
        """The time (ms) of the newest restoration of the log that this node has worked through; 0 for none."""
        return int.from_bytes(self.get("log-restored") or b"", "big")

    def set_log_restored(self, time: int) -> None:
        """In one transaction with what it takes to work through it."""
        self.put("log-restored", time.to_bytes(8, "big"))

    @property
    def recovering(self) -> tuple[int, int] | None:
        """While a node from a backup gets back what it lacks: since which log size, and where to go on; else None."""
        value = self.get("recovering")
        return None if value is None else (int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big"))

    def set_recovering(self, since: int, start: int) -> None:
        """Get back from the log index `start` on what was lost since the log had `since` entries."""
        self.put("recovering", since.to_bytes(8, "big") + start.to_bytes(8, "big"))

    def recovered(self) -> None:
        """Everything there was is back."""
        self.drop("recovering")

    @property
    def notices(self) -> int:
        """The log index from which receipts about this agency's alerts have not been processed yet."""
        return int.from_bytes(self.get("notices") or b"", "big")

    def set_notices(self, index: int) -> None:
        """Move the notices cursor; it never goes back."""
        if index > self.notices:
            self.put("notices", index.to_bytes(8, "big"))
