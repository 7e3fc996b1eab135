"""The trail of an alert as a person reads it, and as a program does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from nodes.auditor.obligations import EXPIRED, OPEN, RECALLED
from nodes.auditor.text import count, plain, span, when
from nodes.auditor.trail import HUB, Delivery, Event, Trail
from schemas.ids import format_id

FORMAT = "crossbearing/trail/1"
"""Names the form in JSON. Keys may be added, none change their meaning."""

STANDINGS = {
    OPEN: "nothing signed yet",
    EXPIRED: "never acknowledged; it expired",
    RECALLED: "never acknowledged; it was recalled first",
}
"""What becomes of an alert that a recipient signed nothing for, in words."""


def trail_dict(found: Trail) -> dict[str, object]:
    """Return the trail as JSON-ready data."""
    header = found.header
    return {
        "format": FORMAT,
        "ok": found.faultless,
        "alert": format_id(header.id),
        "index": found.index,
        "log": found.checkpoint.origin,
        "size": found.checkpoint.size,
        "root": found.checkpoint.root.hex(),
        "end": found.end,
        "sender": header.sender,
        "kind": header.topic,
        "precedence": header.precedence,
        "marking": header.marking,
        "status": header.status,
        "operation": header.operation,
        "address": list(header.address),
        "expires": header.expires,
        "recipients": [_delivery_dict(delivery) for delivery in found.deliveries],
        "events": [{k: v for k, v in asdict(event).items() if v is not None} for event in found.events],
    }


def _delivery_dict(delivery: Delivery) -> dict[str, object]:
    decision, owed = delivery.decision, delivery.owed
    return {
        "agency": owed.agency,
        "standing": owed.standing,
        "answered": owed.answered,
        "rule": None if decision is None else decision.rule,
        "reason": None if decision is None else decision.reason,
    }


def trail_lines(found: Trail) -> Iterator[str]:
    """Yield the trail in words."""
    header = found.header
    yield f"Alert       {format_id(header.id)}"
    yield f"From        {header.sender}"
    yield f"Kind        {header.topic}, {header.precedence}, {header.marking}, {header.status}"
    if header.operation is not None:
        yield f"Operation   {header.operation}"
    yield f"Addressed   {', '.join(plain(address) for address in header.address)}"
    yield f"Expires     {when(header.expires)}"
    yield f"Log         {plain(found.checkpoint.origin)}, {count(found.checkpoint.size, 'entry', 'entries')}"
    yield ""
    yield "Recipients"
    width = max(len(delivery.owed.agency) for delivery in found.deliveries)
    for delivery in found.deliveries:
        standing = STANDINGS.get(delivery.owed.standing, delivery.owed.standing)
        yield f"  {delivery.owed.agency.ljust(width)}  {standing}"
        yield f"  {''.ljust(width)}  because: {_reason(delivery)}"
    yield ""
    yield "Timeline (by the hub's clock)"
    for event in found.events:
        place = "" if event.index is None else f"entry {event.index:,}"
        yield f"  {when(event.time)}  {place.ljust(14)}  {_sentence(event, found)}"
        for fault in event.faults:
            yield f"    NOT GOOD: {plain(fault)}"
    yield ""
    yield _verdict(found)


def _reason(delivery: Delivery) -> str:
    decision = delivery.decision
    if decision is None:
        return "no rule; the routing rules do not make it a recipient"
    return f"{plain(decision.reason)} ({decision.rule})"


def _sentence(event: Event, found: Trail) -> str:
    parts = [event.what]
    if event.alert is not None:
        parts.append(f"by alert {event.alert}")
    if event.code is not None:
        step = "" if event.step is None else f" at step {event.step} of opening it"
        parts.append(f"with {plain(event.code)}{step}")
    if event.by == HUB:
        parts.append(f"{plain(event.note or '')} (the hub's word)" if event.index is not None else event.note or "")
        return ": ".join(parts)
    if event.key is not None:
        parts.append(f"signed by {event.by}, key {event.key}")
    if event.officer is not None:
        parts.append(f"officer {plain(event.officer)}")
    if event.what in ("stored", "read", "actioned", "refused"):
        first = found.events[0].time
        parts.append(f"{span(event.time - first)} after it was accepted")
    if event.carried and event.said is not None:
        parts.append(f"brought by a courier, sealed {when(event.said)}")
    elif event.said is not None and abs(event.said - event.time) >= 1000:
        parts.append(f"its own clock said {when(event.said)}")
    return ", ".join(parts)


def _verdict(found: Trail) -> str:
    if found.faultless:
        return "Every entry above is in the signed log, and every signature above is good."
    return "Every entry above is in the signed log, but not all of them are good: see the lines marked NOT GOOD."
