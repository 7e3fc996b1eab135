"""One node's session over its channel: frames in, frames out, and the ends it can come to.

Three coroutines serve it. One takes what the node sends, and stops reading while too much of it awaits a verdict; one
deals with pieces of attachments; one sends what `Outgoing` has, as fast as this node reads. So a slow node, or one that
floods, holds up only itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import structlog

from broker.channel import Channel, Heard
from broker.delivery import Key
from broker.draft import NewDirectory, Verdict, Work, reference, urgency, weight
from broker.exchange import Exchange
from broker.outgoing import Outgoing
from broker.restored import Report
from broker.transfers import Transfers, refused
from schemas.errors import (
    CrossbearingError,
    DirectoryUnknown,
    Fork,
    IdleTimeout,
    LogRestored,
    NotReady,
    Quota,
    WrongSender,
)
from schemas.limits import MAX_MESSAGE, MAX_UNSENT_PIECES
from schemas.log.checkpoint import verify_checkpoint
from schemas.session.frames import (
    PROTOCOL,
    Blob,
    Bye,
    Cosign,
    Credit,
    Fetch,
    Frame,
    Hello,
    Publish,
    Recover,
    ResultItem,
    SendReceipt,
    Submit,
    Upload,
    Uploaded,
    Welcome,
)
from schemas.session.machine import SessionMachine

log = structlog.get_logger()
FAREWELL_SECONDS = 2.0  # for a peer that no longer reads, before the connection is cut
PING_SECONDS = 1.0  # for a ping to be written
REMEMBERED_MS = 1_000  # for which a refusal for want of allowance stands for those that follow it
_Submission = Submit | SendReceipt | Publish
_KINDS: dict[type[_Submission], str] = {Submit: "alert", SendReceipt: "receipt", Publish: "keys"}


class Session:
    """The hub's end of one session with the node of `agency`.

    `check` raises once the directory no longer lets it stay.
    """

    def __init__(self, exchange: Exchange, agency: str, channel: Channel, *, check: Callable[[], object]) -> None:
        self.agency = agency
        self.finished = asyncio.Event()
        self.last_heard = asyncio.get_running_loop().time()
        self._exchange = exchange
        self._channel = channel
        self._check = check
        self._machine = SessionMachine("hub")
        self._transfers = Transfers(exchange, agency)
        self._outgoing: Outgoing | None = None
        self._wake = asyncio.Event()
        self._heard = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting = 0
        self._waiting_bytes = 0
        self._asked: deque[Fetch | Upload] = deque()
        self._asking = asyncio.Event()
        self._exhausted: dict[int, int] = {}  # until when (ms) a rank of precedence is over its allowance
        self._over: asyncio.Future[CrossbearingError] = asyncio.get_running_loop().create_future()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the node until either side ends the session."""
        tasks = [asyncio.create_task(work()) for work in (self._receive, self._pump, self._transfer)]
        ending: CrossbearingError | None = None
        try:
            waiting: list[asyncio.Future[Any]] = [*tasks, self._over]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            ending = self._why(tasks)
        finally:
            self._exchange.unsubscribe(self.agency, self)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            try:
                await self._farewell(ending)
            finally:
                self.finished.set()  # whatever went wrong: the agency's next session waits for it

    def end(self, error: CrossbearingError) -> None:
        """Say goodbye for the reason given, and end."""
        if not self._over.done():
            self._over.set_result(error)

    def _why(self, tasks: Iterable[asyncio.Task[None]]) -> CrossbearingError | None:
        if self._over.done():
            return self._over.result()
        for task in tasks:
            match task.exception() if task.done() else None:
                case None | ConnectionError():
                    pass
                case CrossbearingError() as error:
                    return error
                case error:
                    log.error("session failed", agency=self.agency, exc_info=error)
                    return NotReady("the hub failed to serve this session")
        return None

    async def _farewell(self, error: CrossbearingError | None) -> None:
        if error is not None:
            log.warning("session ended", agency=self.agency, code=error.code, reason=error.message)
        bye = Bye(error.code, error.message[:MAX_MESSAGE]) if error is not None else Bye("", "")
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                if self._machine.state != "closed" and not self._channel.closed:
                    for frame in self._outgoing.last_results() if self._outgoing is not None else ():
                        await self._send(frame)
                    await self._send(bye)
                await self._channel.close()
        except (TimeoutError, ConnectionError):
            self._channel.abort()

    async def probe(self, seconds: float) -> bool:
        """Whether the node still answers: anything heard within `seconds` of a ping counts."""
        if not self._room.is_set():
            return True  # it has sent more than it took answers for, and is not being read just now; see `keep`
        self._heard.clear()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                await self._channel.ping()
                await self._heard.wait()
                return True
        return self.finished.is_set()

    async def keep(self, now: float) -> None:
        """Ping a silent node, and end the session of one that stays silent. `now` is the event loop's time."""
        silent = now - self.last_heard
        settings = self._exchange.settings
        if silent > settings.idle_seconds:
            self.end(IdleTimeout(f"nothing was heard for {settings.idle_seconds} seconds"))
        elif silent > settings.ping_seconds:
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(PING_SECONDS):  # a node that takes nothing in is not waited for
                    await self._channel.ping()

    # -- what the hub tells --------------------------------------------------------------------------------------------

    def logged(self, key: Key) -> None:
        """See `Subscriber`."""
        if self._outgoing is not None:
            self._outgoing.logged(key)

    def settled(self, index: int) -> None:
        """See `Subscriber`."""
        if self._outgoing is not None:
            self._outgoing.settled(index)

    def noticed(self) -> None:
        """See `Subscriber`."""
        if self._outgoing is not None:
            self._outgoing.noticed()

    def directory_changed(self) -> None:
        """See `Subscriber`."""
        try:
            self._check()
        except CrossbearingError as error:
            self.end(error)
        self._wake.set()

    def announced(self) -> None:
        """See `Subscriber`."""
        self._wake.set()

    # -- receiving -----------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        try:
            async with asyncio.timeout(self._exchange.settings.hello_seconds):
                hello = await self._next()
        except TimeoutError:
            raise IdleTimeout("no hello came") from None
        if not isinstance(hello, Hello):
            return
        outgoing = await self._open(hello)
        while (frame := await self._next()) is not None:
            if isinstance(frame, Bye):
                if frame.code == Fork.code:
                    await self._exchange.contradicted(self.agency, frame.message, {})
                return
            await self._handle(frame, outgoing)

    async def _next(self) -> Frame | None:
        """The next frame; None when the connection is closed."""
        while True:
            await self._room.wait()
            message = await self._channel.receive()
            self.last_heard = asyncio.get_running_loop().time()
            self._heard.set()
            if message is Heard.END:
                return None
            if message is not Heard.LIFE:
                return self._machine.receive(message)

    async def _open(self, hello: Hello) -> Outgoing:
        exchange, head = self._exchange, self._exchange.head
        if hello.agency != self.agency:
            raise WrongSender(f"the hello names {hello.agency[:80]}, the certificate {self.agency}")
        within = hello.size <= head.size
        agrees = within and await exchange.read(partial(exchange.shipping.root_at, hello.size)) == hello.root
        if exchange.listening is not None:
            proven = self._proven(hello)
            report = Report(self.agency, hello.size, proven, agrees or not within, hello.known)
            raise await exchange.hear(report, hello.note if proven else b"")
        if not within:
            await self._forked(hello, f"the node holds a checkpoint of {hello.size} entries, the log has {head.size}")
        if not agrees:
            await self._forked(hello, f"the node holds another history of {hello.size} entries")
        if hello.directory > head.directory:
            raise DirectoryUnknown(f"the node holds directory version {hello.directory}, the log {head.directory}")
        self._check()  # the directory may have changed since the connection was accepted
        origin, restored = head.checkpoint.origin, exchange.lost_since(hello.restored)
        await self._send(Welcome(PROTOCOL, origin, head.directory, head.size, exchange.clock(), *restored))
        outgoing = self._outgoing = Outgoing(exchange, hello, self._wake.set)
        exchange.subscribe(self.agency, self)
        self._check()  # again, for a change while the welcome was sent was told to subscribers only
        self._wake.set()
        log.info("session", agency=self.agency, size=hello.size, directory=hello.directory)
        return outgoing

    async def _forked(self, hello: Hello, what: str) -> NoReturn:
        """The node stands on another history than this log. Its note, if the log signed it, settles who went back."""
        claim = f"{hello.agency}\n{hello.size}\n{hello.root.hex()}\n".encode()
        proven = self._proven(hello)
        files = {"hello": claim, "held.checkpoint": hello.note} if proven else {"hello": claim}
        await self._exchange.contradicted(self.agency, what, files)
        if proven:
            await self._exchange.disown(what)
        if proven and hello.size > self._exchange.head.size:
            raise LogRestored(f"{what}; the hub stops until its operator has settled it")
        raise Fork(what)

    def _proven(self, hello: Hello) -> bool:
        """Whether the log's own signature bears out the checkpoint that the node says it holds."""
        exchange = self._exchange
        try:
            keys = exchange.history.latest.log_keys()
            held = verify_checkpoint(hello.note, exchange.head.checkpoint.origin, keys)
        except CrossbearingError:
            return False
        return (held.size, held.root) == (hello.size, hello.root)

    async def _handle(self, frame: Frame, outgoing: Outgoing) -> None:
        match frame:
            case Submit() | SendReceipt():
                self._submit(frame, Work(self.agency, frame))
            case Publish():
                self._submit(frame, Work(self.agency, NewDirectory(frame.role, frame.version, frame.bundle)))
            case Credit():
                self._wake.set()
            case Cosign():
                self._cosigned(frame)
                outgoing.cosigned()
            case Recover():
                outgoing.recover(frame)
            case Fetch() | Upload():
                self._asked.append(frame)
                self._asking.set()
                self._make_room()

    async def _transfer(self) -> None:
        """Pieces of attachments, one after the other, beside all else: a `flash` does not wait for an upload."""
        while True:
            await self._asking.wait()
            self._asking.clear()
            while self._asked and self._outgoing is not None:
                frame = self._asked[0]
                if isinstance(frame, Fetch):
                    answer: Blob | Uploaded | ResultItem = await self._transfers.fetch(frame)
                else:
                    answer = await self._transfers.upload(frame)
                self._asked.popleft()
                if isinstance(answer, ResultItem):
                    self._outgoing.answers.tell(answer)
                else:
                    self._outgoing.piece(answer)
                self._make_room()

    def _cosigned(self, frame: Cosign) -> None:
        """Count a witness's answer. One that cannot be counted costs the node nothing: its keys may be changing."""
        if not frame.lines:
            return
        try:
            self._exchange.witnessing.take(self.agency, frame.size, frame.lines)
        except CrossbearingError as error:
            self._exchange.metrics.cosignatures_refused.labels(error.code).inc()
            log.warning("cosignature not counted", agency=self.agency, size=frame.size, reason=error.message)

    def _submit(self, frame: _Submission, work: Work) -> None:
        if isinstance(frame, Submit) and self._outgoing is not None:
            rest = self._exhausted.get(urgency(work), 0) - self._exchange.clock()
            if 0 < rest <= REMEMBERED_MS:  # what comes on top of a flood is refused before it costs the log anything
                self._refuse(frame, Quota(f"{self.agency} is over its allowance", retry_after=rest))
                return
        self._waiting += 1
        self._waiting_bytes += weight(work)
        self._make_room()
        started = asyncio.get_running_loop().time()
        self._exchange.submit(work).add_done_callback(partial(self._answered, work, frame, started))

    def _answered(self, work: Work, frame: _Submission, started: float, answer: asyncio.Future[Verdict]) -> None:
        self._waiting -= 1
        self._waiting_bytes -= weight(work)
        if answer.cancelled() or self._outgoing is None:
            return
        metrics, kind = self._exchange.metrics, _KINDS[type(frame)]
        metrics.accept_seconds.observe(asyncio.get_running_loop().time() - started)
        verdict = answer.result()
        if isinstance(verdict, CrossbearingError):
            if isinstance(verdict, Quota) and isinstance(frame, Submit):
                wait = min(verdict.retry_after, REMEMBERED_MS)
                self._exhausted[urgency(work)] = self._exchange.clock() + wait
            self._refuse(frame, verdict)
        else:
            metrics.accepted.labels(kind).inc()
            item = ResultItem(reference(frame), True, verdict, "", "", "")
            if isinstance(frame, SendReceipt):
                self._outgoing.answers.tell_in_company(item)
            else:
                self._outgoing.answers.tell(item)
        self._make_room()

    def _refuse(self, frame: _Submission, error: CrossbearingError) -> None:
        if self._outgoing is None:
            return
        kind = _KINDS[type(frame)]
        self._exchange.metrics.refused.labels(kind, error.code).inc()
        log.info("refused", agency=self.agency, kind=kind, code=error.code, step=error.context.get("step"))
        self._outgoing.answers.tell(refused(reference(frame), error))
        self._make_room()

    def _make_room(self) -> None:
        """Read on from the node only while it takes the answers to what it sent."""
        settings, outgoing = self._exchange.settings, self._outgoing
        results, pieces = (len(outgoing.answers), outgoing.unsent_pieces) if outgoing is not None else (0, 0)
        pieces += len(self._asked)
        crowded = self._waiting + results >= settings.session_submissions or pieces >= MAX_UNSENT_PIECES
        if crowded or self._waiting_bytes >= settings.session_bytes:
            self._room.clear()
        else:
            self._room.set()

    # -- sending -------------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outgoing is not None and (frame := await self._outgoing.next_frame(self._machine.credit)):
                await self._send(frame)
                self._make_room()

    async def _send(self, frame: Frame) -> None:
        if self._machine.state == "closed":
            raise ConnectionResetError("the node said goodbye while a frame for it was made")
        await self._channel.send(self._machine.send(frame, self._exchange.shipping.written(frame)))
