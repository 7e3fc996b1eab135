from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from nodes.handlers.delivery import Delivery
from nodes.handlers.settings import WebhookSettings
from nodes.handlers.webhook import WebhookHandler, read_secret, sign_webhook
from nodes.handlers.when import When
from schemas.errors import BadConfig, HandlerFailed, OpenPermissions

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_795_449_600_987

Serving = Callable[..., AbstractAsyncContextManager[tuple[WebhookHandler, list[web.Request]]]]


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "hook.key"
    path.touch(mode=0o600)
    path.write_bytes(SECRET + b"\n")
    return path


@pytest.fixture
def serving(secret_file: Path) -> Serving:
    """A real receiver on loopback that answers as told, and a handler that calls it."""

    @asynccontextmanager
    async def start(
        status: int = 200, *, text: str = "", headers: dict[str, str] | None = None, hold: asyncio.Event | None = None
    ) -> AsyncIterator[tuple[WebhookHandler, list[web.Request]]]:
        seen: list[web.Request] = []

        async def receive(request: web.Request) -> web.Response:
            await request.read()
            seen.append(request)
            if hold is not None:
                await hold.wait()
            return web.Response(status=status, text=text, headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", receive)
        async with TestServer(app, host="127.0.0.1") as server:
            settings = WebhookSettings("hook", When(), str(server.make_url("/alerts")), secret_file, timeout=1)
            handler = WebhookHandler(settings, now=lambda: NOW)
            try:
                yield handler, seen
            finally:
                await handler.close()

    return start


async def test_the_receiver_can_check_who_sent_what_and_when(delivery: Delivery, serving: Serving) -> None:
    async with serving(204) as (handler, seen):
        await handler.deliver(delivery)
    (request,) = seen
    assert request.method == "POST"
    assert await request.read() == delivery.payload
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == delivery.key
    assert request.headers["Bearing-Attempt"] == "2"
    assert request.headers["Bearing-Timestamp"] == "1795449600"
    expected = hmac.new(SECRET, b"1795449600." + delivery.payload, hashlib.sha256).hexdigest()
    assert request.headers["Bearing-Signature"] == f"v1={expected}"


def test_the_signature_covers_time_and_body() -> None:
    signature = sign_webhook(SECRET, 1, b"a")
    assert signature == "v1=" + hmac.new(SECRET, b"1.a", hashlib.sha256).hexdigest()
    assert len({signature, sign_webhook(SECRET, 2, b"a"), sign_webhook(SECRET, 1, b"b")}) == 3


async def test_one_connection_serves_many_deliveries(delivery: Delivery, serving: Serving) -> None:
    async with serving() as (handler, seen):
        await handler.deliver(delivery)
        await handler.deliver(delivery)
    assert len({request.transport for request in seen}) == 1


async def test_a_refusing_answer_is_a_failure_with_its_text(delivery: Delivery, serving: Serving) -> None:
    async with serving(503, text="in maintenance") as (handler, _):
        with pytest.raises(HandlerFailed, match=r"status 503: in maintenance$"):
            await handler.deliver(delivery)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_not_followed(delivery: Delivery, serving: Serving, status: int) -> None:
    async with serving(status, headers={"Location": "/elsewhere"}) as (handler, seen):
        with pytest.raises(HandlerFailed, match="redirect"):
            await handler.deliver(delivery)
    assert [request.path for request in seen] == ["/alerts"]


async def test_a_silent_receiver_is_a_failure(delivery: Delivery, serving: Serving) -> None:
    hold = asyncio.Event()
    async with serving(hold=hold) as (handler, _):
        with pytest.raises(HandlerFailed, match="did not answer within 1 seconds"):
            await handler.deliver(delivery)
        hold.set()


async def test_nobody_listening_is_a_failure(delivery: Delivery, secret_file: Path, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    handler = WebhookHandler(WebhookSettings("hook", When(), url, secret_file), now=lambda: NOW)
    with pytest.raises(HandlerFailed, match="could not be reached"):
        await handler.deliver(delivery)
    await handler.close()


def test_the_secret_is_read_without_its_newline(secret_file: Path) -> None:
    assert read_secret(secret_file) == SECRET


def test_a_missing_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="there is no webhook secret") as refused:
        read_secret(tmp_path / "none")
    assert "openssl rand" in refused.value.hint


def test_a_short_secret_is_refused(secret_file: Path) -> None:
    secret_file.write_bytes(b"short\n")
    with pytest.raises(BadConfig, match="fewer than 16 bytes"):
        read_secret(secret_file)


def test_a_secret_others_can_read_is_refused(secret_file: Path) -> None:
    secret_file.chmod(0o640)
    with pytest.raises(OpenPermissions, match="open to others"):
        read_secret(secret_file)


def test_a_ca_that_is_no_certificate_is_refused(secret_file: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    settings = WebhookSettings("hook", When(), "https://cases.example/", secret_file, ca=tmp_path / "ca.pem")
    with pytest.raises(BadConfig, match=r"ca file .* cannot be read"):
        WebhookHandler(settings, now=lambda: NOW)
