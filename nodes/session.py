"""One session with the hub, from `Hello` to the end.

Several things go on side by side: the reader takes frames off the connection; the receiver works through directory
updates and blocks in the order they came; the outbox, the receipts and the downloads go out. When one of them ends,
the session ends, and the next one goes on from what the store and the hub hold.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from nodes.dispatch import Dispatch
from nodes.downloads import Downloads
from nodes.identity import Identity
from nodes.inbound import Inbound
from nodes.keys.publication import Publications
from nodes.openers import Keyring
from nodes.ports import Clock, Connection, Random
from nodes.receipt_sender import ReceiptSender
from nodes.receive import Receiver
from nodes.resubmission import send_again
from nodes.standing import Standing
from nodes.store.store import Store
from nodes.transfers import Transfers
from nodes.waiting import until_first
from schemas.envelope.opener import OPENER_SIZE
from schemas.errors import (
    CheckpointUntrusted,
    ClockOff,
    Fault,
    IdleTimeout,
    ProtocolError,
    Refusal,
    Unreachable,
    refusal_from_code,
)
from schemas.limits import CLOCK_SKEW_MS, CREDIT_SHARE, DEFAULT_CREDIT, MAX_EVIDENCE
from schemas.log.evidence import evidence_name
from schemas.session.frames import (
    PROTOCOL,
    Blob,
    Block,
    Bye,
    Credit,
    DirectoryUpdate,
    Frame,
    Hello,
    Recover,
    Recovered,
    Result,
    TreeHead,
    Uploaded,
    Welcome,
    WitnessedHead,
)
from schemas.session.machine import SessionMachine

if TYPE_CHECKING:
    from nodes.store.database import Tables

WELCOME_TIMEOUT: Final = 30.0
"""Seconds for the hub to answer `Hello`."""
CLOCK_RETRY: Final = 60.0
"""Seconds after which a node whose clock was off asks the hub for the time again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session works with; all of it outlives the session."""

    store: Store
    standing: Standing
    identity: Identity
    clock: Clock
    random: Random
    evidence: Path
    publications: Publications = field(default_factory=Publications)


@dataclass(frozen=True, slots=True)
class _Position:
    """What the store says of where this node stands; see `Hello`."""

    notices: int
    note: bytes
    known: int
    restored: int


def _position(tables: Tables) -> _Position:
    held = tables.held.checkpoint
    vouched = held.note if held is not None and tables.held.recovering is None else b""
    return _Position(tables.held.notices, vouched, tables.outbox.known(), tables.held.log_restored)


class Session:
    """One session. Use it once: `open`, then `run`."""

    def __init__(self, parts: Parts, connection: Connection) -> None:
        self._parts = parts
        self._connection = connection
        self._machine = SessionMachine("node")
        self._inbound = Inbound()
        self._current = asyncio.Event()  # the directory held is at least the one of the hub's welcome
        self._complete = asyncio.Event()  # nothing of a restoration of this node is outstanding
        self._expected = 0
        self._used = 0  # of our credit, by alerts taken in
        self._transfers = Transfers(parts.store, self._send)
        self._keyring = Keyring(parts.identity, self._fetch_opener)
        self._receipts = ReceiptSender(
            store=parts.store, standing=parts.standing, identity=parts.identity, send=self._send, clock=parts.clock
        )
        self._receiver = Receiver(
            store=parts.store,
            standing=parts.standing,
            identity=parts.identity,
            keyring=self._keyring,
            clock=parts.clock,
            evidence=parts.evidence,
            outlet=self._receipts,
        )
        self._dispatch = Dispatch(
            store=parts.store,
            standing=parts.standing,
            identity=parts.identity,
            transfers=self._transfers,
            send=self._send,
            clock=parts.clock,
            random=parts.random,
        )
        self._downloads = Downloads(parts.store, self._transfers, parts.clock)

    async def open(self) -> int:
        """Greet the hub; returns by how many ms our clock is ahead of its (negative: behind).

        Raises Unreachable, a SessionRefusal, or CheckpointUntrusted when it serves another log.
        """
        standing = self._parts.standing
        checkpoint = standing.checkpoint
        standing_at = await self._parts.store.read(_position)
        await self._send(
            Hello(
                PROTOCOL,
                standing.agency,
                standing.version,
                checkpoint.size,
                checkpoint.root,
                standing_at.notices,
                DEFAULT_CREDIT,
                standing_at.note,
                standing_at.known,
                standing_at.restored,
            )
        )
        try:
            async with asyncio.timeout(WELCOME_TIMEOUT):  # wait_for would lose a stop that comes with the answer
                frame = await self._receive()
        except TimeoutError:
            raise IdleTimeout(f"the hub did not answer our greeting within {WELCOME_TIMEOUT:.0f} s") from None
        if isinstance(frame, Bye):
            self._farewell(frame)
        if not isinstance(frame, Welcome):
            raise ProtocolError("the hub answered our greeting with another frame than its welcome")
        if frame.origin != standing.origin:
            raise CheckpointUntrusted(
                f"the hub serves the log {frame.origin[:80]}, this node trusts {standing.origin}",
                hint="compare [log] in node.toml with what the hub's operator published",
            )
        self._expected = frame.directory
        self._note_directory()
        if frame.restored != standing_at.restored:
            await self._work_through(frame)
        return self._parts.clock() - frame.time

    async def _work_through(self, welcome: Welcome) -> None:
        """The hub's log was restored: bring it what it may have lost of ours. Once for each restoration."""
        now = self._parts.clock()

        def commit(tables: Tables) -> int:
            tables.held.set_log_restored(welcome.restored)
            return send_again(tables, since=welcome.since, size=welcome.size, now=now)

        count = await self._parts.store.write(commit)
        log.warning("the hub's log was restored", since=welcome.since, submitted_again=count)

    async def run(self, offset: int) -> NoReturn:
        """Exchange frames until the session ends. Always raises: Unreachable, or what ended it.

        With a clock more than five minutes off (`offset`, ms) nothing is sent but credit, and the session ends after a
        minute, to look at the clock again.
        """
        try:
            if abs(offset) > CLOCK_SKEW_MS:
                await until_first(self._read(), self._work(), self._clock_off(offset))
            else:
                await until_first(
                    self._read(),
                    self._work(),
                    self._send_alerts(),
                    self._receipts.run(),
                    self._downloads.run(),
                    self._parts.publications.run(self._send),
                )
        except Refusal as error:
            await self._say_bye(error.code, error.message)
            raise
        finally:
            self._transfers.fail()
            self._parts.publications.fail()
        raise Unreachable("the session with the hub ended")

    async def evidence(self, index: int) -> bytes:
        """The hub's evidence for the alert at a log index. Raises Unreachable, or NotFound when it is not ours."""
        return await self._transfers.fetch(evidence_name(index), limit=MAX_EVIDENCE)

    async def leave(self) -> None:
        """Say an orderly goodbye."""
        await self._say_bye("", "")

    # Frames -------------------------------------------------------------------------------------------------------

    async def _send(self, frame: Frame) -> None:
        if self._machine.state == "closed":
            raise Unreachable("the session with the hub is over")
        await self._connection.send(self._machine.send(frame))

    async def _receive(self) -> Frame:
        data = await self._connection.receive()
        if data is None:
            raise Unreachable("the hub closed the connection")
        return self._machine.receive(data)

    async def _read(self) -> None:
        while True:
            frame = await self._receive()
            match frame:
                case Block() | DirectoryUpdate() | TreeHead() | WitnessedHead() | Recovered():
                    await self._inbound.put(frame)
                case Result():
                    await self._results(frame)
                case Blob() | Uploaded():
                    self._transfers.take(frame)
                case Bye():
                    self._farewell(frame)
                case _:
                    raise ProtocolError(f"the hub sent {type(frame).__name__} in an open session")

    async def _work(self) -> None:
        while True:
            match await self._inbound.take():
                case DirectoryUpdate() as frame:
                    await self._receiver.directory(frame)
                    self._note_directory()
                case WitnessedHead() as frame:
                    await self._receiver.witnessed(frame)
                case Recovered() as frame:
                    await self._receiver.recovered(frame)
                    await self._recover()
                case frames:
                    taken = await self._receiver.take(frames)
                    await self._receipts.flush()
                    await self._grant(taken.alerts)
                    if taken.cosign is not None:
                        await self._send(taken.cosign)

    async def _grant(self, alerts: int) -> None:
        """Give back the credit of alerts that were taken in, once it is a good share of what was given."""
        self._used += alerts
        if self._used >= DEFAULT_CREDIT // CREDIT_SHARE:
            await self._send(Credit(self._used))
            self._used = 0

    async def _results(self, frame: Result) -> None:
        alerts = [item for item in frame.items if self._dispatch.owns(item.ref)]
        receipts = [item for item in frame.items if self._receipts.owns(item.ref)]
        uploads = [item for item in frame.items if self._transfers.owns(item.ref)]
        published = [item for item in frame.items if self._parts.publications.owns(item.ref)]
        if len(alerts) + len(receipts) + len(uploads) + len(published) != len(frame.items):
            raise ProtocolError("the hub answered something that this node did not submit")
        if alerts:
            await self._dispatch.settle(alerts)
        for item in uploads:
            self._transfers.refuse(item)
        for item in published:
            self._parts.publications.settle(item)
        if receipts:
            await self._receipts.settle(receipts)

    async def _send_alerts(self) -> None:
        await self._current.wait()
        await self._recover()
        await self._complete.wait()  # what a restored node would seal anew may stand in the log already
        await self._dispatch.run()

    async def _recover(self) -> None:
        """Ask for the next page of what this node, restored from a backup, lacks; when it lacks nothing, say so."""
        lacking = await self._parts.store.read(lambda tables: tables.held.recovering)
        if lacking is None:
            self._complete.set()
        else:
            await self._send(Recover(*lacking))

    async def _clock_off(self, offset: int) -> NoReturn:
        await asyncio.sleep(CLOCK_RETRY)
        raise ClockOff(f"this machine's clock is {offset} ms off the hub's", offset=offset)

    async def _fetch_opener(self, opener_id: bytes) -> bytes:
        return await self._transfers.fetch(opener_id, limit=OPENER_SIZE)

    def _note_directory(self) -> None:
        if self._parts.standing.version >= self._expected:
            self._current.set()

    def _farewell(self, bye: Bye) -> NoReturn:
        if not bye.code:
            raise Unreachable("the hub ended the session")
        error = refusal_from_code(bye.code, bye.message)
        if isinstance(error, Fault):  # the hub's own trouble, which says nothing about this machine's storage
            raise Unreachable(f"the hub stopped: {error.message} ({error.code})", hint="Ask the hub's operator.")
        raise error

    async def _say_bye(self, code: str, message: str) -> None:
        if self._machine.state == "closed":
            return
        try:
            await self._send(Bye(code, message[:500]))
        except Unreachable:
            log.debug("no goodbye: the connection is gone")
