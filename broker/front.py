"""The front of every listener of the hub: TLS connections within bounds, and HTTP without anything that is not needed.

aiohttp parses and answers. What it leaves to the application is done here: how many connections there may be, how long
a handshake, a request and the taking of an answer may last, and that every error is JSON, names no program and tells
nothing of the inside.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from broker.config import Address
from broker.gate import Bounds, Gate, neighbourhood
from broker.metrics import Metrics
from schemas.errors import BadConfig, CrossbearingError, Internal, Malformed, NotServed, TooManyConnections
from schemas.limits import MAX_REQUEST_FIELD, MAX_REQUEST_FIELDS, MAX_REQUEST_LINE

log = structlog.get_logger()
BACKLOG: Final = 128
FAREWELL_SECONDS: Final = 2.0
"""For the end of TLS to be said in both directions."""
CROWDED_MS: Final = 10_000
"""After which to come again, for the holder of too many connections: idle ones are closed by then."""
NO_ROOM_SECONDS: Final = 1.0
"""Before the next look, when the system has no descriptor or memory left for a connection."""
STATUS: Final = {
    "internal": 500,
    "log-restored": 503,
    "malformed": 400,
    "missing": 404,
    "not-a-party": 403,
    "not-found": 404,
    "not-pinned": 403,
    "not-served": 400,
    "overloaded": 503,
    "purged": 410,
    "suspended": 403,
    "too-many-connections": 503,
}
"""HTTP status by error code; 500 for all others."""

_PATH = re.compile(r"/([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?")
_BARRED: Final = ("Origin", "Content-Encoding", "Expect", "Transfer-Encoding")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Identify = Callable[[bytes | None], str | None]
"""The party that a certificate (DER) is pinned for; None for a stranger's."""


class _Bare(web.Response):
    """An answer without the name of the program that gives it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


def refusal(error: CrossbearingError, *, status: int | None = None, **headers: str) -> web.Response:
    """The answer that says `error`; the connection ends with it."""
    answer = _Bare(
        body=_as_json(error),
        status=STATUS.get(error.code, 500) if status is None else status,
        content_type="application/json",
        charset="utf-8",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    if error.retry_after:
        answer.headers["Retry-After"] = str(-(-error.retry_after // 1_000))
    answer.force_close()
    return answer


def _as_json(error: CrossbearingError) -> bytes:
    return json.dumps({"error": error.as_dict()}).encode()


def check_request(request: web.Request) -> None:
    """Refuse a request of a shape that nothing here is asked with. Raises `NotServed`."""
    headers = request.headers
    if request.version != (1, 1):
        raise NotServed("only HTTP/1.1 is spoken here")
    if not _PATH.fullmatch(request.raw_path) or ".." in request.raw_path:
        raise NotServed("the request's target is no plain path")
    if len(headers.getall("Host", [])) != 1:
        raise NotServed("a request names one host")
    if request.can_read_body or any(name in headers for name in _BARRED):
        raise NotServed("a request has no body, and comes from no web page")
    if "Upgrade" in headers and not _is_session(request):
        raise NotServed("only /session is a WebSocket, of version 13 and without a subprotocol")


def _is_session(request: web.Request) -> bool:
    headers = request.headers
    return (
        request.path == "/session"
        and headers["Upgrade"].lower() == "websocket"
        and headers.get("Sec-WebSocket-Version") == "13"
        and "Sec-WebSocket-Protocol" not in headers
    )


class Front:
    """One listener that serves `app`: over TLS when it has a context, to whoever `identify` knows."""

    def __init__(
        self,
        app: web.Application,
        *,
        metrics: Metrics,
        bounds: Bounds,
        tls: ssl.SSLContext | None = None,
        identify: Identify = lambda _: None,
        shutdown_seconds: float = 3.0,
    ) -> None:
        app.on_response_prepare.append(_without_name)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=shutdown_seconds)
        self._metrics = metrics
        self._tls = tls
        self._identify = identify
        self._listening: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.bounds = bounds
        self.gate = Gate(bounds)

    async def start(self, address: Address) -> Address:
        """Listen; returns the address, with the port that the system chose if 0 was asked for. Raises `BadConfig`."""
        await self._runner.setup()
        server = cast("web.Server", self._runner.server)
        server.request_handler = partial(self._strictly, server.request_handler)  # before the application says anything
        loop = asyncio.get_running_loop()
        port = address.port
        try:
            found = await loop.getaddrinfo(address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, where in dict.fromkeys(found):
                listening = socket.create_server((where[0], port), family=family, backlog=BACKLOG)
                listening.setblocking(False)
                self._listening.append(listening)
                port = listening.getsockname()[1]
        except OSError as error:
            await self.stop()
            raise BadConfig(f"cannot listen on {address}: {error.strerror}") from error
        for listening in self._listening:
            self._spawn(self._accept(listening))
        return Address(address.host, port)

    async def stop(self) -> None:
        """Stop listening, once the requests under way are answered."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listening in self._listening:
            listening.close()
        self._listening.clear()
        await self._runner.cleanup()

    def refused(self, why: str, **more: object) -> None:
        """Count a connection or a request that was not served, and say so in the log, where lines are rationed."""
        self._metrics.turned_away.labels(why).inc()
        log.info("turned away", why=why, **more)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:
                self.refused("no-room", reason=error.strerror)
                await asyncio.sleep(NO_ROOM_SECONDS)
                continue
            self._spawn(self._shake(connection, neighbourhood(str(peer[0]))))

    async def _shake(self, connection: socket.socket, address: str) -> None:
        """Complete the handshake of one connection; from there on its protocol serves it."""
        task = asyncio.current_task()
        number = self.gate.knock(address, task.cancel if task is not None else lambda: None)
        seconds = self.bounds.handshake_seconds
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=seconds if self._tls is not None else None,
                ssl_shutdown_timeout=FAREWELL_SECONDS if self._tls is not None else None,
            )
        except OSError as error:  # an ssl.SSLError and a timeout too
            self.refused("handshake", address=address, reason=_short(error))
        except asyncio.CancelledError:
            if self.gate.leave(number):
                raise  # the listener stops
            self.refused("crowded", address=address)
        finally:
            self.gate.leave(number)

    def _protocol(self) -> RequestHandler:
        return _Protocol(self, cast("web.Server", self._runner.server), asyncio.get_running_loop())

    def arrived(self, transport: asyncio.Transport) -> tuple[bool, str | None]:
        """Whether a connection that has shown its certificate may stay, and whose it is."""
        tls = transport.get_extra_info("ssl_object")
        party = self._identify(tls.getpeercert(binary_form=True)) if tls is not None else None
        return self.gate.admit(party), party

    async def _strictly(
        self, handler: Callable[[Any], Awaitable[web.StreamResponse]], request: Any
    ) -> web.StreamResponse:
        """Every request in the one shape there is; every refusal as JSON, with its code."""
        try:
            check_request(request)
            return await handler(request)
        except CrossbearingError as error:
            self.refused(error.code, path=request.path[:80])
            return refusal(error)
        except web.HTTPMethodNotAllowed as error:
            self.refused("method")
            allowed = ", ".join(sorted(error.allowed_methods))
            return refusal(NotServed("this takes no such method", hint=f"Use {allowed}."), status=405, Allow=allowed)
        except web.HTTPNotFound:
            self.refused("path", path=request.path[:80])
            return refusal(NotServed("nothing is served there"), status=404)
        except web.HTTPException as error:
            self.refused("request", path=request.path[:80])
            return refusal(NotServed("the request is not served"), status=error.status)
        except Exception as error:
            log.error("request failed", path=request.path[:80], exc_info=error)
            return refusal(Internal("the hub met a case it was not written for"))


async def _without_name(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


def _short(error: OSError) -> str:
    return (getattr(error, "reason", None) or error.strerror or type(error).__name__)[:80]


class _Protocol(RequestHandler):
    """aiohttp's HTTP/1.1 connection, within the bounds of its front."""

    __slots__ = ("_admitted", "_front", "_party")

    def __init__(self, front: Front, manager: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None switches it off
            auto_decompress=False,
            keepalive_timeout=front.bounds.request_seconds,  # from the start of a connection, and for a request's head
            lingering_time=0,  # for the rest of a body that nobody reads
            max_line_size=MAX_REQUEST_LINE,
            max_headers=MAX_REQUEST_FIELDS,
            max_field_size=MAX_REQUEST_FIELD,
        )
        self._front = front
        self._admitted = False
        self._party: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast("asyncio.Transport", transport)
        self._admitted, self._party = self._front.arrived(connection)
        if self._admitted:
            super().connection_made(transport)
            return
        self._force_close = True
        self._front.refused("too-many-connections", party=self._party)
        crowded = TooManyConnections("too many connections are open with this certificate", retry_after=CROWDED_MS)
        body = _as_json(crowded)
        lines = (
            "HTTP/1.1 503 Service Unavailable",
            "Content-Type: application/json; charset=utf-8",
            f"Content-Length: {len(body)}",
            f"Retry-After: {CROWDED_MS // 1_000}",
            "Connection: close",
        )
        connection.write("\r\n".join((*lines, "", "")).encode() + body)
        connection.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted:
            self._admitted = False
            self._front.gate.release(self._party)
        super().connection_lost(exc)

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What could not even be parsed, as JSON and without a word of it."""
        del message
        if status < 500:
            self._front.refused("parsing")
            return refusal(Malformed("this is not a request of HTTP/1.1"), status=400)
        log.error("request failed", exc_info=exc)
        if request.writer.output_size:
            raise ConnectionError("the answer has begun, and cannot be another")
        return refusal(Internal("the hub met a case it was not written for"))

    async def finish_response(
        self, request: Any, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, or cut the connection of a peer that does not take it."""
        transport = self.transport
        with suppress(TimeoutError):
            async with asyncio.timeout(self._front.bounds.answer_seconds):
                return await super().finish_response(request, resp, start_time)
        self._front.refused("answer-not-taken", party=self._party)
        if transport is not None:
            transport.abort()
        return resp, True
