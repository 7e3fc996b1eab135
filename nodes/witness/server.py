"""The witness over HTTP (C2SP tlog-witness): ``POST /add-checkpoint`` and ``GET /<SHA-256 of origin>/checkpoint``."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from nodes.front import Bare, Front, without_name
from nodes.witness.witness import Witness
from schemas.errors import BadConfig, CrossbearingError, Malformed
from schemas.limits import MAX_WITNESS_CONNECTIONS, MAX_WITNESS_REQUEST, REQUEST_MS
from schemas.log.witness import SIZE_TYPE, Refused, Status, format_answer, format_size, parse_request

BODY_SECONDS: Final = 20.0
"""How long a request's body may take to arrive."""

log = structlog.get_logger(__name__)


class WitnessServer:
    """Serves one witness. There is no TLS: put a proxy in front where the address is not on this machine."""

    def __init__(
        self,
        witness: Witness,
        host: str,
        port: int,
        *,
        body_seconds: float = BODY_SECONDS,
        request_seconds: float = REQUEST_MS / 1_000,
    ) -> None:
        self._witness = witness
        self._host, self._port = host, port
        self._body_seconds = body_seconds
        app = web.Application(client_max_size=MAX_WITNESS_REQUEST)
        app.add_routes(
            [
                web.post("/add-checkpoint", self._add_checkpoint),
                web.get("/{origin:[0-9a-f]{64}}/checkpoint", self._checkpoint),
            ]
        )
        app.on_response_prepare.append(without_name)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=3.0, handle_signals=False)
        self._front = Front(MAX_WITNESS_CONNECTIONS, _not_understood, request_seconds=request_seconds)
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; returns the address, with the port that the system chose if 0 was asked for. Raises BadConfig."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        connection = partial(self._front.connection, self._runner)
        try:
            self._server = await loop.create_server(connection, self._host, self._port)
        except OSError as error:
            await self._runner.cleanup()
            raise BadConfig(f"cannot listen on {self._host}:{self._port}: {error.strerror}") from error
        host, port, *_ = self._server.sockets[0].getsockname()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def close(self) -> None:
        """Stop listening once the requests under way are answered."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    async def _add_checkpoint(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await request.read()
        except TimeoutError:
            return _text(408, "the request took too long to arrive")
        try:
            outcome = await asyncio.to_thread(self._witness.add_checkpoint, parse_request(body))
        except Malformed as error:
            return _text(Status.MALFORMED, error.message)
        except CrossbearingError as error:
            log.error("not cosigned", **error.as_dict())
            return _text(503, "this witness cannot cosign now; try again later")
        if not isinstance(outcome, Refused):
            return web.Response(body=format_answer(outcome.lines), content_type="text/plain", charset="utf-8")
        if outcome.held is not None:
            headers = {"Content-Type": SIZE_TYPE}
            return web.Response(status=outcome.status, body=format_size(outcome.held), headers=headers)
        return _text(outcome.status, outcome.message)

    async def _checkpoint(self, request: web.Request) -> web.Response:
        note = self._witness.checkpoint(request.match_info["origin"])
        if note is None:
            return _text(404, "this witness has cosigned no checkpoint of such a log")
        headers = {"Cache-Control": "public, max-age=5"}
        return web.Response(body=note, content_type="text/plain", charset="utf-8", headers=headers)


def _not_understood(status: int) -> web.Response:
    return Bare(status=status, text="this is not a request of HTTP/1.1\n" if status == 400 else "this witness failed\n")


def _text(status: int, sentence: str) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n")
