"""What a handler is given of an alert: JSON that says the same at every attempt."""

from __future__ import annotations

import json

from nodes.store.alerts import AlertRow, Content, ProofRow
from nodes.views import document_view, header_view, proof_view
from schemas.ids import format_id

__all__ = ["alert_payload"]


def alert_payload(row: AlertRow, content: Content, proof: ProofRow | None) -> bytes:
    """The alert, its signed header and its place in the log, as UTF-8 JSON. Nothing in it changes after arrival."""
    payload = {
        "id": format_id(row.id),
        "received": row.received,
        "alert": document_view(content),
        "header": header_view(content),
        "proof": proof_view(row, proof),
    }
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
