"""Replaying the headers of a copy of the log against a proposed directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodes.auditor.bundles import bundles_of, read_bundle
from nodes.auditor.fetch import open_checkpoint
from nodes.auditor.mirror import CHECKPOINT, LogFolder, directory_path
from nodes.auditor.progress import Progress
from nodes.auditor.text import count, plain
from schemas.directory.documents import DirectoryDocument
from schemas.directory.history import DirectoryHistory
from schemas.envelope.header import Header, decode_header
from schemas.errors import LogTampered
from schemas.ids import format_id
from schemas.log.entry import AlertEntry, DirectoryEntry, decode_entry
from schemas.log.note import NoteKey
from schemas.log.tiles import TILE_WIDTH
from schemas.routing.simulate import Change, proposal, simulate


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a proposed directory would have changed."""

    alerts: int
    changes: tuple[Change, ...]

    def as_dict(self) -> dict[str, object]:
        """JSON-ready data."""
        return {"alerts": self.alerts, "changes": [change.as_dict() for change in self.changes]}


def simulate_log(
    folder: LogFolder,
    document: DirectoryDocument,
    *,
    trusted_root: bytes,
    keys: Sequence[NoteKey] = (),
    progress: Progress,
) -> Simulation:
    """Which alerts of the log that `folder` copies would have gone elsewhere under a proposed document.

    The standing requests are those of the last directory in the copy. The copy is read, not verified: do that first.
    Raises what reading it raises.
    """
    size = open_checkpoint(folder.read(CHECKPOINT), keys).size
    history = DirectoryHistory()
    headers: list[tuple[int, Header]] = []
    for index, data in _entries(folder, size, progress):
        entry = decode_entry(data)
        if isinstance(entry, DirectoryEntry):
            bundle = folder.read(directory_path(entry.digest))
            history.accept(index, entry, bundle, trusted_root=trusted_root)
        elif isinstance(entry, AlertEntry):
            headers.append((index, decode_header(entry.header)))
    changes = tuple(simulate(proposal(document, history.latest), headers))
    return Simulation(len(headers), changes)


def simulation_lines(simulation: Simulation) -> Iterator[str]:
    """What would have changed, in words."""
    for change in simulation.changes:
        header = change.header
        yield f"Entry {change.index:,}: {header.topic} {format_id(header.id)} of {header.sender}, {header.marking}"
        for sign, decisions in (("+", change.gained), ("-", change.lost)):
            for decision in decisions:
                yield f"  {sign} {decision.agency}: {plain(decision.reason)} ({decision.rule})"
        if change.refusal is not None:
            yield f"  ! {plain(change.refusal)}"
    changed = count(len(simulation.changes), "alert")
    yield f"{changed} of {simulation.alerts:,} would have gone elsewhere."


def _entries(folder: LogFolder, size: int, progress: Progress) -> Iterator[tuple[int, bytes]]:
    bundles = list(bundles_of(size))
    for done, (number, width) in enumerate(bundles):
        progress("reading the log", done, len(bundles))
        bundle = read_bundle(folder, number, width)
        if not bundle.whole:
            raise LogTampered(
                f"entry bundle {number} is damaged", hint="Run bearing audit verify on this folder; it names the fault."
            )
        yield from enumerate(bundle.entries, start=number * TILE_WIDTH)
