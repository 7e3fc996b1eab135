"""One HTTP/1.1 connection to the node or the witness: aiohttp's, within bounds, and without the name of the program.

aiohttp parses and answers. What it leaves open is closed here: how long a request's head may take, how large it may be,
how many connections there may be at once, and what is said to that which is no request at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from schemas.limits import MAX_REQUEST_FIELD, MAX_REQUEST_FIELDS, MAX_REQUEST_LINE, REQUEST_MS

LINGER_SECONDS: Final = 2.0
"""For a peer to notice that the body it sends is refused."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Front:
    """What the connections of one listener share."""

    most: int
    """Connections at once; a newcomer beyond them is cut."""
    refusal: Callable[[int], web.Response]
    """The answer to what cannot be parsed (400), or met a case that nobody foresaw (500)."""
    request_seconds: float = REQUEST_MS / 1_000
    max_line: int = MAX_REQUEST_LINE

    def connection(self, runner: web.AppRunner) -> RequestHandler:
        """The protocol of one more connection."""
        return _Connection(self, cast("web.Server", runner.server))


class Bare(web.Response):
    """An answer without the name of the program that gives it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


async def without_name(_request: web.Request, response: web.StreamResponse) -> None:
    """For an application's `on_response_prepare`."""
    response.headers.popall("Server", None)


class _Connection(RequestHandler):
    __slots__ = ("_front",)

    def __init__(self, front: Front, manager: web.Server) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None switches it off
            auto_decompress=False,
            keepalive_timeout=front.request_seconds,  # from the start of a connection, and for a request's head
            lingering_time=LINGER_SECONDS,
            max_line_size=front.max_line,
            max_headers=MAX_REQUEST_FIELDS,
            max_field_size=MAX_REQUEST_FIELD,
        )
        self._front = front

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        manager = self._manager
        if manager is None or len(manager.connections) < self._front.most:
            super().connection_made(transport)
            return
        self._force_close = True
        cast("asyncio.Transport", transport).abort()

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Say no more than that it failed."""
        del message
        if status >= 500:
            log.error("request failed", exc_info=exc)
        if request.writer.output_size:
            raise ConnectionError("the answer has begun, and cannot be another")
        answer = self._front.refusal(400 if status < 500 else 500)
        answer.force_close()
        return answer
