"""May this receipt enter the log? The steps are numbered like those of `broker.admission`.

1   the receipt decodes strictly
2   its agency is that of the TLS certificate
3   the agency is active in the directory in force
4   the signing key is known and valid
5   the signature verifies
6   it is not from the future; it may be from long ago, when the agency was offline
7   every item names an alert of that sender in the log, by index, id and leaf hash
8   the agency is a recipient of every one of them
9   it says something new; one that adds nothing gives the acceptance of the newest that says as much
10  the agency is within its allowance
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from broker.admission import AlreadyLogged
from broker.state import STANDING_OF_STATE, Delivery, Spent, View
from schemas.directory.history import Directory
from schemas.errors import BadReceipt, ClockOff, NotAParty, Suspended, WrongSender
from schemas.limits import CLOCK_SKEW_MS
from schemas.log.receipt import Receipt, ReceiptItem, decode_receipt, verify_receipt
from schemas.session.frames import SendReceipt
from schemas.steps import step


@dataclass(frozen=True, slots=True)
class AdmittedReceipt:
    """A receipt that may enter the log; only `admit_receipt` makes one. `deliveries` are those it moves forward."""

    receipt: Receipt
    deliveries: tuple[Delivery, ...]
    spent: tuple[Spent, ...] = ()


def admit_receipt(
    submission: SendReceipt,
    *,
    agency: str,
    view: View,
    newest: Directory,
    now: int,
    afford: Callable[[], tuple[Spent, ...]],
) -> AdmittedReceipt | AlreadyLogged:
    """Decide on one receipt by `agency` at `now` (ms); `afford` says what it takes from the agency's allowances.

    Raises the refusal of the first step that fails."""
    with step(1):
        receipt = decode_receipt(submission.receipt)
    with step(2):
        if receipt.agency != agency:
            raise WrongSender(f"the receipt names {receipt.agency}, the certificate {agency}")
    with step(3):
        if not newest.is_active(agency):
            raise Suspended(f"{agency} is suspended")
    with step(4):
        public = newest.signing_key(agency, receipt.key, now)
    with step(5):
        verify_receipt(submission.receipt, submission.signature, public)
    with step(6):
        if receipt.time > now + CLOCK_SKEW_MS:
            raise ClockOff(f"the receipt is from {receipt.time - now} ms in the future", offset=receipt.time - now)
    deliveries = [_delivery(receipt, item, view) for item in receipt.items]
    standing = STANDING_OF_STATE[receipt.state]
    moved = tuple(delivery for delivery in deliveries if delivery.standing < standing)
    if not moved:  # step 9, which refuses nothing
        return AlreadyLogged(max(delivery.receipt for delivery in deliveries))
    with step(10):
        spent = afford()
    return AdmittedReceipt(receipt, moved, spent)


def _delivery(receipt: Receipt, item: ReceiptItem, view: View) -> Delivery:
    """The agency's part in the alert that `item` names."""
    index = item.index
    known = view.alert_at(index)
    if known is None or known.id != item.alert_id or known.leaf != item.leaf or known.sender != receipt.sender:
        with step(7):
            raise BadReceipt(f"there is no such alert at index {index}", index=index)
    delivery = view.delivery(receipt.agency, index)
    if delivery is None:
        with step(8):
            raise NotAParty(f"{receipt.agency} is no recipient of the alert at index {index}", index=index)
    return delivery
