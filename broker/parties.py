"""Whom an entry concerns, and bundles that show an agency only what concerns it.

An agency may read what it sent or was sent, receipts that it gave or that speak of its alerts, refusals of what it
submitted, deletions of its alerts, escalations of what it sent or of what it did not store, and every directory change.
Everything else is left empty in its bundles: the tree's hashes, which every member may read, stand for what is left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schemas.envelope.header import decode_header
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
from schemas.log.receipt import decode_receipt
from schemas.log.tiles import entry_bundle

EntryReader = Callable[[int], bytes | None]
"""The entry at an index of the log."""

LEFT_OUT = b""
"""In place of an entry that does not concern the reader; no entry is empty."""


def party_bundle(agency: str, entries: Iterable[bytes], read: EntryReader) -> bytes:
    """The bundle of `entries` as `agency` may see it; `read` gives earlier entries that some of them speak of."""
    return entry_bundle([data if concerns(agency, decode_entry(data), read) else LEFT_OUT for data in entries])


def concerns(agency: str, entry: Entry, read: EntryReader) -> bool:
    """Whether `agency` is a party to an entry."""
    match entry:
        case DirectoryEntry():
            return True
        case AlertEntry():
            header = decode_header(entry.header)
            return agency == header.sender or any(agency == recipient.agency for recipient in header.recipients)
        case ReceiptEntry():
            receipt = decode_receipt(entry.receipt)
            return agency in (receipt.agency, receipt.sender)
        case RefusalEntry():
            return agency == entry.agency
        case EscalationEntry():
            if agency == entry.agency:
                return True
            data = read(entry.index)
            return data is not None and _sent(agency, decode_entry(data))
        case PurgeEntry():
            data = read(entry.index)
            return data is not None and concerns(agency, decode_entry(data), read)


def _sent(agency: str, entry: Entry) -> bool:
    """Whether `agency` sent that alert: what it hears of one recipient is no other recipient's business."""
    return isinstance(entry, AlertEntry) and decode_header(entry.header).sender == agency
