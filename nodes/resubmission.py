"""After the hub's log came back from a backup: what this agency sent, and the hub may have lost, is sent once more.

The node keeps no sealed bodies. It makes them anew as a disclosure does: the same plaintext under the same content key,
found in the alert's own header with the pair secret that is kept, gives the same bytes. So the hub either knows them,
answers with the place where they stand and takes from them what it lacks; or it logs them as what they are, new to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from nodes.sealing import seal_same
from schemas.envelope.header import decode_header
from schemas.errors import CrossbearingError
from schemas.ids import format_id

if TYPE_CHECKING:
    from nodes.store.database import Tables

log = structlog.get_logger(__name__)


def send_again(tables: Tables, *, since: int, size: int, now: int) -> int:
    """Put alerts that stood at log index `since` or later back into the outbox; how many.

    The log has `size` entries now. An alert whose body cannot be made anew is left alone if its place is still there,
    and sealed afresh if it is not. Runs in one transaction with the note that this restoration was worked through.
    """
    count = 0
    for row in tables.outbox.logged_from(since):
        content = tables.alerts.content(row.number)
        if row.index is None or content.header is None or content.signature is None:
            continue
        header = decode_header(content.header)
        try:
            body = seal_same(tables, header, content.document)
        except CrossbearingError as error:
            log.warning("body not made anew", alert=format_id(row.id), code=error.code)
            if row.index < size:
                continue
            body = None
        tables.pairs.set_known([recipient.opener_id for recipient in header.recipients], known=False)
        for attachment in header.attachments:
            tables.attachments.set_uploaded(attachment.digest, uploaded=False)
        tables.outbox.reopen(row.number, body=body, directory=header.directory, lost=row.index >= size, now=now)
        count += 1
    return count
