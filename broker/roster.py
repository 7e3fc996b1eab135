"""Which agencies have a session: one each. A newcomer takes the place of a session whose node no longer answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from broker.channel import Channel
from broker.exchange import Exchange
from broker.sessions import Session
from schemas.errors import CrossbearingError, DuplicateSession, ShuttingDown
from schemas.session.frames import Bye
from schemas.session.machine import SessionMachine

log = structlog.get_logger()


class Roster:
    """Admits connections whose agency is known, and serves them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._sessions: dict[str, Session] = {}
        self._arrivals: dict[str, asyncio.Lock] = {}

    async def serve(self, agency: str, channel: Channel, check: Callable[[], object]) -> None:
        """Serve the node of `agency` until its session ends, or refuse it.

        `check` raises once the directory no longer lets it stay.
        """
        session = Session(self._exchange, agency, channel, check=check)
        if (refusal := await self._admit(session)) is not None:
            try:
                await channel.send(SessionMachine("hub").send(Bye(refusal.code, refusal.message)))
                await channel.close()
            except ConnectionError:
                channel.abort()  # it went by itself
            return
        try:
            self._exchange.metrics.sessions.inc()
            await session.run()
        finally:
            self._exchange.metrics.sessions.dec()
            if self._sessions.get(agency) is session:
                del self._sessions[agency]

    async def keep(self) -> None:
        """Ping the silent, from one timer for all, until cancelled."""
        while True:
            await asyncio.sleep(self._exchange.settings.ping_seconds / 4)
            now = asyncio.get_running_loop().time()
            await asyncio.gather(*(session.keep(now) for session in self._sessions.values()))

    async def end(self, reason: CrossbearingError) -> None:
        """Say goodbye to every session, and wait until all have ended."""
        for session in list(self._sessions.values()):
            session.end(reason)
        await asyncio.gather(*(session.finished.wait() for session in list(self._sessions.values())))

    async def _admit(self, newcomer: Session) -> CrossbearingError | None:
        """Make `newcomer` its agency's session, unless an older one still answers."""
        if not self._exchange.serving:
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
