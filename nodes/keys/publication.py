"""Key documents on their way to the hub: handed to the session that is open, answered by it or not at all.

Nothing is kept for later. Who asked is told at once that there is no connection, or that it broke; publishing the same
bytes again is harmless and gives the same answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from schemas.errors import Unreachable, refusal_from_code
from schemas.ids import ID_SIZE, sha256
from schemas.session.frames import Frame, Publish, ResultItem

ANSWER_TIMEOUT: Final = 30.0
"""Seconds for the hub's answer: several blocks, each with a slow disk."""


class Publications:
    """The way from the local API to whatever session is open."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, tuple[Publish, asyncio.Future[int]]] = {}
        self._unsent: asyncio.Queue[Publish] | None = None

    async def publish(self, frame: Publish) -> int:
        """Bring one document to the hub; the log index where it stands. Raises its refusal, or `Unreachable`."""
        if self._unsent is None:
            raise Unreachable(
                "this node is not connected to the hub, so nothing can be published through it",
                hint="Try again when `bearing status` says connected, or give the file to the hub's operator.",
            )
        ref = sha256(frame.bundle)[:ID_SIZE]
        if ref not in self._waiting:
            self._waiting[ref] = (frame, asyncio.get_running_loop().create_future())
            self._unsent.put_nowait(frame)
        _, future = self._waiting[ref]
        try:
            return await asyncio.wait_for(asyncio.shield(future), ANSWER_TIMEOUT)
        except TimeoutError:
            raise Unreachable(
                f"the hub did not answer within {ANSWER_TIMEOUT:.0f} s",
                hint="Publish the same file again: it is either in force already or taken then.",
            ) from None

    async def run(self, send: Callable[[Frame], Awaitable[None]]) -> None:
        """Send what comes, as long as the session lasts."""
        self._unsent = asyncio.Queue()
        while True:
            await send(await self._unsent.get())

    def owns(self, ref: bytes) -> bool:
        """Whether an answer to this reference is awaited here."""
        return ref in self._waiting

    def settle(self, item: ResultItem) -> None:
        """The hub's answer."""
        _, future = self._waiting.pop(item.ref)
        if future.done():
            return
        if item.accepted:
            future.set_result(item.index)
        else:
            future.set_exception(refusal_from_code(item.code, item.message, item.hint))

    def fail(self) -> None:
        """The session is over: whoever waits is told."""
        self._unsent = None
        waiting, self._waiting = self._waiting, {}
        for _, future in waiting.values():
            if not future.done():
                future.set_exception(
                    Unreachable(
                        "the connection to the hub ended before it answered",
                        hint="Publish the same file again: it is either in force already or taken then.",
                    )
                )
                future.exception()  # seen: whoever asked may have gone away
