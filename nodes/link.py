"""The connection to the hub: a WebSocket over mutual TLS 1.3 (`nodes.tls`), one binary message per frame.

Messages are not compressed: they are ciphertext.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from nodes.config import HubSettings
from nodes.tls import PIN_FAILED, tls_context
from schemas.errors import CrossbearingError, NotPinned, ProtocolError, Unreachable
from schemas.limits import MAX_FRAME

HEARTBEAT: Final = 20.0
"""Seconds between pings: below the minute after which middleboxes forget a silent connection."""
CONNECT_TIMEOUT: Final = 15.0
CLOSE_TIMEOUT: Final = 2.0


class WebSocketConnection:
    """One session's WebSocket."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket

    async def send(self, data: bytes) -> None:
        """Send one binary message."""
        try:
            await self._socket.send_bytes(data)
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            raise Unreachable(f"the connection to the hub broke while sending: {error}") from None

    async def receive(self) -> bytes | None:
        """The next binary message, or None at the end."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.TEXT:
            raise ProtocolError("the hub sent a text message; frames are binary")
        if message.type is aiohttp.WSMsgType.ERROR:
            raise Unreachable(f"the connection to the hub broke: {self._socket.exception()}")
        return None

    async def close(self) -> None:
        """Close the WebSocket and everything under it."""
        try:
            await asyncio.wait_for(self._socket.close(), CLOSE_TIMEOUT)
        except TimeoutError:
            pass  # the peer does not answer; the transport is closed below all the same
        finally:
            await self._session.close()


class WebSocketLink:
    """Connects to the hub of node.toml."""

    def __init__(self, settings: HubSettings) -> None:
        """Raises BadConfig or OpenPermissions when the TLS files cannot be used."""
        self._settings = settings
        self._context = tls_context(settings)

    async def connect(self) -> WebSocketConnection:
        """Open a WebSocket. Raises Unreachable; NotPinned when another key answers or the hub does not know ours."""
        settings = self._settings
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._context, limit=1, force_close=True))
        try:
            socket = await asyncio.wait_for(
                session.ws_connect(
                    settings.url,
                    heartbeat=HEARTBEAT,
                    compress=0,
                    max_msg_size=MAX_FRAME + 1,
                    autoclose=True,
                    autoping=True,
                ),
                CONNECT_TIMEOUT,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await session.close()
            raise _connect_error(error, settings) from None
        except BaseException:
            await session.close()
            raise
        return WebSocketConnection(session, socket)


def _connect_error(error: Exception, settings: HubSettings) -> CrossbearingError:
    """What a failed attempt means, in the project's terms."""
    if PIN_FAILED in str(error):
        return NotPinned(
            f"whatever answers at {settings.url} does not hold the pinned key {settings.pin.hex()[:16]}…",
            hint="compare hub.pin in node.toml with the hub's operator; if it changed unannounced, suspect an impostor",
        )
    if isinstance(error, aiohttp.WSServerHandshakeError) and error.status in (401, 403):
        return NotPinned(
            f"the hub refuses this node's certificate (HTTP {error.status})",
            hint="have the agency's administrators publish the certificate's key in the directory",
        )
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return Unreachable(f"the hub at {settings.url} answered HTTP {error.status}")
    if isinstance(error, TimeoutError):
        return Unreachable(f"the hub at {settings.url} did not answer within {CONNECT_TIMEOUT:.0f} s")
    return Unreachable(f"the hub at {settings.url} cannot be reached: {error}")
