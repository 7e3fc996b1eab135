"""Checkpoints that others saw: whether the log showed them the same history as this copy.

Any node or witness can export the newest checkpoint it holds. One that the log's key signed and that contradicts this
copy proves that the log showed two histories, whoever brings it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from nodes.auditor import findings as found
from nodes.auditor.findings import BROKER, COPY, Finding, Findings
from schemas.errors import CrossbearingError
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.note import NoteKey


class Comparison(Enum):
    """How a checkpoint that others saw compares with this copy, in words."""

    AGREES = "the same history as here"
    NEWER = "newer than this copy: fetch again and verify to compare it"
    CONTRADICTS = "another history than here"
    UNREADABLE = "not a checkpoint that the log's key signed"
    UNPROVEN = "cannot be compared, because this copy is not proven itself"


@dataclass(frozen=True, slots=True)
class Seen:
    """One checkpoint that somebody else saw."""

    file: str
    checkpoint: Checkpoint | None
    comparison: Comparison

    @property
    def words(self) -> str:
        """The comparison in words."""
        if self.checkpoint is None:
            return self.comparison.value
        return f"of {self.checkpoint.size:,} entries, {self.comparison.value}"

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON-ready data."""
        size = None if self.checkpoint is None else self.checkpoint.size
        return {"file": self.file, "size": size, "comparison": self.comparison.name.lower()}


def read_seen(
    notes: Iterable[tuple[str, bytes]], keys: Sequence[NoteKey], findings: Findings
) -> list[tuple[str, Checkpoint | None]]:
    """Open what others saw, given with the names of their files; report what the log's key did not sign."""
    opened: list[tuple[str, Checkpoint | None]] = []
    for file, note in notes:
        try:
            opened.append((file, verify_checkpoint(note, keys[0].name, keys)))
        except CrossbearingError as error:
            opened.append((file, None))
            findings.add(Finding(found.SEEN_UNTRUSTED, COPY, error.message, file))
    return opened


def compare_seen(
    opened: Iterable[tuple[str, Checkpoint | None]],
    roots: Mapping[int, bytes],
    size: int,
    findings: Findings,
    *,
    proven: bool,
) -> tuple[Seen, ...]:
    """Compare them with the recomputed `roots` of a copy of `size` entries; a contradiction is a fork."""
    return tuple(
        Seen(file, other, _compare(file, other, roots, size, findings, proven=proven)) for file, other in opened
    )


def _compare(
    file: str, other: Checkpoint | None, roots: Mapping[int, bytes], size: int, findings: Findings, *, proven: bool
) -> Comparison:
    if other is None:
        return Comparison.UNREADABLE
    if other.size > size:
        return Comparison.NEWER
    if not proven:
        return Comparison.UNPROVEN
    if roots[other.size] == other.root:
        return Comparison.AGREES
    message = f"the log's key signed another tree of {other.size} entries for somebody else than this copy holds"
    findings.add(Finding(found.FORK, BROKER, message, file))
    return Comparison.CONTRADICTS
