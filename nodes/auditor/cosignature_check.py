"""Which checkpoints of a copy enough witnesses cosigned, by the directories that were in force.

A missing quorum is a notice, not a finding: it says that fewer vouch for the log than the governors want, and nothing
about what the log holds. A cosignature that does not verify is a finding; `checkpoints.check_other_signers` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.auditor.checkpoints import Checkpoints
from schemas.directory.history import Directory, DirectoryHistory
from schemas.directory.witness_policy import policy_of, quorum_of, witness_of
from schemas.errors import CrossbearingError
from schemas.log.note import NoteKey
from schemas.log.witnessed import Witnessed, read_witnessed


@dataclass(frozen=True, slots=True)
class Witnessing:
    """How far the log is vouched for by others than its keeper."""

    size: int
    """Of the largest checkpoint in the copy that has its quorum; 0 when none has."""
    cosigners: tuple[str, ...]
    """Who cosigned it; without any quorum, who cosigned the one that most did."""
    needed: int

    @property
    def reached(self) -> bool:
        """Whether any checkpoint has its quorum."""
        return self.size > 0

    def as_dict(self) -> dict[str, object]:
        """As the report shows it."""
        return {"size": self.size, "cosigned_by": list(self.cosigners), "quorum": self.needed}


def every_witness_key(history: DirectoryHistory) -> Iterator[NoteKey]:
    """The keys of all witnesses that any version of the directory lists: an old checkpoint has old keys' lines."""
    for number in range(1, len(history) + 1):
        directory = history.version(number)
        if directory.document is not None:
            yield from policy_of(directory).witness_keys()


def judge_witnessing(held: Checkpoints, history: DirectoryHistory) -> Witnessing | None:
    """Look at the genuine checkpoints, largest first, until one has its quorum. None while nobody is to witness."""
    if not len(history) or history.latest.document is None or not policy_of(history.latest).witnesses:
        return None
    most: tuple[str, ...] = ()
    for size in sorted((size for size in held.notes if size), reverse=True):
        shown = _shown(held.notes[size], history, size)
        if shown is None:
            continue
        cosigners = tuple(sorted({witness_of(name) for name in shown[0].times}))
        if shown[0].reached:
            return Witnessing(size, cosigners, quorum_of(shown[1]))
        most = max(most, cosigners, key=len)
    return Witnessing(0, most, quorum_of(history.latest))


def _shown(note: bytes, history: DirectoryHistory, size: int) -> tuple[Witnessed, Directory] | None:
    """Read under the directory in force at the checkpoint; None where that is unknown, or a line is false."""
    try:
        directory = history.at(size - 1)
        return read_witnessed(note, policy_of(directory)), directory
    except CrossbearingError:
        return None
