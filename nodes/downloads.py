"""Fetches a sealed attachment when somebody asks for it, resuming where a broken line left off."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from nodes.ports import Clock
from nodes.store.store import Store
from nodes.transfers import Transfers
from schemas.errors import AttachmentUnreadable

if TYPE_CHECKING:
    from nodes.store.attachments import AttachmentRow
    from nodes.store.database import Tables


async def download(store: Store, transfers: Transfers, digest: bytes, size: int, *, clock: Clock) -> None:
    """Have the attachment of that digest and sealed size complete in the store.

    Raises NotFound when the hub does not hold it, AttachmentUnreadable when it sent other bytes (which are forgotten),
    Unreachable when the line broke: what came before is kept, and the next call goes on from there.
    """
    begin = partial(_begin, digest, size, clock())
    row = await store.write(begin)
    if row.complete:
        return
    if row.stored < size:
        async with aclosing(transfers.pieces(digest, offset=row.stored, limit=size)) as pieces:
            async for piece in pieces:
                await store.write(partial(_append, digest, piece))
    if await _digest(store, digest) != digest:
        await store.write(lambda tables: tables.attachments.drop(digest))
        raise AttachmentUnreadable(f"the hub sent other bytes for attachment {digest.hex()[:16]} than its digest names")
    await store.write(lambda tables: tables.attachments.finish(digest))


async def _digest(store: Store, digest: bytes) -> bytes:
    """SHA-256 of what is stored, read part by part."""
    found, offset = hashlib.sha256(), 0
    while part := await store.read(partial(_part, digest, offset)):
        found.update(part)
        offset += len(part)
    return found.digest()


def _begin(digest: bytes, size: int, now: int, tables: Tables) -> AttachmentRow:
    tables.attachments.begin(digest, size, now=now)
    row = tables.attachments.get(digest)
    if row is not None and row.size != size and not row.complete:
        tables.attachments.drop(digest)
        tables.attachments.begin(digest, size, now=now)
        row = tables.attachments.get(digest)
    if row is None:
        raise TypeError("a download that was begun has a row")
    return row


def _append(digest: bytes, piece: bytes, tables: Tables) -> None:
    tables.attachments.append(digest, piece)


def _part(digest: bytes, offset: int, tables: Tables) -> bytes:
    return tables.attachments.part(digest, offset)
