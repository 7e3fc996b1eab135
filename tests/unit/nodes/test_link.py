from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from nodes.config import HubSettings
from nodes.link import WebSocketLink
from nodes.tls import tls_context
from schemas.errors import BadConfig, NotPinned, OpenPermissions, ProtocolError, Unreachable
from schemas.pins import spki_digest
from tests.support.directory import spki_digest as pinned
from tests.support.hub import write_identity

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def settings(folder: Path, port: int, *, name: str = "sg-cnb") -> HubSettings:
    own = folder / name
    write_identity(own, name)
    (own / "tls.key").chmod(0o600)
    return HubSettings(
        url=f"wss://127.0.0.1:{port}/session",
        host="127.0.0.1",
        pin=pinned("broker"),
        ca=own / "ca.crt",
        certificate=own / "tls.crt",
        key=own / "tls.key",
    )


def server_tls(folder: Path, name: str, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    own = folder / f"server-{name}"
    write_identity(own, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    context.load_verify_locations(own / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = newest
    return context


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    app = web.Application()
    app.add_routes([web.get("/session", handler)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Seen:
    """What reached the server."""

    def __init__(self) -> None:
        self.requests = 0
        self.peer = b""
        self.version = ""
        self.extensions = ""


@pytest.fixture
def seen() -> Seen:
    return Seen()


def echo(seen: Seen) -> Handler:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        seen.requests += 1
        assert request.transport is not None
        tls = request.transport.get_extra_info("ssl_object")
        seen.peer, seen.version = tls.getpeercert(binary_form=True), tls.version()
        seen.extensions = request.headers.get("Sec-WebSocket-Extensions", "")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                if message.data == b"text":
                    await socket.send_str("text")
                elif message.data == b"end":
                    await socket.close()
                else:
                    await socket.send_bytes(message.data)
        return socket

    return handle


async def test_messages_go_both_ways_over_mutual_tls_without_compression(tmp_path: Path, seen: Seen) -> None:
    async with serving(echo(seen), server_tls(tmp_path, "broker")) as port:
        connection = await WebSocketLink(settings(tmp_path, port)).connect()
        await connection.send(b"\x00" * 100_000)
        assert await connection.receive() == b"\x00" * 100_000
        await connection.send(b"end")
        assert await connection.receive() is None
        await connection.close()
        await connection.close()
    assert seen.version == "TLSv1.3"
    assert spki_digest(seen.peer) == pinned("sg-cnb")
    assert seen.extensions == ""


async def test_another_key_is_refused_before_anything_is_sent(tmp_path: Path, seen: Seen) -> None:
    async with serving(echo(seen), server_tls(tmp_path, "hk-customs")) as port:
        with pytest.raises(NotPinned) as refusal:
            await WebSocketLink(settings(tmp_path, port)).connect()
    assert "impostor" in refusal.value.hint
    assert seen.requests == 0


async def test_an_older_tls_is_not_spoken(tmp_path: Path, seen: Seen) -> None:
    tls = server_tls(tmp_path, "broker", newest=ssl.TLSVersion.TLSv1_2)
    async with serving(echo(seen), tls) as port:
        with pytest.raises(Unreachable):
            await WebSocketLink(settings(tmp_path, port)).connect()
    assert seen.requests == 0


async def test_a_certificate_of_another_authority_is_refused_even_with_the_pinned_key(
    tmp_path: Path, seen: Seen
) -> None:
    async with serving(echo(seen), server_tls(tmp_path, "broker")) as port:
        wanted = settings(tmp_path, port)
        wanted.ca.write_bytes(wanted.certificate.read_bytes())  # trusts nobody but itself
        with pytest.raises(Unreachable):
            await WebSocketLink(wanted).connect()
    assert seen.requests == 0


async def test_a_hub_that_refuses_our_certificate_says_so(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403)

    async with serving(refuse, server_tls(tmp_path, "broker")) as port:
        with pytest.raises(NotPinned) as refusal:
            await WebSocketLink(settings(tmp_path, port)).connect()
    assert "administrators" in refusal.value.hint


async def test_any_other_answer_is_unreachable(tmp_path: Path) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=503)

    async with serving(busy, server_tls(tmp_path, "broker")) as port:
        with pytest.raises(Unreachable, match="503"):
            await WebSocketLink(settings(tmp_path, port)).connect()


async def test_nobody_listening_is_unreachable(tmp_path: Path, seen: Seen) -> None:
    async with serving(echo(seen), server_tls(tmp_path, "broker")) as port:
        pass
    with pytest.raises(Unreachable):
        await WebSocketLink(settings(tmp_path, port)).connect()


async def test_a_hub_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.link.CONNECT_TIMEOUT", 0.2)
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unreachable, match="did not answer"):
        await WebSocketLink(settings(tmp_path, port)).connect()
    over.set()
    server.close()
    await server.wait_closed()


async def test_text_breaks_the_protocol(tmp_path: Path, seen: Seen) -> None:
    async with serving(echo(seen), server_tls(tmp_path, "broker")) as port:
        connection = await WebSocketLink(settings(tmp_path, port)).connect()
        await connection.send(b"text")
        with pytest.raises(ProtocolError):
            await connection.receive()
        await connection.close()


async def test_sending_on_a_closed_connection_is_unreachable(tmp_path: Path, seen: Seen) -> None:
    async with serving(echo(seen), server_tls(tmp_path, "broker")) as port:
        connection = await WebSocketLink(settings(tmp_path, port)).connect()
        await connection.close()
        with pytest.raises(Unreachable):
            await connection.send(b"x")
        assert await connection.receive() is None


def test_a_key_open_to_others_is_refused(tmp_path: Path) -> None:
    wanted = settings(tmp_path, 1)
    wanted.key.chmod(0o640)
    with pytest.raises(OpenPermissions):
        tls_context(wanted)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    wanted, other = settings(tmp_path, 1), settings(tmp_path, 1, name="au-abf")
    with pytest.raises(BadConfig):
        tls_context(replace(wanted, key=other.key))
    with pytest.raises(BadConfig):
        tls_context(replace(wanted, ca=tmp_path / "none"))
    with pytest.raises(BadConfig):
        tls_context(replace(wanted, key=tmp_path / "none"))


async def test_an_attempt_can_be_given_up(tmp_path: Path) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    attempt = asyncio.create_task(WebSocketLink(settings(tmp_path, port)).connect())
    await asked.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    over.set()
    server.close()
    await server.wait_closed()
