"""Second pass of an audit: every entry in the order of the log, judged under the directory in force at its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from nodes.auditor import findings as found
from nodes.auditor.alert_check import Problem, alert_problems, relation_problems
from nodes.auditor.findings import BROKER, COPY, Finding, Findings, Kind
from nodes.auditor.ledger import Ledger
from nodes.auditor.mirror import LogFolder, directory_path
from nodes.auditor.receipt_check import item_problems, signer_problems, time_problems
from nodes.auditor.text import plain, when
from schemas.directory.history import Directory, DirectoryHistory
from schemas.envelope.header import decode_header
from schemas.errors import REGISTRY, CrossbearingError, Missing, WrongDirectory
from schemas.ids import format_id, sha256
from schemas.log.entry import (
    AlertEntry,
    DirectoryEntry,
    Entry,
    PurgeEntry,
    ReceiptEntry,
    RefusalEntry,
    decode_entry,
)
from schemas.log.merkle import leaf_hash
from schemas.log.receipt import decode_receipt

AGENCY_KINDS = {
    found.RECEIPT_TIME,
    found.RECEIPT_MISMATCH,
    found.RECEIPT_NOT_ADDRESSED,
    found.RECEIPT_CONTRADICTS,
}
"""What an agency is held to rather than the hub: its signature is good, and what it signed is at fault."""
SENDER_KINDS = {found.SENDER_UNKNOWN, found.SENDER_KEY, found.SENDER_SIGNATURE}
"""What takes away the proof that the named sender sent an alert."""
KIND_NAMES = {
    AlertEntry: "alert",
    ReceiptEntry: "receipt",
    DirectoryEntry: "directory",
    RefusalEntry: "refusal",
    PurgeEntry: "purge",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands: its index in the log, and the file and byte at which it begins."""

    index: int
    file: str
    offset: int


@dataclass(slots=True)
class Judge:
    """Judges entries one by one. After the last, `history`, `ledger` and the counts tell what the log held."""

    folder: LogFolder
    trusted_root: bytes
    ledger: Ledger
    findings: Findings
    proven: bool
    """The entries are the signed ones, so that the hub and the agencies can be held to them."""
    damaged: Set[int]
    """Entries whose signed bytes are not known; they are passed over."""
    history: DirectoryHistory = field(default_factory=DirectoryHistory)
    entries: Counter[str] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    directory_files: set[str] = field(default_factory=set)
    unjudged: int = 0
    """Entries not judged: unreadable, or after a directory version that could not be established."""
    last_time: int = 0
    first_time: int | None = None
    lost: bool = False
    """A directory version could not be established, so nothing after it can be judged."""

    def judge(self, place: Place, data: bytes) -> None:
        """Judge one entry, unless it is damaged."""
        if place.index in self.damaged:
            self.unjudged += 1
            return
        try:
            entry = decode_entry(data)
        except CrossbearingError as error:
            self._blame(place, found.ENTRY_MALFORMED, error.message)
            self.unjudged += 1
            return
        self.entries[KIND_NAMES[type(entry)]] += 1
        self._check_time(place, entry)
        if isinstance(entry, DirectoryEntry):
            self._directory(place, entry)
            return
        directory = self._in_force(place, entry)
        if directory is None:
            self.unjudged += 1
        if isinstance(entry, AlertEntry):
            self._alert(place, entry, leaf_hash(data), directory)
        elif directory is not None:
            self._other(place, entry, directory)

    # -- the directory -------------------------------------------------------------------------------------------------

    def _directory(self, place: Place, entry: DirectoryEntry) -> None:
        path = directory_path(entry.digest)
        self.directory_files.add(path)
        try:
            bundle = self.folder.read(path)
        except CrossbearingError as error:
            kind = found.MISSING_FILE if isinstance(error, Missing) else found.DIRECTORY_ALTERED
            self.findings.add(Finding(kind, COPY, error.message, path, None, place.index))
            self._lose(place)
            self.unjudged += 1
            return
        if sha256(bundle) != entry.digest:
            message = "the file does not have the SHA-256 that is its name and stands in the log"
            self.findings.add(Finding(found.DIRECTORY_ALTERED, COPY, message, path, None, place.index))
            self._lose(place)
            self.unjudged += 1
            return
        if self.lost or self._gap(place, entry.directory - 1):
            self.unjudged += 1
            return
        try:
            self.history.accept(place.index, entry, bundle, trusted_root=self.trusted_root)
        except CrossbearingError as refusal:
            kind = found.WRONG_DIRECTORY if isinstance(refusal, WrongDirectory) else found.DIRECTORY_REFUSED
            self._blame(place, kind, refusal.message)
            self._lose(place)

    def _gap(self, place: Place, needed: int) -> bool:
        """Whether a directory version that is `needed` was probably in a damaged entry; then nothing can be judged."""
        if needed <= len(self.history) or not any(index < place.index for index in self.damaged):
            return False
        self._lose(place)
        return True

    def _lose(self, place: Place) -> None:
        """From here on nobody can say which directory was in force."""
        if not self.lost:
            self.lost = True
            message = f"from entry {place.index} on, what rests on the directory was not judged"
            self._report(place, found.DIRECTORY_UNAVAILABLE, COPY, message)

    def _in_force(self, place: Place, entry: Entry) -> Directory | None:
        if self.lost or self._gap(place, entry.directory):
            return None
        try:
            return self.history.check_entry(place.index, entry)
        except CrossbearingError as refusal:
            self._blame(place, found.WRONG_DIRECTORY, refusal.message)
            return None

    # -- the other kinds -----------------------------------------------------------------------------------------------

    def _alert(self, place: Place, entry: AlertEntry, leaf: bytes, directory: Directory | None) -> None:
        """Judge an alert; remember it even where it cannot be judged, so that its receipts can."""
        try:
            header = decode_header(entry.header)
        except CrossbearingError as error:
            self._blame(place, found.HEADER_MALFORMED, error.message)
            return
        what = f"alert {format_id(header.id)} of {header.sender}"
        problems: list[Problem] = []
        if directory is not None:
            problems = list(alert_problems(entry, header, directory, self.history))
            if not self.damaged:  # the earlier alert may be one of those
                problems += relation_problems(header, self.ledger)
        for kind, message in problems:
            self._blame(place, kind, f"{what}: {message}")
        signed = directory is not None and SENDER_KINDS.isdisjoint(kind for kind, _ in problems)
        recipients = tuple(recipient.agency for recipient in header.recipients)
        earlier = self.ledger.add(place.index, header.id, header.sender, leaf, recipients, signed=signed)
        if earlier is not None:
            self._blame(place, found.DUPLICATE_ALERT, f"{what} had been entered before, as entry {earlier}")

    def _other(self, place: Place, entry: Entry, directory: Directory) -> None:
        match entry:
            case ReceiptEntry():
                self._receipt(place, entry, directory)
            case RefusalEntry():
                self._refusal(place, entry, directory)
            case PurgeEntry():
                self._purge(place, entry)

    def _receipt(self, place: Place, entry: ReceiptEntry, directory: Directory) -> None:
        try:
            receipt = decode_receipt(entry.receipt)
        except CrossbearingError as error:
            self._blame(place, found.RECEIPT_MALFORMED, error.message)
            return
        problems = list(signer_problems(entry, receipt, directory))
        if not problems:
            self.receipts[receipt.agency] += 1
            problems += time_problems(entry, receipt)
            problems += item_problems(place.index, receipt, self.ledger, self.damaged)
        for kind, message in problems:
            self._report(place, kind, receipt.agency if kind in AGENCY_KINDS else BROKER, message)

    def _refusal(self, place: Place, entry: RefusalEntry, directory: Directory) -> None:
        self.refusals[entry.agency] += 1
        if directory.document is None or entry.agency not in directory.document.agencies:
            self._blame(place, found.REFUSAL_MALFORMED, f"{entry.agency} was no agency of the directory in force")
        if entry.code not in REGISTRY:
            self._blame(place, found.REFUSAL_MALFORMED, f"{entry.code} is no code this program knows")

    def _purge(self, place: Place, entry: PurgeEntry) -> None:
        alert = self.ledger.alert(entry.index)
        if entry.index in self.damaged:
            return
        if alert is None:
            self._blame(place, found.PURGE_MALFORMED, f"entry {entry.index}, whose body was deleted, is no alert")
            return
        if alert.purged:
            self._blame(place, found.PURGE_MALFORMED, f"the body of entry {entry.index} had been deleted before")
        if not entry.approvers:
            self._blame(place, found.PURGE_MALFORMED, f"nobody approved deleting the body of entry {entry.index}")
        self.ledger.purge(alert)

    # -- common --------------------------------------------------------------------------------------------------------

    def _check_time(self, place: Place, entry: Entry) -> None:
        if entry.time < self.last_time:
            message = f"it bears {when(entry.time)}; the entry before bears {when(self.last_time)}"
            self._blame(place, found.TIME_BACKWARDS, message)
        self.first_time = entry.time if self.first_time is None else self.first_time
        self.last_time = max(self.last_time, entry.time)

    def _blame(self, place: Place, kind: Kind, message: str) -> None:
        self._report(place, kind, BROKER, message)

    def _report(self, place: Place, kind: Kind, party: str, message: str) -> None:
        held = party if self.proven else COPY
        self.findings.add(Finding(kind, held, plain(message), place.file, place.offset, place.index))
