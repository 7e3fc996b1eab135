"""What an admitted entry changes in the state: pure functions from the entry and the view before it to `Changes`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from broker.acknowledgement import AdmittedReceipt
from broker.admission import AdmittedAlert
from broker.escalating import AdmittedEscalation
from broker.purging import AdmittedPurge
from broker.state import (
    ESCALATED_BY_OUTCOME,
    STANDING_OF_STATE,
    Changes,
    Delivery,
    KnownAlert,
    KnownOpener,
    Purge,
    Standing,
    View,
)
from schemas.directory.documents import DirectoryDocument
from schemas.directory.escalation import escalation_due
from schemas.envelope.header import PRECEDENCE_RANK, Header
from schemas.limits import DAY_MS


def apply_alert(
    view: View, index: int, leaf: bytes, admitted: AdmittedAlert, *, time: int, document: DirectoryDocument
) -> Changes:
    """The alert at `index`, entered at `time` (ms) under `document`, becomes known and waits for its recipients.

    A recall withdraws what it recalls.
    """
    header = admitted.header
    rank = PRECEDENCE_RANK[header.precedence]
    due = escalation_due(document, header.precedence, time, header.expires)
    waiting = tuple(
        Delivery(recipient.agency, index, rank, header.expires, Standing.WAITING, 0, due)
        for recipient in header.recipients
    )
    openers = openers_of(
        header,
        [
            recipient.opener_id
            for recipient in header.recipients
            if (held := admitted.held.get(recipient.opener_id)) is None or held.until < header.expires
        ],
    )
    withdrawn = _withdrawn(view, admitted)
    return Changes(
        alert=KnownAlert(index, header.id, header.sender, admitted.fingerprint, leaf, header.expires),
        deliveries=waiting + withdrawn,
        idle=tuple((delivery.index, min(time, delivery.expires)) for delivery in withdrawn[:1]),
        openers=openers,
        attachments=tuple(digest for digest, _ in header.attachments),
        spent=admitted.spent,
    )


def openers_of(header: Header, ids: Collection[bytes]) -> tuple[KnownOpener, ...]:
    """What is known of the openers with these ids that a header names."""
    return tuple(
        KnownOpener(recipient.opener_id, header.sender, recipient.agency, _end_of_day(header.expires))
        for recipient in header.recipients
        if recipient.opener_id in ids
    )


def _withdrawn(view: View, admitted: AdmittedAlert) -> tuple[Delivery, ...]:
    """What of a recalled alert has not arrived yet and shall not be sent any more."""
    relation = admitted.header.relation
    target = view.alert(relation.alert) if relation is not None and relation.type == "recall" else None
    if target is None:
        return ()
    return tuple(replace(delivery, standing=Standing.WITHDRAWN) for delivery in view.waiting(target.index))


def _end_of_day(time: int) -> int:
    """Rounded, so that a new use of an opener rarely changes what is known of it."""
    return -(-time // DAY_MS) * DAY_MS


def apply_receipt(view: View, index: int, admitted: AdmittedReceipt, *, time: int) -> Changes:
    """The deliveries that the receipt names move on, and the sender of the alerts is to see it."""
    standing = STANDING_OF_STATE[admitted.receipt.state]
    moved = tuple(_moved(delivery, standing, index) for delivery in admitted.deliveries)
    idle = tuple(
        (delivery.index, min(time, delivery.expires))
        for delivery in admitted.deliveries
        if delivery.standing is Standing.WAITING and not view.waits(delivery.index, besides=delivery.agency)
    )
    return Changes(deliveries=moved, notice=admitted.receipt.sender, idle=idle, spent=admitted.spent)


def _moved(d: Delivery, standing: Standing, receipt: int) -> Delivery:
    """Made directly: `replace` takes as long as all else that a receipt costs for each alert that it names."""
    return Delivery(d.agency, d.index, d.rank, d.expires, standing, receipt, d.escalates, d.escalated, d.escalation)


def apply_escalation(index: int, admitted: AdmittedEscalation) -> Changes:
    """How far the recipient's desk was called, and the sender of the alert is to see it."""
    escalated = ESCALATED_BY_OUTCOME[admitted.outcome]
    moved = replace(admitted.delivery, escalated=escalated, escalation=index)
    return Changes(deliveries=(moved,), notice=admitted.alert.sender)


def apply_purge(view: View, admitted: AdmittedPurge) -> Changes:
    """Body and attachments are deleted, and nobody is to wait for them any more."""
    index = admitted.alert.index
    digests = (attachment.digest for attachment in admitted.header.attachments)
    return Changes(
        deliveries=tuple(replace(delivery, standing=Standing.WITHDRAWN) for delivery in view.waiting(index)),
        purge=Purge(
            index,
            tuple(digest for digest in digests if not view.needed(digest, besides=index)),
        ),
    )
