"""Judging one entry by itself, under the directory in force at its place: what any number of processes can do at once.

What rests on earlier entries (relations, receipts, deletions) is left to `entry_check`, which goes through the
surveys in the order of the log; the outcome is the same whoever made them.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from nodes.auditor import findings as found
from nodes.auditor.alert_check import Problem, alert_problems
from nodes.auditor.bundles import read_bundle
from nodes.auditor.mirror import LogFolder
from nodes.auditor.receipt_check import signer_problems, time_problems
from schemas.directory.history import Directory, DirectoryHistory
from schemas.envelope.header import Relation, decode_header
from schemas.errors import REGISTRY, CrossbearingError
from schemas.log.entry import (
    AlertEntry,
    DirectoryEntry,
    Entry,
    EscalationEntry,
    PurgeEntry,
    ReceiptEntry,
    RefusalEntry,
    decode_entry,
)
from schemas.log.merkle import leaf_hash
from schemas.log.receipt import ReceiptItem, decode_receipt
from schemas.log.tiles import TILE_WIDTH

KIND_NAMES: dict[type[Entry], str] = {
    AlertEntry: "alert",
    ReceiptEntry: "receipt",
    DirectoryEntry: "directory",
    RefusalEntry: "refusal",
    PurgeEntry: "purge",
    EscalationEntry: "escalation",
}
SENDER_KINDS = {found.SENDER_UNKNOWN, found.SENDER_KEY, found.SENDER_SIGNATURE}
"""What takes away the proof that the named sender sent an alert."""


class AlertFacts(NamedTuple):
    """Of an alert, what later entries are held against."""

    id: bytes
    sender: str
    recipients: tuple[str, ...]
    leaf: bytes
    relation: Relation | None
    operation: str | None
    precedence: str
    expires: int
    """ms"""
    signed: bool
    """The sender's signature was checked and is good."""


class ReceiptFacts(NamedTuple):
    """Of a receipt, what it says; its signature is good."""

    agency: str
    sender: str
    state: str
    items: tuple[ReceiptItem, ...]


Facts: TypeAlias = AlertFacts | ReceiptFacts | RefusalEntry | PurgeEntry | EscalationEntry


class Survey(NamedTuple):
    """One entry by itself. `kind` is empty where it does not decode; `problems` then holds the one reason."""

    number: int
    """Its index in the log."""
    offset: int
    """Byte of the bundle at which the entry begins, with its length."""
    kind: str = ""
    time: int = 0
    directory: int = 0
    """The directory version it names."""
    form: tuple[Problem, ...] = ()
    """What is wrong with it under any directory."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with it under the directory in force at its place."""
    in_force: bool = True
    """It names that directory."""
    facts: Facts | None = None


def survey_bundle(folder: LogFolder, history: DirectoryHistory, index: int, width: int) -> list[Survey] | None:
    """Survey the entries of a bundle, but those left out of an agency's own copy; None if it cannot be read."""
    try:
        bundle = read_bundle(folder, index, width)
    except CrossbearingError:
        return None  # the tree check reported the file
    surveys, offset = [], 0
    for item, data in enumerate(bundle.entries):
        if data or folder.party is None:
            surveys.append(survey(history, index * TILE_WIDTH + item, offset, data))
        offset += 2 + len(data)
    return surveys


def survey(history: DirectoryHistory, index: int, offset: int, data: bytes) -> Survey:
    """Judge the entry at `index` by itself; `offset` is where it stands in its bundle."""
    try:
        entry = decode_entry(data)
    except CrossbearingError as error:
        return Survey(index, offset, form=((found.ENTRY_MALFORMED, error.message),))
    made = Survey(index, offset, KIND_NAMES[type(entry)], entry.time, entry.directory)
    if isinstance(entry, DirectoryEntry):
        return made
    directory = None
    try:
        directory = history.check_entry(index, entry)
    except CrossbearingError as refusal:
        made = made._replace(problems=((found.WRONG_DIRECTORY, refusal.message),), in_force=False)
    match entry:
        case AlertEntry():
            return _alert(made, entry, leaf_hash(data), directory, history)
        case ReceiptEntry():
            return _receipt(made, entry, directory)
        case RefusalEntry():
            return _refusal(made, entry, directory)
    return made._replace(facts=entry)


def _alert(
    made: Survey, entry: AlertEntry, leaf: bytes, directory: Directory | None, history: DirectoryHistory
) -> Survey:
    """An alert that cannot be judged is remembered all the same, so that its receipts can be."""
    try:
        header = decode_header(entry.header)
    except CrossbearingError as error:
        return made._replace(form=((found.HEADER_MALFORMED, error.message),))
    problems = made.problems
    if directory is not None:
        problems = tuple(alert_problems(entry, header, directory, history))
    facts = AlertFacts(
        header.id,
        header.sender,
        tuple(recipient.agency for recipient in header.recipients),
        leaf,
        header.relation,
        header.operation,
        header.precedence,
        header.expires,
        signed=directory is not None and SENDER_KINDS.isdisjoint(kind for kind, _ in problems),
    )
    return made._replace(problems=problems, facts=facts)


def _receipt(made: Survey, entry: ReceiptEntry, directory: Directory | None) -> Survey:
    if directory is None:
        return made
    try:
        receipt = decode_receipt(entry.receipt)
    except CrossbearingError as error:
        return made._replace(problems=((found.RECEIPT_MALFORMED, error.message),))
    if problems := tuple(signer_problems(entry, receipt, directory)):
        return made._replace(problems=problems)
    facts = ReceiptFacts(receipt.agency, receipt.sender, receipt.state, receipt.items)
    return made._replace(problems=tuple(time_problems(entry, receipt)), facts=facts)


def _refusal(made: Survey, entry: RefusalEntry, directory: Directory | None) -> Survey:
    if directory is None:
        return made
    problems: list[Problem] = []
    if directory.document is None or entry.agency not in directory.document.agencies:
        problems.append((found.REFUSAL_MALFORMED, f"{entry.agency} was no agency of the directory in force"))
    if entry.code not in REGISTRY:
        problems.append((found.REFUSAL_MALFORMED, f"{entry.code} is no code this program knows"))
    return made._replace(problems=tuple(problems), facts=entry)
