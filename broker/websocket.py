"""The channel of a session over aiohttp's WebSocket. Not compressed: lengths would tell about bodies."""

from __future__ import annotations

from aiohttp import WSMsgType, web

from broker.channel import Heard
from schemas.errors import ProtocolError
from schemas.limits import MAX_FRAME

CLOSE_SECONDS = 3.0
_CLOSED = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}


class WebSocketChannel:
    """A `Channel` over `request`, once `accept` has answered it."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=MAX_FRAME, timeout=CLOSE_SECONDS
        )

    async def accept(self) -> None:
        """Turn the request into a WebSocket."""
        await self.response.prepare(self._request)

    @property
    def closed(self) -> bool:
        """See `Channel`."""
        return self.response.closed

    async def receive(self) -> bytes | Heard:
        """See `Channel`. A ping is answered here."""
        message = await self.response.receive()
        if message.type is WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is WSMsgType.PING:
            await self.response.pong(message.data)
            return Heard.LIFE
        if message.type is WSMsgType.PONG:
            return Heard.LIFE
        if message.type in _CLOSED:
            return Heard.END
        raise ProtocolError("a message is not binary")

    async def send(self, data: bytes) -> None:
        """See `Channel`."""
        await self.response.send_bytes(data)

    async def ping(self) -> None:
        """See `Channel`."""
        await self.response.ping()

    async def close(self) -> None:
        """See `Channel`."""
        await self.response.close()

    def abort(self) -> None:
        """See `Channel`."""
        if self._request.transport is not None:
            self._request.transport.abort()
