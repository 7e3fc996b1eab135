"""Requests as bytes, over TLS or not: what no well-behaved client would send."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass

from broker.config import Address

PATIENCE = 60.0
"""Seconds until an answer that does not come fails the test; the machine may be busy."""


@dataclass(frozen=True)
class Answer:
    """What came back until the connection was closed, or one whole answer had come."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code in it."""
        return str(json.loads(self.body)["error"]["code"])


class Connection:
    """One connection that says what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        """Send these bytes."""
        self.writer.write(data)

    async def answer(self, *, head_only: bool = False) -> Answer | None:
        """The next answer; None if the connection is closed before one comes."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                return None
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
            }
            length = 0 if head_only else int(headers.get("content-length", 0))
            body = await self._reader.readexactly(length)
        return Answer(int(first.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """Everything until the other end closes."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read()
            except (ConnectionError, ssl.SSLError):
                return b""

    def cut(self) -> None:
        """Be gone without a word."""
        self.writer.transport.abort()


async def connected(address: Address, tls: ssl.SSLContext | None = None) -> Connection:
    """A connection to a listener."""
    async with asyncio.timeout(PATIENCE):
        name = "localhost" if tls is not None else None
        return Connection(*await asyncio.open_connection(address.host, address.port, ssl=tls, server_hostname=name))


async def asked(address: Address, tls: ssl.SSLContext | None, data: bytes) -> Answer | None:
    """What one connection that sends these bytes is answered first."""
    connection = await connected(address, tls)
    try:
        connection.say(data)
        return await connection.answer(head_only=data.startswith(b"HEAD"))
    finally:
        connection.cut()
