"""Blobs over the session: sealed attachments up, attachments and openers down, piece by piece and resumable.

Every piece is answered before the next is asked for, so a slow line never fills anybody's memory. A transfer that a
broken connection cut short goes on from what both sides hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from nodes.store.store import Store
from schemas.errors import NotFound, ProtocolError, Unreachable, refusal_from_code
from schemas.limits import CHUNK, MAX_ATTACHMENT
from schemas.session.frames import Blob, Fetch, Frame, ResultItem, Upload, Uploaded

if TYPE_CHECKING:
    from nodes.store.database import Tables

Answer = TypeVar("Answer", Uploaded, Blob)

ANSWER_TIMEOUT: Final = 60.0
"""Seconds for one answer: a piece over a slow satellite line, and not so long that a lost answer stalls an hour."""


class Transfers:
    """The transfers of one session; any number at once, those of one blob one after the other."""

    def __init__(self, store: Store, send: Callable[[Frame], Awaitable[None]]) -> None:
        self._store = store
        self._send = send
        self._uploads: dict[bytes, asyncio.Future[Uploaded]] = {}
        self._fetches: dict[bytes, asyncio.Future[Blob]] = {}

    async def upload(self, digest: bytes, size: int) -> None:
        """Bring an attachment of the store to the hub. Raises Unreachable, NotFound, or the hub's refusal."""
        answer = await self._ask(Upload(digest, 0, size, b""), self._uploads, digest)
        while answer.offset < size:
            offset = answer.offset
            data = await self._store.read(partial(_part, digest, offset))
            if not data:
                raise NotFound(f"the sealed attachment {digest.hex()[:16]} is not whole in this node's store")
            answer = await self._ask(Upload(digest, offset, size, data), self._uploads, digest)
            if not offset < answer.offset <= size:
                raise ProtocolError("the hub's upload does not move on")
        await self._store.write(lambda t: t.attachments.set_uploaded(digest, uploaded=True))

    async def pieces(
        self, digest: bytes, *, offset: int = 0, limit: int = MAX_ATTACHMENT
    ) -> AsyncGenerator[bytes, None]:
        """A blob's bytes from `offset` on.

        Raises NotFound when the hub has none for us, Purged when it was deleted, Unreachable, ProtocolError.
        """
        total = offset + 1
        while offset < total:
            blob = await self._ask(Fetch(digest, offset), self._fetches, digest)
            if blob.total == 0:
                raise NotFound(f"the hub does not hold blob {digest.hex()[:16]} for this node")
            if blob.offset != offset or blob.total > limit or not 0 < len(blob.data) <= blob.total - offset:
                raise ProtocolError("the hub sent another piece of a blob than was asked for")
            total, offset = blob.total, offset + len(blob.data)
            yield blob.data

    async def fetch(self, digest: bytes, *, limit: int) -> bytes:
        """A whole small blob of at most `limit` bytes."""
        return b"".join([piece async for piece in self.pieces(digest, limit=limit)])

    def take(self, frame: Uploaded | Blob) -> None:
        """An answer from the hub. Raises ProtocolError when nobody asked."""
        if isinstance(frame, Uploaded):
            _answer(self._uploads.get(frame.digest), frame)
        else:
            _answer(self._fetches.get(frame.digest), frame)

    def owns(self, ref: bytes) -> bool:
        """Whether `ref` is how the hub names a transfer under way when it refuses it."""
        return any(digest.startswith(ref) for digest in (*self._uploads, *self._fetches))

    def refuse(self, item: ResultItem) -> None:
        """The hub refused a transfer: whoever waits for its answer gets the refusal."""
        for waiting in (self._uploads, self._fetches):
            for digest, future in waiting.items():
                if digest.startswith(item.ref) and not future.done():
                    future.set_exception(refusal_from_code(item.code, item.message, item.hint))

    def fail(self) -> None:
        """The session is over: whoever waits for an answer gets Unreachable."""
        for waiting in (self._uploads, self._fetches):
            for future in waiting.values():
                if not future.done():
                    future.set_exception(Unreachable("the connection to the hub ended during a transfer"))

    async def _ask(self, frame: Frame, waiting: dict[bytes, asyncio.Future[Answer]], digest: bytes) -> Answer:
        while (before := waiting.get(digest)) is not None:  # an answer names its blob and not who asked: one at a time
            await asyncio.wait([before])
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting[digest] = future
        try:
            await self._send(frame)
            return await asyncio.wait_for(future, ANSWER_TIMEOUT)
        except TimeoutError:
            raise Unreachable(f"the hub did not answer a transfer within {ANSWER_TIMEOUT:.0f} s") from None
        finally:
            del waiting[digest]


def _answer(waiting: asyncio.Future[Answer] | None, frame: Answer) -> None:
    if waiting is None:
        raise ProtocolError(f"the hub sent {type(frame).__name__} that nobody asked for")
    if not waiting.done():
        waiting.set_result(frame)


def _part(digest: bytes, offset: int, tables: Tables) -> bytes:
    return tables.attachments.piece(digest, offset, size=CHUNK)
