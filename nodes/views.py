"""What the node holds, as JSON-ready data: the shapes the local API answers with and handlers are given.

Ids are in their text form, digests and signatures in hex, times in milliseconds since the epoch. A value that is not
there is None, never a missing field, except in the alert's document, which leaves out what its sender left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nodes.store.alerts import AlertRow, Content, ProofRow
from nodes.store.events import Alarm
from nodes.store.jobs import Job
from nodes.store.quarantine import Quarantined
from nodes.store.recipients import Delivery
from nodes.store.resealings import Resealing
from schemas.envelope.header import decode_header
from schemas.ids import format_id
from schemas.log.entry import AlertEntry, decode_entry

if TYPE_CHECKING:
    from schemas.envelope.header import Header

__all__ = [
    "alarm_view",
    "dead_letter_view",
    "delivery_view",
    "document_view",
    "header_view",
    "optional_id",
    "proof_view",
    "quarantine_view",
    "resealing_view",
    "summary",
]

SHORT = 8
"""Hex digits of the short form of an id: its random end, enough to tell apart what one node holds."""


def summary(
    row: AlertRow, counts: Mapping[str, int] | None = None, waits: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One line of a list. `counts` are a sent alert's recipients by state, `waits` says why one was put off."""
    view: dict[str, Any] = {
        "id": format_id(row.id),
        "short": row.id.hex()[-SHORT:],
        "direction": row.direction,
        "sender": row.sender,
        "officer": row.officer,
        "to": list(row.address),
        "kind": row.kind,
        "title": row.title,
        "marking": row.marking,
        "status": row.status,
        "precedence": row.precedence,
        "operation": row.operation,
        "composed": row.composed,
        "received": row.received,
        "expires": row.expires,
        "state": row.state,
        "index": row.index,
        "relation": None if row.related is None else {"type": row.relation, "alert": format_id(row.related)},
        "recalled": row.recalled_by is not None,
        "corrected": row.corrected_by is not None,
    }
    if counts is not None:
        view["recipients_total"] = sum(counts.values())
        view["counts"] = dict(counts)
        view["waits"] = None if waits is None else dict(waits)
    return view


def document_view(content: Content) -> dict[str, Any]:
    """The alert's document with id, sender and time. The keys of its attachments stay in the node."""
    document = content.document
    if not isinstance(document, dict):
        raise TypeError("a stored alert is a map")
    attachments = document.get("attachments")
    if not isinstance(attachments, list):
        return document
    shown = [
        {name: value for name, value in attachment.items() if name != "key"}
        for attachment in attachments
        if isinstance(attachment, dict)
    ]
    return {**document, "attachments": shown}


def header_view(content: Content) -> dict[str, Any] | None:
    """The signed clear header, as everybody in the exchange may check it; None until the alert is sealed."""
    if content.header is None:
        return None
    header: Header = decode_header(content.header)
    return {
        "version": header.version,
        "suite": header.suite,
        "id": format_id(header.id),
        "sender": header.sender,
        "key": header.key.hex(),
        "directory": header.directory,
        "created": header.created,
        "expires": header.expires,
        "precedence": header.precedence,
        "marking": header.marking,
        "topic": header.topic,
        "status": header.status,
        "operation": header.operation,
        "modes": list(header.modes),
        "subjects": list(header.subjects),
        "address": list(header.address),
        "relation": None
        if header.relation is None
        else {"type": header.relation[0], "alert": format_id(header.relation[1])},
        "recipients": [recipient.agency for recipient in header.recipients],
        "commitment": header.commitment.hex(),
        "body_digest": header.body_digest.hex(),
        "body_size": header.body_size,
        "attachments": [{"digest": digest.hex(), "size": size} for digest, size in header.attachments],
        "signature": None if content.signature is None else content.signature.hex(),
    }


def proof_view(row: AlertRow, proof: ProofRow | None) -> dict[str, Any] | None:
    """Where the alert stands in the log; None before it is logged.

    `size` is that of the tree in which this node verified it; None for an alert it sent, whose index the hub told it.
    """
    if row.index is None:
        return None
    return {
        "index": row.index,
        "leaf": None if row.leaf is None else row.leaf.hex(),
        "size": None if proof is None else proof.size,
    }


def carried_view(proof: ProofRow | None) -> dict[str, int] | None:
    """When a received alert was sealed and when it entered the log (ms), if a courier's way between excuses its age."""
    entry = None if proof is None else decode_entry(proof.entry)
    if not isinstance(entry, AlertEntry) or not entry.carried:
        return None
    return {"sealed": decode_header(entry.header).created, "entered": entry.time}


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    """One recipient of a sent alert."""
    escalation = None
    if delivery.escalated is not None:
        escalation = {"time": delivery.escalated, "outcome": delivery.outcome, "contact": delivery.contact}
    named = ("agency", "state", "time", "code", "officer")
    return {name: getattr(delivery, name) for name in named} | {"escalation": escalation}


def resealing_view(resealing: Resealing | None) -> dict[str, Any] | None:
    """That an alert was sealed again, or for others than its officer was told; None when it was not."""
    if resealing is None:
        return None
    return {**asdict(resealing), "added": list(resealing.added), "dropped": list(resealing.dropped)}


def alarm_view(alarm: Alarm) -> dict[str, Any]:
    """One standing alarm."""
    return asdict(alarm)


def quarantine_view(item: Quarantined) -> dict[str, Any]:
    """Why material was not shown as an alert. The material itself stays where it is."""
    return {
        "index": item.index,
        "id": optional_id(item.id),
        "sender": item.sender,
        "code": item.code,
        "step": item.step,
        "message": item.message,
        "time": item.time,
    }


def dead_letter_view(job: Job) -> dict[str, Any]:
    """A delivery that was given up."""
    return {
        "number": job.number,
        "handler": job.handler,
        "alert": format_id(job.alert),
        "attempts": job.attempts,
        "reason": job.error,
        "time": job.time,
    }


def optional_id(value: bytes | None) -> str | None:
    """The text form of an id that may be missing."""
    return None if value is None else format_id(value)
