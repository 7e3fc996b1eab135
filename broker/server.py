"""The hub's TLS listener: who may connect, and which sessions there are. Certificates are required and pinned."""

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
from broker.sessions import Session
from schemas.errors import BadConfig, CrossbearingError, DuplicateSession, NotPinned, ShuttingDown
from schemas.limits import MAX_FRAME
from schemas.session.frames import Bye
from schemas.session.machine import SessionMachine

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
        self._sessions: dict[str, Session] = {}
        self._arrivals: dict[str, asyncio.Lock] = {}
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
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self, reason: CrossbearingError) -> None:
        """Say goodbye to every session and stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
        for session in list(self._sessions.values()):
            session.end(reason)
        await asyncio.gather(*(session.finished.wait() for session in list(self._sessions.values())))
        if self._runner is not None:
            await self._runner.cleanup()

    async def _keep(self) -> None:
        """Ping the silent, from one timer for all."""
        while True:
            await asyncio.sleep(self._exchange.settings.ping_seconds / 4)
            now = asyncio.get_running_loop().time()
            await asyncio.gather(*(session.keep(now) for session in self._sessions.values()))

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
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=MAX_FRAME, timeout=3.0)
        await socket.prepare(request)
        session = Session(
            self._exchange,
            party.id,
            socket,
            check=partial(self._still, request, party),
            abort=partial(_abort, request),
        )
        if (refusal := await self._admit(session)) is not None:
            await socket.send_bytes(SessionMachine("hub").send(Bye(refusal.code, refusal.message)))
            await socket.close()
            return socket
        try:
            self._exchange.metrics.sessions.inc()
            await session.run()
        finally:
            self._exchange.metrics.sessions.dec()
            if self._sessions.get(party.id) is session:
                del self._sessions[party.id]
        return socket

    async def _admit(self, newcomer: Session) -> CrossbearingError | None:
        """Make `newcomer` its agency's session, unless an older one still answers."""
        if not self._exchange.ready:
            return ShuttingDown("the hub takes no sessions now")
        async with self._arrivals.setdefault(newcomer.agency, asyncio.Lock()):
            older = self._sessions.get(newcomer.agency)
            if older is not None:
                duplicate = DuplicateSession(f"{newcomer.agency} has a session from elsewhere")
                if await older.probe(self._exchange.settings.probe_seconds):
                    log.warning("duplicate session", agency=newcomer.agency)
                    return duplicate
                older.end(duplicate)
                await older.finished.wait()
            self._sessions[newcomer.agency] = newcomer
        return None


_STATUS = {"not-pinned": 403, "suspended": 403, "not-a-party": 403, "missing": 404, "not-found": 404, "purged": 410}


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
