"""The trail of one alert, from the log alone: when it was accepted, to whom it went and why, and what became of it.

Every entry shown is proven to be in the log, and every signature is checked under the directory in force at its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from nodes.auditor.bundles import bundles_of, mark_of, read_bundle
from nodes.auditor.checkpoints import compare_roots, read_checkpoints
from nodes.auditor.entry_check import Judge
from nodes.auditor.findings import Findings
from nodes.auditor.ledger import Ledger
from nodes.auditor.mirror import LogFolder
from nodes.auditor.obligations import EXPIRED, Obligation, obligations
from nodes.auditor.progress import Progress
from nodes.auditor.prove import find_alert
from nodes.auditor.survey import survey
from nodes.auditor.tree_check import check_tree
from nodes.auditor.verify import Question
from nodes.auditor.workers import Grounds
from schemas.directory.history import DirectoryHistory
from schemas.envelope.header import Header, decode_header
from schemas.errors import CrossbearingError, LogTampered
from schemas.ids import format_id
from schemas.log.checkpoint import Checkpoint
from schemas.log.entry import AlertEntry, Entry, EscalationEntry, PurgeEntry, ReceiptEntry, decode_entry
from schemas.log.receipt import decode_receipt
from schemas.log.tiles import TILE_WIDTH
from schemas.routing.resolve import Decision, query_of, resolve

RELATION_EVENTS = {"recall": "recalled", "correct": "corrected", "reply": "answered", "follow-up": "followed up"}
HUB = "the hub"

_PURGE_MARK = mark_of("purge")
ESCALATIONS = {
    "due": "{} had not stored it in time, so its duty desk is called",
    "unreachable": "no contact of {} could be reached",
    "reached": "contact {contact} of {} was reached",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to the alert. Times in ms."""

    what: str
    """accepted, stored, read, actioned, refused, recalled, corrected, answered, followed up, escalated, deleted or
    expired"""
    time: int
    """When it was entered in the log, by the hub's clock; of an expiry, when it expired."""
    by: str
    """Who says so: an agency under its signature, or the hub under the log's."""
    index: int | None = None
    """The entry that says so; None for what follows from the clock."""
    key: str | None = None
    """The id of the agency's signing key, hex."""
    said: int | None = None
    """The time that the agency itself states."""
    officer: str | None = None
    code: str | None = None
    step: int | None = None
    """Of a refusal: the step of opening that failed."""
    alert: str | None = None
    """The other alert, where this one was recalled, corrected or answered."""
    note: str | None = None
    carried: bool | None = None
    """Of an alert that was accepted: a courier brought it, and `said` is when it was sealed; else None."""
    faults: tuple[str, ...] = ()
    """What is wrong with the entry; empty if its signature is good and it fits the alert."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is owed to one recipient, and why it is one."""

    owed: Obligation
    decision: Decision | None
    """The rule that made it a recipient; None if the rules do not."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Everything that the log says of one alert, in the order of time."""

    index: int
    header: Header
    checkpoint: Checkpoint
    end: int
    """The time of the last entry (ms)."""
    deliveries: tuple[Delivery, ...]
    events: tuple[Event, ...]

    @property
    def faultless(self) -> bool:
        """Whether nothing is wrong with any entry of the trail."""
        return not any(event.faults for event in self.events)


def trail(folder: LogFolder, wanted: str, question: Question, progress: Progress) -> Trail:
    """Return the trail of the alert whose id is or ends in `wanted`.

    Raises `BadId`, `NotFound`, and `LogTampered` if the copy does not prove what it holds.
    """
    grounds, checkpoint = _grounds(folder, question, progress)
    size = checkpoint.size
    found = find_alert(folder, wanted, size, progress)
    header = decode_header(found.entry.header)
    directories = grounds.establish()
    findings = Findings()
    events: list[Event] = []
    with Ledger() as ledger:
        judge = Judge(directories, ledger, findings, proven=True, damaged=frozenset(), whole=False)
        for index, data, entry in _mentions(folder, header.id, found.index, size, progress):
            before = len(findings)
            judge.lost = False
            judge.judge(folder.bundle_path(index // TILE_WIDTH), survey(directories.history, index, 0, data))
            faults = tuple(finding.message for finding in findings.kept[before:])
            with contextlib.suppress(CrossbearingError):  # what is malformed inside says nothing of the alert
                events.extend(_events(index, entry, header, faults))
        logged = ledger.alert(found.index)
    if logged is None:
        raise LogTampered(f"entry {found.index} cannot be read twice alike", hint="Run bearing audit verify.")
    end = _last_time(folder, size)
    owed = tuple(obligations(logged, end))
    if any(obligation.standing == EXPIRED for obligation in owed):
        note = ", ".join(obligation.agency for obligation in owed if obligation.standing == EXPIRED)
        events.append(Event(what="expired", time=header.expires, by=HUB, note=f"never acknowledged by {note}"))
    decisions = _decisions(directories.history, header)
    deliveries = tuple(Delivery(obligation, decisions.get(obligation.agency)) for obligation in owed)
    ordered = tuple(sorted(events, key=lambda event: event.time))
    return Trail(found.index, header, checkpoint, end, deliveries, ordered)


def _grounds(folder: LogFolder, question: Question, progress: Progress) -> tuple[Grounds, Checkpoint]:
    """Prove the entries of the copy. Raises `LogTampered`."""
    findings = Findings()
    held = read_checkpoints(folder, question.keys, findings)
    newest = held.newest
    size = newest.size if newest is not None else 0
    tree = check_tree(folder, size, held.roots(), findings, progress)
    if newest is None or not compare_roots(held, tree.roots, findings) or tree.damaged:
        raise LogTampered(
            "the copy does not prove its entries",
            hint="Run bearing audit verify on this folder; it says what is wrong.",
        )
    return Grounds(folder, question.trusted_root, tree.directory_entries(), frozenset()), newest


def _mentions(
    folder: LogFolder, alert_id: bytes, index: int, size: int, progress: Progress
) -> Iterator[tuple[int, bytes, Entry]]:
    """Yield the entries that speak of an alert: itself, its receipts, what relates to it, escalations and deletions."""
    total = -(-size // TILE_WIDTH)
    for bundle, width in bundles_of(size, start=index):
        progress("following the alert", bundle, total)
        for item, data in enumerate(read_bundle(folder, bundle, width).entries):
            if alert_id not in data and _PURGE_MARK not in data:
                continue
            try:
                entry = decode_entry(data)
            except CrossbearingError:
                continue  # verify reports it; nothing in it speaks of the alert by signature
            if not isinstance(entry, PurgeEntry) or entry.index == index:
                yield bundle * TILE_WIDTH + item, data, entry


def _events(index: int, entry: Entry, header: Header, faults: tuple[str, ...]) -> Iterator[Event]:
    match entry:
        case AlertEntry():
            other = decode_header(entry.header)
            key, said = other.key.hex(), other.created
            if other.id == header.id:
                yield Event(
                    what="accepted",
                    time=entry.time,
                    by=other.sender,
                    index=index,
                    key=key,
                    said=said,
                    carried=True if entry.carried else None,
                    faults=faults,
                )
            elif other.relation is not None and other.relation.alert == header.id:
                yield Event(
                    what=RELATION_EVENTS[other.relation.type],
                    time=entry.time,
                    by=other.sender,
                    index=index,
                    key=key,
                    said=said,
                    alert=format_id(other.id),
                    faults=faults,
                )
        case ReceiptEntry():
            receipt = decode_receipt(entry.receipt)
            for item in receipt.items:
                if item.alert_id == header.id:
                    yield Event(
                        what=receipt.state,
                        time=entry.time,
                        by=receipt.agency,
                        index=index,
                        key=receipt.key.hex(),
                        said=receipt.time,
                        officer=receipt.officer,
                        code=item.code,
                        step=item.step,
                        faults=faults,
                    )
        case EscalationEntry():
            note = ESCALATIONS[entry.outcome].format(entry.agency, contact=entry.contact)
            yield Event(what="escalated", time=entry.time, by=HUB, index=index, note=note, faults=faults)
        case PurgeEntry():
            approved = f"{entry.basis}; approved by {', '.join(entry.approvers) or 'nobody'}"
            yield Event(what="deleted", time=entry.time, by=HUB, index=index, note=approved, faults=faults)


def _decisions(history: DirectoryHistory, header: Header) -> dict[str, Decision]:
    """The routing decision of each agency, taken again under the directory the alert was sealed under."""
    try:
        trace = resolve(history.version(header.directory), query_of(header)).trace
    except CrossbearingError:
        return {}
    return {decision.agency: decision for decision in trace if decision.included}


def _last_time(folder: LogFolder, size: int) -> int:
    """The time of the last entry that is here and reads (ms)."""
    for bundle, width in reversed(list(bundles_of(size))):
        for data in reversed(read_bundle(folder, bundle, width).entries):
            try:
                return decode_entry(data).time
            except CrossbearingError:
                continue
    return 0
