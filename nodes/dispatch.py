"""Brings composed alerts into the log: seals them, submits the sealed bytes, and acts on the hub's answers.

Up to `WINDOW` submissions are under way at once. An alert leaves the outbox only with the hub's answer, so whatever
breaks in between is made good by submitting the same bytes again: the hub gives the same acceptance for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from nodes.identity import Identity
from nodes.ports import Clock, Random
from nodes.sealing import openers_to_send, seal_outgoing
from nodes.standing import Standing
from nodes.store.store import Store
from nodes.transfers import Transfers
from nodes.verdicts import retry_delay, verdict
from nodes.waiting import until_first
from schemas.envelope.header import decode_header
from schemas.errors import AlertExpired, CrossbearingError, ProtocolError, Refusal, Unreachable
from schemas.ids import format_id
from schemas.session.frames import Frame, ResultItem, Submit

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from nodes.store.outbox import Outgoing

WINDOW: Final = 64
"""Submissions under way at once: enough to fill the hub's blocks, few enough to bound memory at both ends."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A sealed alert to submit. `attachments` are those the hub may not hold yet, as digest and size."""

    number: int
    id: bytes
    submit: Submit
    opener_ids: tuple[bytes, ...]
    attachments: tuple[tuple[bytes, int], ...]
    directory: int
    attempts: int


class Dispatch:
    """Sends the outbox over one session."""

    def __init__(
        self,
        *,
        store: Store,
        standing: Standing,
        identity: Identity,
        transfers: Transfers,
        send: Callable[[Frame], Awaitable[None]],
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._standing = standing
        self._identity = identity
        self._transfers = transfers
        self._send = send
        self._clock = clock
        self._random = random
        self._under_way: dict[bytes, _Ready] = {}
        self._answered = asyncio.Event()
        self._uploads: asyncio.Queue[_Ready] = asyncio.Queue()

    async def run(self) -> None:
        """Send whatever waits, as long as the session lasts."""
        await until_first(self._pump(), self._upload())

    async def _pump(self) -> None:
        while True:
            self._answered.clear()
            seen = self._store.revision("outbox")
            room = WINDOW - len(self._under_way)
            under_way = tuple(item.number for item in self._under_way.values())
            prepare = partial(self._prepare, room=room, under_way=under_way)
            ready = await self._store.write(prepare) if room else []
            for item in ready:
                self._under_way[item.id] = item
                if item.attachments:
                    self._uploads.put_nowait(item)
                else:
                    await self._send(item.submit)
            if len(ready) < room or not room:
                await self._wait(seen)

    async def _wait(self, seen: int) -> None:
        """Until there is room, something new in the outbox, or a postponed alert is due."""
        now = self._clock()
        due = await self._store.read(lambda tables: tables.outbox.next_due(now=now))
        works: list[Coroutine[Any, Any, object]] = [self._answered.wait(), self._store.wait("outbox", seen)]
        if due is not None:
            works.append(asyncio.sleep((due - now) / 1000))
        await until_first(*works)

    async def _upload(self) -> None:
        """Bring attachments to the hub, one alert after the other, so that other alerts need not wait for them."""
        while True:
            item = await self._uploads.get()
            try:
                for digest, size in item.attachments:
                    await self._transfers.upload(digest, size)
            except (Unreachable, ProtocolError):
                raise
            except CrossbearingError as error:
                await self._settle_one(item, error.code, error.message, error.hint)
            else:
                await self._send(item.submit)

    def _prepare(self, tables: Tables, *, room: int, under_way: Sequence[int]) -> list[_Ready]:
        """In one transaction: seal what is not sealed, and say what to submit."""
        now = self._clock()
        ready = []
        for outgoing in tables.outbox.waiting(now=now, limit=room, except_numbers=under_way):
            if outgoing.body is None and not self._seal(tables, outgoing, now):
                continue
            ready.append(self._ready(tables, tables.outbox.get(outgoing.number)))
        return ready

    def _seal(self, tables: Tables, outgoing: Outgoing, now: int) -> bool:
        try:
            seal_outgoing(
                tables,
                outgoing,
                identity=self._identity,
                directory=self._standing.directory,
                now=now,
                random=self._random,
            )
        except Refusal as refusal:
            state = "expired" if isinstance(refusal, AlertExpired) else "refused"
            tables.outbox.refuse(outgoing.id, refusal.code, refusal.message, refusal.hint, now=now, state=state)
            log.warning("alert not sealed", alert=format_id(outgoing.id), code=refusal.code)
            return False
        return True

    def _ready(self, tables: Tables, sealed: Outgoing) -> _Ready:
        if sealed.header is None or sealed.signature is None or sealed.body is None or sealed.directory is None:
            raise TypeError("an alert that is ready to submit is sealed")
        header = decode_header(sealed.header)
        missing = []
        for digest, size in header.attachments:
            row = tables.attachments.get(digest)
            if row is None or not row.uploaded:
                missing.append((digest, size))
        return _Ready(
            number=sealed.number,
            id=sealed.id,
            submit=Submit(sealed.header, sealed.signature, sealed.body, openers_to_send(tables, sealed.header)),
            opener_ids=tuple(recipient.opener_id for recipient in header.recipients),
            attachments=tuple(missing),
            directory=sealed.directory,
            attempts=sealed.attempts,
        )

    # Answers ------------------------------------------------------------------------------------------------------

    def owns(self, ref: bytes) -> bool:
        """Whether an answer to this reference is awaited here."""
        return ref in self._under_way

    async def settle(self, items: Sequence[ResultItem]) -> None:
        """Act on the hub's answers, in one commit."""
        now = self._clock()
        pairs = [(self._under_way[item.ref], item) for item in items]

        def commit(tables: Tables) -> None:
            for ready, item in pairs:
                if item.accepted:
                    _accept(tables, ready, item.index, now)
                else:
                    self._refused(tables, ready, item.code, item.message, item.hint, now=now)

        await self._store.write(commit)
        for ready, _ in pairs:
            self._under_way.pop(ready.id, None)
        self._answered.set()

    async def _settle_one(self, ready: _Ready, code: str, message: str, hint: str) -> None:
        await self.settle([ResultItem(ready.id, accepted=False, index=0, code=code, message=message, hint=hint)])

    def _refused(self, tables: Tables, ready: _Ready, code: str, message: str, hint: str, *, now: int) -> None:
        newer = self._standing.version > ready.directory
        step = verdict(code, 0 if newer else ready.attempts)
        log.warning("alert refused by the hub", alert=format_id(ready.id), code=code, then=step)
        later = now + retry_delay(ready.attempts)
        match step:
            case "seal-again":
                tables.outbox.seal_again(ready.id, code=code, not_before=now if newer else later, anew=newer)
            case "send-openers":
                tables.pairs.set_known(ready.opener_ids, known=False)
                tables.outbox.postpone(ready.id, code=code, not_before=now)
            case "upload-again":
                for digest, _ in decode_header(ready.submit.header).attachments:
                    tables.attachments.set_uploaded(digest, uploaded=False)
                tables.outbox.postpone(ready.id, code=code, not_before=later)
            case "later":
                tables.outbox.postpone(ready.id, code=code, not_before=later)
            case "expired":
                tables.outbox.refuse(ready.id, code, message, hint, now=now, state="expired")
            case "final":
                tables.outbox.refuse(ready.id, code, message, hint, now=now)


def _accept(tables: Tables, ready: _Ready, index: int, now: int) -> None:
    tables.outbox.accept(ready.id, index, now=now)
    tables.pairs.set_known(ready.opener_ids, known=True)
