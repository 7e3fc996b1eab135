"""Judging one logged receipt: did the agency sign it, and does it speak of what the log holds?"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from nodes.auditor import findings as found
from nodes.auditor.alert_check import Problem
from nodes.auditor.ledger import UNRECEIPTED, Ledger, Logged
from nodes.auditor.text import plain, when
from schemas.directory.history import Directory
from schemas.errors import BadSignature, DirectoryRefusal, KeyRefusal
from schemas.ids import format_id
from schemas.limits import CLOCK_SKEW_MS
from schemas.log.entry import ReceiptEntry
from schemas.log.receipt import Receipt, ReceiptItem, verify_receipt

if TYPE_CHECKING:
    from nodes.auditor.survey import ReceiptFacts, Survey

REFUSED = "refused"
RANK = {UNRECEIPTED: 0, REFUSED: 1, "stored": 2, "read": 3, "actioned": 4}
"""How far a recipient got; a receipt that arrives late does not take a later one back."""


def signer_problems(entry: ReceiptEntry, receipt: Receipt, directory: Directory) -> Iterator[Problem]:
    """Yield what is wrong with the receipt's signer under `directory`, the one in force at its place."""
    try:
        verify_receipt(entry.receipt, entry.signature, directory.signing_key(receipt.agency, receipt.key, entry.time))
    except BadSignature:
        yield found.RECEIPT_SIGNATURE, f"the signature is not one of {receipt.agency} over this receipt"
    except (DirectoryRefusal, KeyRefusal) as refusal:
        yield found.RECEIPT_SIGNER, plain(refusal.message)
    else:
        if not directory.is_active(receipt.agency):
            yield found.RECEIPT_SIGNER, f"{receipt.agency} was suspended in directory version {directory.version}"


def time_problems(entry: ReceiptEntry, receipt: Receipt) -> Iterator[Problem]:
    """Yield whether the receipt is from the future; it may be from long ago, when the agency was offline."""
    ahead = receipt.time - entry.time
    if ahead > CLOCK_SKEW_MS:
        yield found.RECEIPT_TIME, f"it bears a time {ahead // 1000} s after it was entered, at {when(entry.time)}"


def item_problems(survey: Survey, receipt: ReceiptFacts, ledger: Ledger, damaged: Container[int]) -> Iterator[Problem]:
    """Yield what is wrong with the items of a surveyed receipt, and note in `ledger` the states they give.

    Items about entries that are `damaged` in this copy cannot be judged.
    """
    for item in receipt.items:
        if item.index in damaged:
            continue
        alert = ledger.alert(item.index) if item.index < survey.number else None
        if alert is None or not _names(item, receipt.sender, alert):
            what = f"alert {format_id(item.alert_id)} of {receipt.sender} at entry {item.index}"
            yield found.RECEIPT_MISMATCH, f"{receipt.agency} signed for {what}, which the log does not hold so"
            continue
        if receipt.agency not in alert.recipients:
            message = f"{receipt.agency} gave a receipt for entry {item.index}, which is addressed to others"
            yield found.RECEIPT_NOT_ADDRESSED, message
            continue
        had = alert.states[alert.recipients.index(receipt.agency)]
        if receipt.state == REFUSED and RANK[had] > RANK[REFUSED]:
            message = f"{receipt.agency} signed {had} for entry {item.index} before it signed {REFUSED}"
            yield found.RECEIPT_CONTRADICTS, message
        if RANK[receipt.state] > RANK[had]:
            ledger.set_state(alert, receipt.agency, receipt.state, survey.time)


def _names(item: ReceiptItem, sender: str, alert: Logged) -> bool:
    return (item.alert_id, item.leaf, sender) == (alert.alert_id, alert.leaf, alert.sender)
