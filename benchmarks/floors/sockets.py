"""A message of 2 KiB there and back on loopback, with both ends in one process: bare sockets, and WebSockets."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import uvloop
from aiohttp import ClientSession, TCPConnector, web

from benchmarks.floors.timing import REPEATS, Floor

MESSAGE = os.urandom(2_048)
COUNT = 500
_WHAT = "echo of 2 KiB, both ends and both ways"


def floors(certificate: Path, key: Path, authority: Path) -> Iterator[Floor]:
    """Each floor in turn."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(authority))
    for context in (server, client):
        context.load_cert_chain(certificate, key)
    yield Floor("socket", f"socket, uvloop: {_WHAT}", uvloop.run(_socket()))
    yield Floor("websocket", f"WebSocket, aiohttp, uvloop, mutual TLS: {_WHAT}", uvloop.run(_websocket(server, client)))


async def _socket() -> float:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await reader.readexactly(len(MESSAGE)))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

    async def once() -> None:
        writer.write(MESSAGE)
        await reader.readexactly(len(MESSAGE))

    cost = await _least(once)
    writer.close()
    server.close()
    await server.wait_closed()
    return cost


async def _websocket(server: ssl.SSLContext, client: ssl.SSLContext) -> float:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server)
    await site.start()
    port = runner.addresses[0][1]
    async with (
        ClientSession(connector=TCPConnector(ssl=client)) as session,
        session.ws_connect(f"wss://localhost:{port}/", compress=0) as socket,
    ):

        async def once() -> None:
            await socket.send_bytes(MESSAGE)
            await socket.receive_bytes()

        cost = await _least(once)
    await runner.cleanup()
    return cost


async def _least(once: Callable[[], Awaitable[None]]) -> float:
    runs = []
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(COUNT):
            await once()
        runs.append((time.process_time() - started) / COUNT * 1e6)
    return min(runs)
