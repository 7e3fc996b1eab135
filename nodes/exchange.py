"""Keeps the node in touch with the hub: connects, runs a session, and after any end connects again.

The wait between attempts doubles from a fifth of a second to half a minute, with jitter, so that thirty nodes that
lost one hub do not come back as one. What an operator must know of a failure becomes an alarm and is taken back when
a session works again. After a fork the node stays away from the hub until an operator has looked at the evidence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from nodes.ports import Connection, Link, Sleep
from nodes.service.ports import LinkState
from nodes.session import Parts, Session
from nodes.waiting import until_first
from schemas.errors import ClockOff, CrossbearingError, Fault, Fork, Internal, StorageInDoubt, Unreachable
from schemas.limits import CLOCK_SKEW_MS

if TYPE_CHECKING:
    from nodes.store.database import Tables

FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 30.0
"""Seconds between attempts."""
PROVEN_AFTER: Final = 10_000
"""Milliseconds a session must last for the next attempt to start from the first delay again."""

SESSION_ALARMS: Final = frozenset(
    {
        "not-pinned",
        "log-restored",
        "duplicate-session",
        "checkpoint-untrusted",
        "bad-checkpoint",
        "bad-signature",
        "not-included",
        "bad-entry",
        "suspended",
        "version-unsupported",
        "protocol-error",
        "directory-invalid",
        "directory-threshold",
        "directory-rollback",
        "directory-expired",
        "wrong-directory",
        "directory-unknown",
        "fork",
        "storage-full",
        "storage-failed",
        "storage-in-doubt",
        "storage-tampered",
        "internal",
    }
)
"""Codes that an operator must hear of when a session ends with them; being unreachable for a while is none."""

log = structlog.get_logger(__name__)


class Exchange:
    """The node's dealings with the hub, over one session after the other."""

    def __init__(self, parts: Parts, link: Link, *, sleep: Sleep = asyncio.sleep) -> None:
        self._parts = parts
        self._link = link
        self._sleep = sleep
        self._state = LinkState(connected=False)
        self._session: Session | None = None
        self._again = asyncio.Event()
        self._turn = asyncio.Lock()
        self._asides = 0

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Without a session: the one that is open ends, and the next begins afterwards, from what is held then."""
        self._asides += 1
        self._again.set()
        try:
            async with self._turn:
                yield
        finally:
            self._asides -= 1

    def reconnect(self) -> None:
        """End the session that is open, if one is, and connect anew."""
        self._again.set()

    @property
    def state(self) -> LinkState:
        """How the connection is."""
        return replace(self._state, checkpoint_time=self._parts.standing.checkpoint_time)

    async def run(self) -> None:
        """Stay in touch until cancelled; then say goodbye. Raises StorageInDoubt, which only a restart can settle."""
        failures = 0
        while True:
            await self._stay_away_while_halted()
            started = self._parts.clock()
            try:
                await self._one_session()
            except StorageInDoubt:
                raise  # only a restart finds out what the disk holds
            except CrossbearingError as error:
                await self._ended(error)
            except Exception as error:
                log.exception("the session failed in an unforeseen way")
                await self._ended(Internal(f"an unforeseen failure: {type(error).__name__}"))
            lasted = self._parts.clock() - started
            failures = 0 if lasted >= PROVEN_AFTER else failures + 1
            await self._sleep(self._delay(failures))

    async def _one_session(self) -> None:
        connection = await self._link.connect()
        try:
            async with self._turn:
                await self._converse(connection)
        finally:
            await _close(connection)

    async def _converse(self, connection: Connection) -> None:
        if not self._asides:  # else somebody waits to have the session set aside
            self._again.clear()
        session = Session(self._parts, connection)
        try:
            offset = await session.open()
            await self._opened(offset)
            self._session = session
            await until_first(session.run(offset), self._prove(), self._asked_to_reconnect())
        except asyncio.CancelledError:
            await session.leave()
            raise
        finally:
            self._session = None

    async def evidence(self, index: int) -> bytes:
        """The hub's evidence for the alert at a log index. Raises Unreachable, or NotFound when it is not ours."""
        if self._session is None:
            raise Unreachable("the hub cannot be reached now", hint="Try again when `bearing status` says connected.")
        return await self._session.evidence(index)

    async def _opened(self, offset: int) -> None:
        now = self._parts.clock()
        self._state = replace(self._state, connected=True, since=now, clock_offset=-offset, code=None, message=None)
        off = abs(offset) > CLOCK_SKEW_MS

        def commit(tables: Tables) -> None:
            if off:
                message = f"this machine's clock is {offset} ms off the hub's; nothing is sent until it is right"
                tables.alarms.raise_(ClockOff.code, message, "set the clock (NTP)", now=now)
            else:
                tables.alarms.clear(ClockOff.code, now=now)
            tables.events.add("link", {"connected": True}, now=now)

        await self._parts.store.write(commit)
        log.info("connected", clock_offset_ms=offset, directory=self._parts.standing.version)

    async def _asked_to_reconnect(self) -> None:
        await self._again.wait()
        raise Unreachable("the session was ended here, to connect anew")

    async def _prove(self) -> None:
        """A session that has lasted shows that what ended an earlier one is over."""
        await asyncio.sleep(PROVEN_AFTER / 1000)
        now = self._parts.clock()

        def commit(tables: Tables) -> None:
            for alarm in tables.alarms.standing():
                if alarm.code in SESSION_ALARMS:
                    tables.alarms.clear(alarm.code, now=now)

        await self._parts.store.write(commit)
        await asyncio.Event().wait()

    async def _ended(self, error: CrossbearingError) -> None:
        """Note how it ended, and stand again on nothing but what the store holds."""
        now = self._parts.clock()
        was = self._state
        since = now if was.connected else was.since
        self._state = replace(was, connected=False, since=since, code=error.code, message=error.message)
        log.warning("not connected", code=error.code, message=error.message)

        def commit(tables: Tables) -> None:
            if error.code in SESSION_ALARMS:
                tables.alarms.raise_(error.code, error.message, error.hint, now=now)
            if was.connected:
                tables.events.add("link", {"connected": False, "code": error.code, "message": error.message}, now=now)

        try:
            if was.connected or error.code in SESSION_ALARMS:
                await self._parts.store.write(commit)
            await self._parts.store.read(self._parts.standing.agree)
        except Fault as fault:
            log.error("the store fails", code=fault.code, message=fault.message)

    async def _stay_away_while_halted(self) -> None:
        """After a fork: nothing more is taken from this hub, nor sent to it, until an operator acts."""
        if await self._parts.store.read(lambda tables: tables.held.halted) is None:
            return
        self._state = replace(self._state, connected=False, code=Fork.code, message="the log showed two histories")
        log.error("halted: the log showed two histories", code=Fork.code)
        await asyncio.Event().wait()

    def _delay(self, failures: int) -> float:
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures, 10))
        share = int.from_bytes(self._parts.random(4), "big") / (1 << 32)
        return float(longest * (0.5 + share / 2))


async def _close(connection: Connection) -> None:
    try:
        await connection.close()
    except CrossbearingError:
        log.debug("the connection was gone before it was closed")
