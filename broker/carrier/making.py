"""Writes the file that a courier takes to an agency: the hub's half of a session, from where the agency's node stands.

Everything is proven in one checkpoint, the newest when the file is begun. The log's leaf hashes come along, so the node
needs no proof that was made for exactly the checkpoint it holds. Nothing counts as delivered before receipts return.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from broker.carrier.taking import Answer, Taken
from broker.committer import Head
from broker.delivery import START, Key
from broker.exchange import Exchange
from broker.transfers import Transfers
from schemas.carrier.file import CarrierWriter
from schemas.carrier.records import HUB, Manifest, Record
from schemas.envelope.header import decode_header
from schemas.errors import BadConfig, LogRestored, Suspended
from schemas.limits import MAX_CARRIER, MAX_CREDIT, MAX_FRAME, MAX_SEGMENT
from schemas.log.entry import AlertEntry, decode_entry
from schemas.session.frames import PROTOCOL, Blob, Block, Fetch, Result, Welcome, WitnessedHead

log = structlog.get_logger()

ROOM: Final = 4 * MAX_FRAME
"""Bytes kept free at the end of a file, so that whatever was begun can be ended."""
RESULTS: Final = 256
ALERTS: Final = 256


@dataclass(frozen=True, slots=True)
class Position:
    """What a node holds at least: a checkpoint of so many entries, a directory version, receipts below a log index."""

    size: int = 0
    directory: int = 0
    notices: int = 0


@dataclass(slots=True)
class Made:
    """What went into a file; `left` says that not everything fitted."""

    alerts: int = 0
    receipts: int = 0
    directories: int = 0
    results: int = 0
    attachments: int = 0
    left: bool = False


def position_of(taken: Taken) -> Position:
    """Where the node stands that made a file."""
    return Position(taken.hello.size, taken.hello.directory, taken.hello.notices)


@dataclass(slots=True)
class Making:
    """Makes one file for `agency`: iterate over `pieces`, and then `made` tells what is in it."""

    exchange: Exchange
    agency: str
    position: Position
    random: Callable[[int], bytes]
    answers: Sequence[Answer] = ()
    wanted: Sequence[Fetch] = ()
    made: Made = field(default_factory=Made)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The file, piece by piece.

        Raises `UnknownAgency`, `Suspended`, `KeyNotValid` or `BadConfig` before the first one.
        """
        writer, welcome = self._begin()
        head = self.exchange.head
        yield writer.begin(welcome)
        async for record in self._records(writer, head):
            yield await asyncio.to_thread(writer.add, record)
        yield writer.end()
        log.info("carried out", agency=self.agency, size=head.size, alerts=self.made.alerts, bytes=writer.size)

    def _begin(self) -> tuple[CarrierWriter, Welcome]:
        exchange, head = self.exchange, self.exchange.head
        if exchange.listening is not None:
            raise LogRestored("the log was restored; it is not settled yet", hint="See `bearing-broker restore-status`")
        directory, now = exchange.history.latest, exchange.clock()
        if not directory.is_active(directory.agency(self.agency).id):
            raise Suspended(f"{self.agency} is suspended")
        if self.position.size > head.size:
            raise BadConfig(f"the log has {head.size} entries, not {self.position.size}", hint="Ask the node again.")
        if head.size - self.position.size > MAX_SEGMENT:
            raise BadConfig(
                f"a file covers at most {MAX_SEGMENT} entries, and the log has {head.size}",
                hint="Give --since, with the position that `bearing status` shows at that agency.",
            )
        manifest = Manifest(
            HUB, self.agency, head.checkpoint.origin, now, exchange.signer.key.key_id, self.position.notices
        )
        key = directory.sealing_key(self.agency, now).public
        writer = CarrierWriter(manifest, [key], exchange.signer.key.sign, self.random)
        return writer, Welcome(PROTOCOL, head.checkpoint.origin, head.directory, head.size, now)

    async def _records(self, writer: CarrierWriter, head: Head) -> AsyncIterator[Record]:
        exchange = self.exchange
        parts = exchange.shipping.segments(self.position.size, head.size)
        while (segment := await exchange.read(partial(next, parts, None))) is not None:
            yield segment
        version = self.position.directory
        while version < head.directory:
            build = partial(exchange.shipping.directory, version, head=head, proven=head.size)
            frame, version = await exchange.read(build)
            self.made.directories += len(frame.items)
            yield frame
        for start in range(0, len(self.answers), RESULTS):
            items = tuple(answer.item for answer in self.answers[start : start + RESULTS])
            self.made.results += len(items)
            yield Result(items)
        attachments: dict[bytes, None] = {}
        async for block in self._blocks(writer, head):
            attachments |= dict.fromkeys(_attachments(block))
            yield block
        if (witnessed := await self._witnessed(head)) is not None:
            yield witnessed
        async for blob in self._blobs(writer, attachments):
            yield blob

    async def _blocks(self, writer: CarrierWriter, head: Head) -> AsyncIterator[Block]:
        """Alerts by precedence, then receipts; at least one block, which brings the checkpoint."""
        exchange, now = self.exchange, self.exchange.clock()
        openers: dict[bytes, None] = {}
        waiting: list[Key] = []
        after: Key | None = START
        notices, first = self.position.notices, True
        while first or waiting or after is not None or notices < head.size:
            if _full(writer) or self.made.alerts >= MAX_CREDIT:
                self.made.left = True
                return
            if not waiting and after is not None:
                find = partial(exchange.shipping.outstanding, self.agency, after, head.size, now, ALERTS)
                waiting = await exchange.read(find)
                after = waiting[-1] if len(waiting) == ALERTS else None
            build = partial(
                exchange.shipping.block,
                self.agency,
                waiting,
                head=head,
                proven=head.size,
                now=now,
                openers=openers,
                notices_from=notices if after is None else head.size,
            )
            shipment = await exchange.read(build)
            openers |= dict.fromkeys(shipment.openers)
            waiting = list(shipment.left)
            if after is None:
                notices = shipment.notices_to
            frame = shipment.frame or (Block(head.note, (), ()) if first else None)
            if frame is not None:
                first = False
                alerts = sum(item.is_alert for item in frame.items)
                self.made.alerts += alerts
                self.made.receipts += len(frame.items) - alerts
                yield frame

    async def _witnessed(self, head: Head) -> WitnessedHead | None:
        shown = self.exchange.witnessing.shown
        if shown is None or shown[0] > head.size:
            return None
        size, note = shown
        proof = await self.exchange.read(partial(self.exchange.shipping.consistency, size, head.size))
        return WitnessedHead(note, proof)

    async def _blobs(self, writer: CarrierWriter, attachments: Iterable[bytes]) -> AsyncIterator[Blob]:
        """Attachments, whole, and the rest of those that the node asked for."""
        transfers = Transfers(self.exchange, self.agency)
        wanted = {fetch.digest: fetch for fetch in self.wanted}
        wanted |= {digest: Fetch(digest, 0) for digest in attachments}
        for fetch in wanted.values():
            offset, total = fetch.offset, fetch.offset + 1
            while offset < total:
                if _full(writer):
                    self.made.left = True
                    return
                blob = await transfers.fetch(Fetch(fetch.digest, offset))
                if not isinstance(blob, Blob) or not blob.data:
                    break  # deleted meanwhile, or none of this agency's
                yield blob
                offset, total = offset + len(blob.data), blob.total
            self.made.attachments += offset >= total > fetch.offset


def _full(writer: CarrierWriter) -> bool:
    return writer.size > MAX_CARRIER - ROOM


def _attachments(block: Block) -> Iterable[bytes]:
    for item in block.items:
        if item.is_alert and isinstance(entry := decode_entry(item.entry), AlertEntry):
            yield from (attachment.digest for attachment in decode_header(entry.header).attachments)
