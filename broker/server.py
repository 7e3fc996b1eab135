"""The hub's TLS listener: who may connect. Certificates are required and pinned."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial

from aiohttp import web

from broker.config import Config
from broker.exchange import Exchange
from broker.front import Front, Handler
from broker.gate import Bounds
from broker.identity import Party, identify
from broker.log_http import log_routes
from broker.publication import Publication
from broker.roster import Roster
from broker.websocket import WebSocketChannel
from schemas.errors import BadConfig, CrossbearingError, NotPinned

PARTY = web.RequestKey("party", Party)


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
        self.bounds = Bounds()
        self._roster = Roster(exchange)
        self.front: Front | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises `BadConfig` when the address cannot be had."""
        app = web.Application(middlewares=[self._identified])
        session = web.get("/session", self._session, allow_head=False)
        app.add_routes([session, *log_routes(self._exchange, self._publication, PARTY)])
        self.front = Front(
            app,
            metrics=self._exchange.metrics,
            bounds=self.bounds,
            tls=tls_context(self._config),
            identify=self._known,
        )
        self.address = await self.front.start(self.address)
        self._keeper = asyncio.create_task(self._roster.keep())

    async def stop(self, reason: CrossbearingError) -> None:
        """Say goodbye to every session and stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
        await self._roster.end(reason)
        if self.front is not None:
            await self.front.stop()

    @web.middleware
    async def _identified(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Find out who asks."""
        request[PARTY] = self._identify(request)
        return await handler(request)

    def _identify(self, request: web.Request) -> Party:
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        return identify(tls.getpeercert(binary_form=True) if tls else None, self._exchange.history.latest)

    def _known(self, certificate: bytes | None) -> str | None:
        """Whose connection it is, as far as counting goes; what is wrong with it is said to its first request."""
        try:
            return identify(certificate, self._exchange.history.latest).id
        except CrossbearingError:
            return None

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
