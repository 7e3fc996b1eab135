"""What an entry that is in the signed log already changes: `broker.apply` without admission, which it has passed.

The state is a function of the log's entries, so a log that is brought back entry by entry comes to the same state. What
no entry carries, the blobs, comes along where the source has it; what it lacks is asked of the senders later. Of the
agencies' allowances nothing is counted again: they start afresh.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, assert_never

from broker.acknowledgement import AdmittedReceipt
from broker.admission import AdmittedAlert
from broker.apply import apply_alert, apply_escalation, apply_purge, apply_receipt
from broker.engines.port import BlockWriter
from broker.escalating import AdmittedEscalation
from broker.purging import AdmittedPurge
from broker.state import STANDING_OF_STATE, Activation, Changes, KnownOpener
from schemas.directory.history import DirectoryHistory
from schemas.directory.retention import Right
from schemas.envelope.header import Header, decode_header
from schemas.errors import LogTampered, Missing
from schemas.ids import sha256
from schemas.log.entry import (
    AlertEntry,
    DirectoryEntry,
    EscalationEntry,
    PurgeEntry,
    ReceiptEntry,
    RefusalEntry,
    decode_entry,
)
from schemas.log.receipt import decode_receipt


class Blobs(Protocol):
    """Where blobs of the entries come from."""

    def body(self, index: int) -> bytes | None:
        """The body of the alert at `index`, if it is there."""

    def blob(self, digest: bytes) -> bytes | None:
        """An opener or a directory bundle by its name, if it is there."""


class Replay:
    """Appends entries to an open block, in their order. `bodies` counts the alerts whose body came along."""

    def __init__(self, block: BlockWriter, history: DirectoryHistory, blobs: Blobs, trusted_root: bytes) -> None:
        self._block = block
        self._history = history
        self._blobs = blobs
        self._trusted_root = trusted_root
        self.alerts = self.bodies = 0

    def append(self, index: int, leaf: bytes, data: bytes) -> None:
        """Take in the entry at `index`. Raises `Missing` without a directory's bundle, `LogTampered` for nonsense."""
        self._block.append(data, self._changes(index, leaf, data))

    def _changes(self, index: int, leaf: bytes, data: bytes) -> Changes:
        match entry := decode_entry(data):
            case AlertEntry():
                return self._alert(index, leaf, entry)
            case ReceiptEntry():
                receipt = decode_receipt(entry.receipt)
                standing = STANDING_OF_STATE[receipt.state]
                named = (self._block.delivery(receipt.agency, item.index) for item in receipt.items)
                moved = tuple(d for d in named if d is not None and d.standing < standing)
                return apply_receipt(self._block, index, AdmittedReceipt(receipt, moved), time=entry.time)
            case DirectoryEntry():
                return self._directory(index, entry)
            case PurgeEntry():
                return self._purge(entry)
            case EscalationEntry():
                return self._escalation(index, entry)
            case RefusalEntry():
                return Changes()
            case _:
                assert_never(entry)

    def _alert(self, index: int, leaf: bytes, entry: AlertEntry) -> Changes:
        header = decode_header(entry.header)
        fingerprint = sha256(entry.header + entry.signature)
        admitted = AdmittedAlert(header, fingerprint, {}, known_openers(self._block, header))
        document = self._history.version(entry.directory).require_document()
        changes = apply_alert(self._block, index, leaf, admitted, time=entry.time, document=document)
        self.alerts += 1
        body = self._blobs.body(index)
        if body is not None and sha256(body) == header.body_digest:
            self._block.put_body(index, body)
            self.bodies += 1
        for opener in changes.openers:
            data = self._blobs.blob(opener.id)
            if data is not None and sha256(data)[: len(opener.id)] == opener.id:
                self._block.put_blob(opener.id, data)
        # An opener known without its bytes would be asked of nobody, and miss whenever an alert that needs it is sent.
        return replace(changes, openers=tuple(o for o in changes.openers if self._block.holds(o.id)))

    def _escalation(self, index: int, entry: EscalationEntry) -> Changes:
        known, delivery = self._block.alert_at(entry.index), self._block.delivery(entry.agency, entry.index)
        if known is None or delivery is None:
            raise LogTampered(f"entry {index} escalates for {entry.agency} what is no alert to it")
        return apply_escalation(index, AdmittedEscalation(known, delivery, entry.outcome))

    def _directory(self, index: int, entry: DirectoryEntry) -> Changes:
        bundle = self._blobs.blob(entry.digest)
        if bundle is None:
            raise Missing(f"the directory file {entry.digest.hex()} of entry {index} is not there", index=index)
        self._history.accept(index, entry, bundle, trusted_root=self._trusted_root)
        self._block.put_blob(entry.digest, bundle)
        return Changes(activation=Activation(entry.directory, index, entry.role, entry.version, entry.digest))

    def _purge(self, entry: PurgeEntry) -> Changes:
        known, stored = self._block.alert_at(entry.index), self._block.entry(entry.index)
        purged = decode_entry(stored) if stored is not None else None
        if known is None or not isinstance(purged, AlertEntry):
            raise LogTampered(f"an entry says that the body of entry {entry.index} was deleted, which is no alert")
        right = Right(entry.basis, entry.approvers)
        return apply_purge(self._block, AdmittedPurge(known, decode_header(purged.header), right))


def known_openers(block: BlockWriter, header: Header) -> dict[bytes, KnownOpener]:
    """The openers that a header names and the hub holds."""
    found = (block.opener(recipient.opener_id) for recipient in header.recipients)
    return {opener.id: opener for opener in found if opener is not None}
