"""Fetches the attachments of received alerts in the background, one after the other, resuming where a line broke."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import structlog

from nodes.ports import Clock
from nodes.store.store import Store
from nodes.transfers import Transfers
from schemas.errors import AttachmentUnreadable, NotFound, Purged
from schemas.session.frames import Blob

if TYPE_CHECKING:
    from nodes.store.attachments import AttachmentRow
    from nodes.store.database import Tables

log = structlog.get_logger(__name__)


class Downloads:
    """The downloads of one session."""

    def __init__(self, store: Store, transfers: Transfers, clock: Clock) -> None:
        self._store = store
        self._transfers = transfers
        self._clock = clock
        self._given_up: set[bytes] = set()

    async def run(self) -> None:
        """Fetch what is incomplete, and whatever new alerts bring, as long as the session lasts.

        An attachment that the hub does not hold, or of which it sends other bytes, is left until the next session.
        """
        while True:
            seen = self._store.revision("downloads")
            for row in await self._store.read(lambda tables: tables.attachments.incomplete()):
                if row.digest not in self._given_up:
                    await self._fetch(row)
            await self._store.wait("downloads", seen)

    async def _fetch(self, row: AttachmentRow) -> None:
        try:
            await self._complete(row)
        except (NotFound, Purged, AttachmentUnreadable) as error:
            self._given_up.add(row.digest)
            log.warning("attachment not fetched", digest=row.digest.hex(), code=error.code)

    async def _complete(self, row: AttachmentRow) -> None:
        """Fetch the rest, then compare the whole with the digest that the alert's signed header names."""
        if row.stored < row.size:
            async with aclosing(self._transfers.pieces(row.digest, offset=row.stored, limit=row.size)) as pieces:
                async for piece in pieces:
                    await self._store.write(partial(_append, row.digest, piece))
        await _finish(self._store, row, self._clock())


async def keep_piece(store: Store, piece: Blob, *, now: int) -> bool:
    """Keep a piece that came in a file, if it goes on where what is here ends; whether the attachment is whole now.

    Raises AttachmentUnreadable when the whole is another than the alert's signed header names; it is begun anew then.
    """
    row = await store.read(lambda tables: tables.attachments.get(piece.digest))
    if row is None or row.complete or (row.stored, row.size) != (piece.offset, piece.total):
        return False
    if len(piece.data) > row.size - row.stored:
        raise AttachmentUnreadable(f"the hub sent more of attachment {row.digest.hex()[:16]} than there is")
    await store.write(partial(_append, row.digest, piece.data))
    if row.stored + len(piece.data) < row.size:
        return False
    await _finish(store, row, now)
    return True


async def finish_whole(store: Store, *, now: int) -> int:
    """Finish what was kept to its last byte when the store failed; how many that were. Raises as `keep_piece` does."""
    rows = await store.read(lambda tables: tables.attachments.incomplete())
    whole = [row for row in rows if row.stored == row.size]
    for row in whole:
        await _finish(store, row, now)
    return len(whole)


async def _finish(store: Store, row: AttachmentRow, now: int) -> None:
    """Compare the whole with its name."""
    found, offset = hashlib.sha256(), 0
    while part := await store.read(partial(_part, row.digest, offset)):
        found.update(part)
        offset += len(part)
    if found.digest() != row.digest:
        await store.write(partial(_restart, row, now))
        raise AttachmentUnreadable(f"the hub sent other bytes for attachment {row.digest.hex()[:16]}")
    await store.write(lambda tables: tables.attachments.finish(row.digest))


def _append(digest: bytes, piece: bytes, tables: Tables) -> None:
    tables.attachments.append(digest, piece)


def _part(digest: bytes, offset: int, tables: Tables) -> bytes:
    return tables.attachments.part(digest, offset)


def _restart(row: AttachmentRow, now: int, tables: Tables) -> None:
    tables.attachments.drop(row.digest)
    tables.attachments.begin(row.digest, row.size, now=now)
    tables.alarms.raise_(
        AttachmentUnreadable.code,
        f"the hub sent other bytes for attachment {row.digest.hex()[:16]} than the alert names",
        "ask the hub's operator; the sender can send the file again in a follow-up",
        now=now,
    )
