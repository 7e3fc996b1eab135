"""What the log says of this agency's own alerts: receipts by their recipients, and the hub's word on escalations.

Checked like anything else from the log, then set against what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from nodes.standing import Standing
from nodes.store.sent import Word
from schemas.errors import BadEntry, BadReceipt, CrossbearingError, DirectoryUnknown, ProtocolError, Refusal
from schemas.ids import format_id
from schemas.log.entry import EscalationEntry, ReceiptEntry
from schemas.log.receipt import Receipt, ReceiptItem, decode_receipt, verify_receipt

if TYPE_CHECKING:
    from nodes.store.database import Tables

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """The entry at `index` of the log: what it says, or why its word is not taken."""

    index: int
    receipt: Receipt | None
    fault: CrossbearingError | None = None
    escalation: EscalationEntry | None = None


def read_notice(index: int, entry: ReceiptEntry, standing: Standing) -> Notice:
    """Check a receipt's form, its directory version and its signature under the directory in force at its index.

    A receipt that fails is a notice with a fault: the hub ought not to have logged it. Raises ProtocolError when it
    came before the directory version it was entered under.
    """
    try:
        directory = standing.history.check_entry(index, entry)
        receipt = decode_receipt(entry.receipt)
        public = directory.signing_key(receipt.agency, receipt.key, entry.time)
        verify_receipt(entry.receipt, entry.signature, public)
        if receipt.sender != standing.agency:
            raise BadReceipt(f"the receipt at index {index} is about alerts of {receipt.sender}, not ours")
    except DirectoryUnknown as unknown:
        raise ProtocolError(f"a receipt came before the directory it was entered under: {unknown.message}") from None
    except Refusal as refusal:
        return Notice(index, None, refusal)
    return Notice(index, receipt)


def read_escalation(index: int, entry: EscalationEntry, standing: Standing) -> Notice:
    """Check an escalation's directory version; it bears no signature but the log's. Raises as `read_notice` does."""
    try:
        standing.history.check_entry(index, entry)
    except DirectoryUnknown as unknown:
        raise ProtocolError(
            f"an escalation came before the directory it was entered under: {unknown.message}"
        ) from None
    except Refusal as refusal:
        return Notice(index, None, refusal)
    return Notice(index, None, escalation=entry)


def apply_notices(tables: Tables, notices: list[Notice], *, now: int) -> None:
    """Set recipients' states, and move the cursor past what says so. Runs in the block's transaction."""
    with tables.sent.together(now=now):
        for notice in notices:
            fault = notice.fault
            if notice.receipt is not None:
                receipt = notice.receipt
                word = Word(receipt.agency, receipt.state, receipt.time, receipt.officer)
                for item in receipt.items:
                    fault = _apply(tables, word, item, now) or fault
            if notice.escalation is not None:
                fault = _escalate(tables, notice.escalation, now)
            if fault is not None:
                message = f"the entry at log index {notice.index} about an alert of ours is not good: {fault.message}"
                tables.alarms.raise_(
                    "bad-receipt", message, "tell the hub's operator; the log holds the evidence", now=now
                )
                log.error("bad receipt", index=notice.index, code=fault.code)
    if notices:
        tables.held.set_notices(max(notice.index for notice in notices) + 1)


def _escalate(tables: Tables, escalation: EscalationEntry, now: int) -> CrossbearingError | None:
    """Returns what the escalation contradicts, if anything."""
    sent, name = tables.sent.find(escalation.alert), format_id(escalation.alert)
    if sent is None:
        return BadEntry(f"this node never sent alert {name}")
    if sent.index is not None and sent.index != escalation.index:
        return BadEntry(f"alert {name} was accepted at index {sent.index}, the escalation says {escalation.index}")
    if sent.index is None:  # the hub's own answer was lost on the way
        tables.outbox.accept(escalation.alert, escalation.index, now=now)
    known = tables.sent.note_escalation(
        sent,
        escalation.agency,
        escalation.outcome,
        time=escalation.time,
        contact=escalation.contact,
        now=now,
    )
    return None if known else BadEntry(f"alert {name} was not sent to {escalation.agency}")


def _apply(tables: Tables, word: Word, item: ReceiptItem, now: int) -> CrossbearingError | None:
    """What a receipt says of one alert; returns what it contradicts, if anything."""
    sent = tables.sent.find(item.alert_id)
    if sent is None and (tables.held.recovering is not None or tables.quarantine.get(item.index) is not None):
        return None  # sent after the backup that this node was restored from
    if sent is None:
        return BadReceipt(f"this node never sent alert {format_id(item.alert_id)}")
    if sent.index is not None and sent.index != item.index:
        name = format_id(item.alert_id)
        return BadReceipt(f"alert {name} was accepted at index {sent.index}, the receipt says {item.index}")
    if sent.leaf is not None and sent.leaf != item.leaf:
        return BadReceipt(f"two recipients of alert {format_id(item.alert_id)} hold different log entries")
    if sent.index is None:  # the hub's own answer was lost on the way
        tables.outbox.accept(item.alert_id, item.index, now=now)
    if sent.leaf is None:
        tables.sent.set_leaf(sent, item.leaf)
    tables.sent.note_receipt(sent, word, code=item.code, now=now)
    return None
