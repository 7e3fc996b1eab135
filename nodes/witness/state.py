"""What a witness has cosigned: of every log the newest checkpoint, replaced in one atomic and durable step.

A folder with a file for each log, named by the SHA-256 of its origin. The file is the cosigned checkpoint itself, as
it is served; it carries the witness's own signature, so a flipped bit is found when it is read. An older copy of the
folder cannot be told from the current one: never restore it from a backup, or the witness may cosign a fork.
"""

from __future__ import annotations

import errno
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodes.durable import write_durably
from schemas.errors import CrossbearingError, Fault, StorageFailed, StorageFull, StorageTampered
from schemas.ids import sha256
from schemas.limits import MAX_NOTE
from schemas.log.checkpoint import parse_tree, verify_signers
from schemas.log.cosignature import Tree, signed_at
from schemas.log.note import NoteKey

_NAME = re.compile(r"[0-9a-f]{64}")
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Held:
    """The newest checkpoint cosigned of a log: its tree, the whole signed note, and when (ms) it was cosigned."""

    tree: Tree
    note: bytes
    cosigned: int


class WitnessState:
    """The compare-and-persist store of one witness, safe to use from several threads of one process.

    ``keys`` are the witness's own, one of which cosigned whatever is stored. Keep other processes away with a lock.
    Raises StorageTampered when a stored checkpoint is altered or misnamed, StorageFailed when it cannot be read.
    """

    def __init__(
        self, folder: Path, keys: Sequence[NoteKey], *, write: Callable[[Path, bytes], None] = write_durably
    ) -> None:
        self._folder = folder
        self._keys = tuple(keys)
        self._write = write
        self._lock = threading.Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
            self._held = {path.name: self._read(path) for path in files}
        except OSError as error:
            raise _fault(folder, error) from error

    def held(self, origin: str) -> Held | None:
        """What was last cosigned of the log called ``origin``; None if nothing was."""
        return self._held.get(origin_hash(origin))

    def by_hash(self, name: str) -> Held | None:
        """The same, found by the SHA-256 of the origin in lower-case hex."""
        return self._held.get(name)

    def compare_and_persist(self, expected: Held | None, new: Held) -> bool:
        """Replace what is held, if it still is ``expected``; False if another request moved it meanwhile.

        On return the new one is on disk. Raises StorageFull or StorageFailed; then what was held stays held, and the
        new one must not be answered with, though it may be found after a restart.
        """
        name = origin_hash(new.tree.origin)
        with self._lock:
            if self._held.get(name) != expected:
                return False
            try:
                self._write(self._folder / name, new.note)
            except OSError as error:
                raise _fault(self._folder, error) from error
            self._held[name] = new
        return True

    def _read(self, path: Path) -> Held:
        with path.open("rb") as file:
            note = file.read(MAX_NOTE + 1)
        try:
            signed = verify_signers(note, self._keys, any_log=True)
            tree = parse_tree(signed.text, any_log=True)
        except CrossbearingError as error:
            raise StorageTampered(f"{path} is not a checkpoint that this witness cosigned: {error.message}") from None
        if origin_hash(tree.origin) != path.name:
            raise StorageTampered(f"{path} holds the checkpoint of another log")
        keys = {(key.name, key.key_id): key for key in self._keys}
        times = [signed_at(keys[line.name, line.key_id], line) or 0 for line in signed.signatures]
        return Held(tree, note, max(times))


def origin_hash(origin: str) -> str:
    """The SHA-256 of a log's origin in lower-case hex, by which a witness's log is asked for."""
    return sha256(origin.encode("utf-8", "surrogatepass")).hex()


def _fault(folder: Path, error: OSError) -> Fault:
    if error.errno in _FULL:
        return StorageFull(f"there is no room left for {folder}")
    return StorageFailed(f"{folder}: {error.strerror or error}")
