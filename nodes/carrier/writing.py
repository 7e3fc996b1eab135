"""Writes what waits here into a file that a courier takes to the hub: this node's half of a session.

What goes into the file stays here as well, until the hub has answered, by the line or by another file. An alert that
was exported is not sealed anew before the hub has refused it: were there two sealings of it on their way, it would be
chance which of them the log holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

import structlog

from nodes.answers import Ready, ready_of
from nodes.identity import Identity
from nodes.ports import Clock, Random
from nodes.sealing import openers_named, seal_or_refuse
from nodes.standing import Standing
from nodes.store.store import Store
from schemas.carrier.file import CarrierWriter
from schemas.carrier.records import HUB, Manifest, Record
from schemas.envelope.carriage import sign_carried
from schemas.envelope.header import decode_header
from schemas.errors import Fork, KeyNotValid, NotReady, StorageFull
from schemas.limits import CHUNK, DEFAULT_CREDIT, MAX_CARRIER, MAX_FRAME
from schemas.session.frames import PROTOCOL, Fetch, Hello, SendReceipt, Upload

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from nodes.store.fresh import Outgoing
    from nodes.store.receipts import SignedReceipt
    from schemas.directory.state import Directory

PIECE: Final = 4 * CHUNK
ROOM: Final = 4 * MAX_FRAME

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Written:
    """What went into a file. `left` did not fit; `forbidden` are alerts that the governors do not let be carried."""

    made: int
    alerts: int = 0
    receipts: int = 0
    attachments: int = 0
    left: int = 0
    forbidden: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """The next alert, and what of it goes into the file: nothing if it cannot be sealed, or does not fit."""

    number: int
    ready: Ready | None = None
    openers: tuple[bytes, ...] = ()
    left: bool = False


@dataclass(slots=True)
class Writing:
    """Writes one file; `write` does it."""

    store: Store
    standing: Standing
    identity: Identity
    clock: Clock
    random: Random
    _uploaded: set[bytes] = field(default_factory=set)

    async def write(self, file: BinaryIO) -> Written:
        """Write the file.

        Raises `Fork` after one; `NotReady` without a directory, or without a hub in it that takes files;
        `KeyNotValid`; the store's faults; `StorageFull`.
        """
        if await self.store.read(lambda tables: tables.held.halted) is not None:
            raise Fork("the log showed two histories, so nothing more is sent to this hub")
        if await self.store.read(lambda tables: tables.held.recovering) is not None:
            raise NotReady(
                "this node was restored from a backup and has not yet heard what it sent since",
                hint="Wait until it has reached the hub once: bearing status.",
            )
        directory, now = self.standing.directory, self.clock()
        keys = [broker.sealing for broker in directory.require_document().brokers if broker.sealing]
        if not keys:
            raise NotReady(
                "the directory lists no hub that takes files on removable media",
                hint="Ask the governors to list the hub's sealing key: `bearing-broker carrier-key` prints it.",
            )
        signing = self.identity.signing_key(directory, now)
        manifest = Manifest(self.standing.agency, HUB, self.standing.origin, now, signing.key_id)
        writer = CarrierWriter(manifest, keys, signing.sign, self.random)
        written = Written(now)
        checkpoint = self.standing.checkpoint
        notices = await self.store.read(lambda tables: tables.held.notices)
        hello = Hello(
            PROTOCOL,
            self.standing.agency,
            self.standing.version,
            checkpoint.size,
            checkpoint.root,
            notices,
            DEFAULT_CREDIT,
        )
        await _keep(file, writer.begin(hello))
        async for record in self._records(writer, written, directory):
            await _keep(file, await asyncio.to_thread(writer.add, record))
        await _keep(file, writer.end())
        written.bytes = writer.size
        log.info("exported", alerts=written.alerts, receipts=written.receipts, bytes=writer.size)
        return written

    async def _records(self, writer: CarrierWriter, written: Written, directory: Directory) -> AsyncIterator[Record]:
        """Receipts, requests for the rest of attachments, then alerts, each after its attachments."""
        for receipt in await self.store.read(_receipts):
            yield SendReceipt(receipt.receipt, receipt.signature)
            written.receipts += 1
        for row in await self.store.read(lambda tables: tables.attachments.incomplete()):
            yield Fetch(row.digest, row.stored)
        days = directory.require_document().limits.carried_days
        number = 0
        while True:
            room = MAX_CARRIER - ROOM - writer.size
            found = await self.store.write(partial(self._next, after=number, days=days, room=room))
            if found is None:
                return
            number = found.number
            written.forbidden += not days
            written.left += found.left
            if found.ready is None:
                continue
            for digest, total in found.ready.attachments:
                async for piece in self._pieces(digest, total):
                    yield piece
                written.attachments += 1
            yield replace(found.ready.submit, openers=found.openers)
            written.alerts += 1

    async def _pieces(self, digest: bytes, total: int) -> AsyncIterator[Upload]:
        """An attachment, once in a file."""
        if digest in self._uploaded:
            return
        self._uploaded.add(digest)
        offset = 0
        while offset < total:
            data = await self.store.read(partial(_piece, digest=digest, offset=offset))
            if not data:
                return  # it is not whole here: the hub refuses the alert for it, by name
            yield Upload(digest, offset, total, data)
            offset += len(data)

    def _next(self, tables: Tables, *, after: int, days: int, room: int) -> _Found | None:
        """In one transaction: the next alert that waits, sealed and marked as exported if it fits into `room` bytes."""
        outgoing = tables.outbox.to_export(after=after)
        if outgoing is None or not days:
            return None if outgoing is None else _Found(outgoing.number)
        now = self.clock()
        if outgoing.body is None:
            sealed = seal_or_refuse(
                tables,
                outgoing,
                identity=self.identity,
                directory=self.standing.directory,
                now=now,
                random=self.random,
            )
            if not sealed:
                return _Found(outgoing.number)  # the officer is told why
            outgoing = tables.outbox.get(outgoing.number)
        ready = ready_of(tables, tables.outbox.get(outgoing.number))
        if sum(size for digest, size in ready.attachments if digest not in self._uploaded) > room:
            return _Found(outgoing.number, left=True)
        tables.outbox.mark_exported(outgoing.number, self._word(outgoing), now=now)
        ready = ready_of(tables, tables.outbox.get(outgoing.number))
        return _Found(outgoing.number, ready, openers_named(tables, ready.submit.header))

    def _word(self, outgoing: Outgoing) -> bytes:
        """Our word that these bytes are carried; empty when the key that signed them is not held any more.

        They go all the same, and nothing newer in their place: they may be in the log, whatever was heard of it.
        """
        if outgoing.carried or outgoing.header is None:
            return outgoing.carried or b""
        try:
            return sign_carried(outgoing.header, self.identity.signing_key_of(decode_header(outgoing.header).key))
        except KeyNotValid:
            return b""


def _receipts(tables: Tables) -> list[SignedReceipt]:
    return tables.receipts.all()


def _piece(tables: Tables, *, digest: bytes, offset: int) -> bytes:
    return tables.attachments.piece(digest, offset, size=PIECE)


async def _keep(file: BinaryIO, data: bytes) -> None:
    try:
        await asyncio.to_thread(file.write, data)
    except OSError as error:
        raise StorageFull(f"the file cannot be made here: {error.strerror}") from error
