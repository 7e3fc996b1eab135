"""Asking the hub for every body that it must still hold: what is neither there nor deleted by right is missing.

The bodies are sealed, and an auditor cannot open them. They are hashed as they come and not kept: the digest that the
sender signed is what shows that the hub holds this very body, and has not only said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from nodes.auditor import findings as found
from nodes.auditor.bundles import bundles_of, mark_of, read_bundle
from nodes.auditor.fetch import open_checkpoint
from nodes.auditor.findings import BROKER, Finding, Findings
from nodes.auditor.mirror import CHECKPOINT, LogFolder, body_path
from nodes.auditor.progress import Progress
from schemas.envelope.header import Header, decode_header
from schemas.errors import Missing, Purged
from schemas.ids import format_id, sha256
from schemas.log.entry import AlertEntry, Entry, PurgeEntry, decode_entry
from schemas.log.note import NoteKey
from schemas.log.tiles import TILE_WIDTH

_ALERT, _PURGE = mark_of("alert"), mark_of("purge")


class Source(Protocol):
    """Where bodies are read from."""

    def get(self, path: str) -> bytes:
        """Return one resource. Raises `Missing`, `Purged`, `Unreachable`."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """What the hub was asked for: how many bodies it showed and how many it had deleted, as the log says."""

    held: int
    deleted: int
    findings: Findings

    def as_dict(self) -> dict[str, object]:
        """Return the outcome as JSON-ready data."""
        kept = [finding.as_dict() for finding in self.findings.kept]
        return {"ok": not kept, "held": self.held, "deleted": self.deleted, "findings": kept}


def ask_for_bodies(source: Source, folder: LogFolder, *, keys: Sequence[NoteKey] = (), progress: Progress) -> Bodies:
    """Ask `source` for the body of every alert in `folder` that no entry there says was deleted.

    The copy is taken as it is: verify it first. Raises what reading it raises, and `Unreachable`.
    """
    size = open_checkpoint(folder.read(CHECKPOINT), keys).size
    deleted = bytearray(-(-size // 8))  # a bit for each entry, so that memory is small however long the log
    for _, entry in _entries(folder, size, _PURGE):
        if isinstance(entry, PurgeEntry) and entry.index < size:
            deleted[entry.index // 8] |= 1 << entry.index % 8
    findings, held = Findings(), 0
    for index, entry in _entries(folder, size, _ALERT):
        progress("asking for bodies", index, size)
        if isinstance(entry, AlertEntry) and not deleted[index // 8] >> index % 8 & 1:
            fault = _fault(source, index, decode_header(entry.header))
            held += fault is None
            if fault is not None:
                findings.add(fault)
    return Bodies(held, sum(byte.bit_count() for byte in deleted), findings)


def _fault(source: Source, index: int, header: Header) -> Finding | None:
    what = f"the body of alert {format_id(header.id)} of {header.sender}"
    try:
        body = source.get(body_path(index))
    except Missing:
        return Finding(found.BODY_MISSING, BROKER, f"the hub does not have {what}", entry=index)
    except Purged:
        message = f"the hub says that it deleted {what}, and no entry in this copy says so"
        return Finding(found.BODY_MISSING, BROKER, message, entry=index)
    if (len(body), sha256(body)) != (header.body_size, header.body_digest):
        return Finding(found.BODY_ALTERED, BROKER, f"the hub shows other bytes for {what}", entry=index)
    return None


def _entries(folder: LogFolder, size: int, mark: bytes) -> Iterator[tuple[int, Entry]]:
    """Yield the entries of one kind with their indexes."""
    for bundle, width in bundles_of(size):
        for item, data in enumerate(read_bundle(folder, bundle, width).entries):
            if mark in data:
                yield bundle * TILE_WIDTH + item, decode_entry(data)
