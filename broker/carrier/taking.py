"""Takes in a file that an agency's courier brought: checked whole first, then each submission admitted as in a session.

What identifies the agency is its signature in the file, in place of the certificate; everything else is as by the line.
Taking the same file again changes nothing and gives the same acceptances.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final, cast

import structlog

from broker.draft import Verdict, Work, reference, weight
from broker.exchange import Exchange
from broker.transfers import Transfers, refused
from schemas.carrier.file import CarrierReader
from schemas.carrier.records import HUB, Record
from schemas.errors import (
    CarrierDamaged,
    CarrierMisdirected,
    CrossbearingError,
    DirectoryUnknown,
    Fault,
    Fork,
    LogRestored,
    SessionRefusal,
    StorageInDoubt,
    Suspended,
    WrongSender,
)
from schemas.ids import ID_SIZE, sha256
from schemas.session.frames import Fetch, Hello, ResultItem, SendReceipt, Submit, Upload

log = structlog.get_logger()

LONGEST_PAUSE: Final = 30.0
"""Seconds until what there was no room for is tried again, at most."""

Sleep = Callable[[float], Awaitable[object]]
Tell = Callable[[int], Awaitable[None]]
_Submission = Submit | SendReceipt


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one submission; `kind` is alert or receipt, `ref` as in the file that answers."""

    kind: str
    ref: bytes
    verdict: Verdict

    @property
    def item(self) -> ResultItem:
        """The same for the node."""
        if isinstance(self.verdict, CrossbearingError):
            return refused(self.ref, self.verdict)
        return ResultItem(self.ref, True, self.verdict, "", "", "")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file brought: what its node holds, the answers to what it submitted, the pieces that it asks for."""

    hello: Hello
    made: int
    answers: tuple[Answer, ...]
    wanted: tuple[Fetch, ...]


async def take_file(exchange: Exchange, file: BinaryIO, *, tell: Tell, sleep: Sleep = asyncio.sleep) -> Taken:
    """Take in the file, from its beginning; `tell` hears how many records are done.

    Raises what is wrong with the file, and then nothing was taken in; or a fault of the hub's own, and then the file
    can be taken again.
    """
    first = await asyncio.to_thread(_look, exchange, file)
    hello = await _identify(exchange, first)
    file.seek(0)
    reader = await asyncio.to_thread(_open, exchange, file)
    await _identify(exchange, reader)
    taking = _Taking(exchange, hello.agency, sleep)
    done = 0
    records = reader.records()
    while (record := await asyncio.to_thread(next, records, None)) is not None:
        await taking.take(record)
        done += 1
        await tell(done)
    await taking.flush()
    log.info("carried in", agency=hello.agency, made=reader.manifest.made, records=done)
    return Taken(hello, reader.manifest.made, tuple(taking.answers), tuple(taking.wanted))


def _open(exchange: Exchange, file: BinaryIO) -> CarrierReader:
    keys = [exchange.signer.carrier] if exchange.signer.carrier is not None else []
    return CarrierReader(file.read, keys, sender="node")


def _look(exchange: Exchange, file: BinaryIO) -> CarrierReader:
    """Read the whole file, so that one that is cut short or altered has no effect at all."""
    reader = _open(exchange, file)
    for _ in reader.records():
        pass
    return reader


async def _identify(exchange: Exchange, reader: CarrierReader) -> Hello:
    """Steps 4 and 5, and the file's greeting: it is an agency's of this log, and holds this log's history."""
    if exchange.listening is not None:
        raise LogRestored("the log was restored and takes nothing in yet", hint="See `bearing-broker restore-status`.")
    manifest, hello = reader.manifest, cast(Hello, reader.greeting)
    origin = exchange.head.checkpoint.origin
    if manifest.to != HUB or manifest.origin != origin:
        raise CarrierMisdirected(f"the file is for {manifest.to} of the log {manifest.origin}, not for {origin}")
    directory = exchange.history.latest
    if not directory.is_active(directory.agency(manifest.maker).id):
        raise Suspended(f"{manifest.maker} is suspended")
    reader.verify(directory.signing_key(manifest.maker, manifest.key, exchange.clock()))
    if hello.agency != manifest.maker:
        raise WrongSender(f"the file is signed by {manifest.maker} and its greeting names {hello.agency[:80]}")
    head = exchange.head
    if hello.directory > head.directory:
        raise DirectoryUnknown(f"the node holds directory version {hello.directory}, the log {head.directory}")
    if hello.size > head.size:
        await _forked(exchange, hello, f"the node holds a checkpoint of {hello.size} entries, the log has {head.size}")
    if await exchange.read(partial(exchange.shipping.root_at, hello.size)) != hello.root:
        await _forked(exchange, hello, f"the node holds another history of {hello.size} entries")
    return hello


async def _forked(exchange: Exchange, hello: Hello, what: str) -> None:
    claim = f"{hello.agency}\n{hello.size}\n{hello.root.hex()}\n".encode()
    await exchange.contradicted(hello.agency, what, {"hello": claim})
    raise Fork(what)


class _Taking:
    """Submits what a file holds, in its order, some at a time."""

    def __init__(self, exchange: Exchange, agency: str, sleep: Sleep) -> None:
        self._exchange = exchange
        self._agency = agency
        self._sleep = sleep
        self._transfers = Transfers(exchange, agency)
        self._waiting: list[_Submission] = []
        self._bytes = 0
        self.answers: list[Answer] = []
        self.wanted: list[Fetch] = []

    async def take(self, record: Record) -> None:
        settings = self._exchange.settings
        match record:
            case Submit() | SendReceipt():
                self._waiting.append(record)
                self._bytes += weight(Work(self._agency, record))
                if len(self._waiting) >= settings.session_submissions or self._bytes >= settings.session_bytes:
                    await self.flush()
            case Upload():
                await self.flush()
                await self._upload(record)
            case Fetch():
                self.wanted.append(record)
            case _:
                raise CarrierDamaged(f"the file holds a {type(record).__name__}")

    async def _upload(self, piece: Upload) -> None:
        """Keep a piece; an alert that names what could not be kept is refused for it, by name."""
        answer = await self._transfers.upload(piece)
        if isinstance(answer, ResultItem):
            log.warning("piece not kept", agency=self._agency, code=answer.code, digest=piece.digest.hex())

    async def flush(self) -> None:
        """Have everything that waits decided; what the allowance has no room for, and what follows it, once it has."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        while waiting:
            futures = [self._exchange.submit(Work(self._agency, submission)) for submission in waiting]
            await asyncio.wait(futures)
            if any(future.cancelled() for future in futures):
                raise StorageInDoubt("the hub stopped while it took the file in")
            verdicts = [future.result() for future in futures]
            kept = next((n for n, verdict in enumerate(verdicts) if _pause(verdict)), len(waiting))
            for verdict in verdicts[:kept]:
                if isinstance(verdict, Fault | SessionRefusal):  # the hub's own trouble: the file can be taken again
                    raise verdict
            self.answers += [_answer(*pair) for pair in zip(waiting[:kept], verdicts[:kept], strict=True)]
            waiting = waiting[kept:]
            if waiting:
                await self._sleep(_pause(verdicts[kept]))


def _pause(verdict: Verdict) -> float:
    """How many seconds to wait until it is tried again; 0 when the verdict stands."""
    if isinstance(verdict, int) or not verdict.retry_after:
        return 0.0
    return min(LONGEST_PAUSE, max(0.1, verdict.retry_after / 1000))


def _answer(submission: _Submission, verdict: Verdict) -> Answer:
    if isinstance(submission, SendReceipt):
        return Answer("receipt", reference(submission), verdict)
    return Answer("alert", sha256(submission.header + submission.signature)[:ID_SIZE], verdict)


def counts(answers: Iterator[Answer] | tuple[Answer, ...]) -> dict[str, int]:
    """How many of each kind were accepted and refused."""
    found = {f"{kind}s_{fate}": 0 for kind in ("alert", "receipt") for fate in ("accepted", "refused")}
    for answer in answers:
        fate = "refused" if isinstance(answer.verdict, CrossbearingError) else "accepted"
        found[f"{answer.kind}s_{fate}"] += 1
    return found
