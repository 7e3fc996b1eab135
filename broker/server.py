"""The hub's TLS listener: who may connect. Certificates are required and pinned."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from aiohttp import web

from broker.config import Address, Config
from broker.exchange import Exchange
from broker.identity import Party, identify
from broker.log_http import log_routes
from broker.publication import Publication
from broker.roster import Roster
from broker.websocket import WebSocketChannel
from schemas.errors import BadConfig, CrossbearingError, NotPinned

log = structlog.get_logger()
PARTY = web.RequestKey("party", Party)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def tls_context(config: Config) -> ssl.SSLContext:
    """TLS 1.3 only, with a certificate of our authority from every client. Raises `BadConfig`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # every connection shows its certificate anew, so that a pin taken back counts at once
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
        context.load_verify_locations(config.tls_ca)
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(f"the TLS files cannot be used: {error}") from error
    return context


class Server:
    """Accepts nodes and auditors at `address` while the exchange runs."""

    def __init__(self, exchange: Exchange, config: Config, publication: Publication) -> None:
        self._exchange = exchange
        self._publication = publication
        self._config = config
        self.address = config.listen
        self._roster = Roster(exchange)
        self._runner: web.AppRunner | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises `BadConfig` when the address cannot be had."""
        app = web.Application(middlewares=[self._identified])
        app.add_routes([web.get("/session", self._session), *log_routes(self._exchange, self._publication, PARTY)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=3.0, handle_signals=False)
        await self._runner.setup()
        listen = self.address
        site = web.TCPSite(self._runner, listen.host, listen.port, ssl_context=tls_context(self._config))
        try:
            await site.start()
        except OSError as error:
            raise BadConfig(f"cannot listen on {listen}: {error.strerror}") from error
        self.address = Address(listen.host, self._runner.addresses[0][1])
        self._keeper = asyncio.create_task(self._roster.keep())

    async def stop(self, reason: CrossbearingError) -> None:
        """Say goodbye to every session and stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
        await self._roster.end(reason)
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _identified(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Find out who asks, and turn errors into JSON."""
        try:
            request[PARTY] = self._identify(request)
            return await handler(request)
        except CrossbearingError as error:
            log.info("request refused", path=request.path, code=error.code)
            response = web.json_response({"error": error.as_dict()}, status=_STATUS.get(error.code, 500))
            response.force_close()
            return response

    def _identify(self, request: web.Request) -> Party:
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        return identify(tls.getpeercert(binary_form=True) if tls else None, self._exchange.history.latest)

    def _still(self, request: web.Request, party: Party) -> None:
        """Raises `NotPinned` or `Suspended` once the connection is no longer that party's."""
        if self._identify(request) != party:
            raise NotPinned(f"the certificate is no longer pinned for {party.id}")

    async def _session(self, request: web.Request) -> web.StreamResponse:
        party = request[PARTY]
        if party.kind != "agency":
            raise NotPinned(f"{party.id} is no agency and has no session")
        channel = WebSocketChannel(request)
        await channel.accept()
        await self._roster.serve(party.id, channel, partial(self._still, request, party))
        return channel.response


_STATUS = {"not-pinned": 403, "suspended": 403, "not-a-party": 403, "missing": 404, "not-found": 404, "purged": 410}
