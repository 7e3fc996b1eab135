"""What an admitted entry changes in the state: pure functions from the entry and the view before it to `Changes`."""

from __future__ import annotations

from dataclasses import replace

from broker.acknowledgement import AdmittedReceipt
from broker.admission import AdmittedAlert
from broker.state import STANDING_OF_STATE, Changes, Delivery, KnownAlert, KnownOpener, Standing, View
from schemas.envelope.header import PRECEDENCE_RANK


def apply_alert(view: View, index: int, leaf: bytes, admitted: AdmittedAlert) -> Changes:
    """The alert at `index` becomes known and waits for its recipients; a recall withdraws what it recalls."""
    header = admitted.header
    rank = PRECEDENCE_RANK[header.precedence]
    waiting = tuple(
        Delivery(recipient.agency, index, rank, header.expires, Standing.WAITING, 0) for recipient in header.recipients
    )
    openers = tuple(
        KnownOpener(recipient.opener_id, header.sender, recipient.agency)
        for recipient in header.recipients
        if recipient.opener_id in admitted.openers
    )
    return Changes(
        alert=KnownAlert(index, header.id, header.sender, admitted.fingerprint, leaf),
        deliveries=waiting + _withdrawn(view, admitted),
        openers=openers,
        attachments=tuple(digest for digest, _ in header.attachments),
    )


def _withdrawn(view: View, admitted: AdmittedAlert) -> tuple[Delivery, ...]:
    """What of a recalled alert has not arrived yet and shall not be sent any more."""
    relation = admitted.header.relation
    target = view.alert(relation.alert) if relation is not None and relation.type == "recall" else None
    if target is None:
        return ()
    return tuple(replace(delivery, standing=Standing.WITHDRAWN) for delivery in view.waiting(target.index))


def apply_receipt(index: int, admitted: AdmittedReceipt) -> Changes:
    """The deliveries that the receipt names move on, and the sender of the alerts is to see it."""
    standing = STANDING_OF_STATE[admitted.receipt.state]
    moved = tuple(replace(delivery, standing=standing, receipt=index) for delivery in admitted.deliveries)
    return Changes(deliveries=moved, notice=admitted.receipt.sender)
