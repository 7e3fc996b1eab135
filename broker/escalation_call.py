"""What a duty desk is told: which alerts wait, by whom, since when, and the proof that this log says so.

Only what the clear headers say; the hub knows no more. The form is in docs/spec/escalation.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker.committer import Head
from broker.shipping import Shipping
from broker.state import Delivery
from schemas.envelope.header import decode_header
from schemas.errors import StorageTampered
from schemas.ids import format_id, sha256
from schemas.log.entry import AlertEntry, decode_entry
from schemas.log.proof import format_proof

TYPE: Final = "crossbearing/1/escalation"


@dataclass(frozen=True, slots=True)
class Call:
    """The JSON to send; `key` is the same for the same alerts, however often they are told."""

    body: bytes
    key: str


def make_call(shipping: Shipping, head: Head, agency: str, deliveries: Sequence[Delivery]) -> Call:
    """The call about alerts that wait for `agency`, proven in the checkpoint of `head`.

    Raises `StorageTampered` when the log does not hold what the state says.
    """
    alerts = [_alert(shipping, head, delivery) for delivery in deliveries]
    named = " ".join([agency, *(alert["alert"] for alert in alerts)])
    precedences = sorted({alert["precedence"] for alert in alerts})
    body = {
        "type": TYPE,
        "log": head.checkpoint.origin,
        "agency": agency,
        "text": f"{len(alerts)} {' and '.join(precedences)} alert{'s' if len(alerts) > 1 else ''} from "
        f"{', '.join(sorted({alert['sender'] for alert in alerts}))} not stored by the node of {agency} in time. "
        "See to the node, or telephone the sender.",
        "alerts": alerts,
    }
    return Call(json.dumps(body).encode("ascii"), sha256(named.encode("ascii")).hex())


def _alert(shipping: Shipping, head: Head, delivery: Delivery) -> dict[str, Any]:
    entry = decode_entry(shipping.entry(delivery.index))
    if not isinstance(entry, AlertEntry):
        raise StorageTampered(f"the entry at index {delivery.index} is no alert")
    header = decode_header(entry.header)
    said = shipping.entry(delivery.escalation)
    proof = format_proof(delivery.escalation, shipping.inclusion(delivery.escalation, head.size), head.note, said)
    return {
        "alert": format_id(header.id),
        "sender": header.sender,
        "precedence": header.precedence,
        "kind": header.topic,
        "status": header.status,
        "index": delivery.index,
        "entered": entry.time,
        "expires": header.expires,
        "due": delivery.escalates,
        "proof": proof.decode("utf-8"),
    }
