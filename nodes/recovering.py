"""What a node that was restored from a backup gets back of its own: which of its alerts stand in the log, and where.

An alert that waits in the restored outbox may have been sent before the loss, sealed otherwise than it would be now.
The log's own entry settles it. What was composed after the backup is not here at all: its text is lost to this node,
and noted where material is kept that could not be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from nodes.store.quarantine import Quarantined
from schemas.errors import NotFound
from schemas.ids import format_id

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from schemas.envelope.header import Header

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Own:
    """An alert of ours at `index` of the log, as it stands there; its inclusion was verified."""

    index: int
    leaf: bytes
    header: Header
    header_bytes: bytes
    signature: bytes


def take_back(tables: Tables, own: Sequence[Own], following: int, *, now: int) -> None:
    """Set our alerts to what the log says, and note how far this came; `following` is 0 at the end."""
    for alert in own:
        row = tables.alerts.get("out", alert.header.id)
        if row is None:
            tables.quarantine.add(_lost(alert, now))
        elif row.index is None:
            tables.outbox.adopt(
                alert.header.id,
                alert.index,
                header=alert.header_bytes,
                signature=alert.signature,
                expires=alert.header.expires,
                recipients=[recipient.agency for recipient in alert.header.recipients],
                now=now,
            )
    lacking = tables.held.recovering
    if lacking is None:
        return
    if following:
        tables.held.set_recovering(lacking[0], following)
    else:
        tables.held.recovered()
        log.warning("this node has back what the hub still holds", since=lacking[0])


def _lost(alert: Own, now: int) -> Quarantined:
    name = format_id(alert.header.id)
    return Quarantined(
        index=alert.index,
        id=alert.header.id,
        sender=alert.header.sender,
        code=NotFound.code,
        step=None,
        message=f"your agency sent alert {name} after this node's backup; its text is with its recipients only",
        time=now,
        entry=b"",
        body=b"",
    )
