"""Takes in a file that the hub wrote and a courier brought: checked whole first, then as a session would take it.

The file's checkpoint continues the one held by a proof made here, out of the log's leaf hashes in the file. So it does
not matter which file comes first, or how often. What is here already is passed over.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import structlog
from msgspec import structs

from nodes.answers import ready_of, settle_alert, settle_receipt
from nodes.downloads import finish_whole, keep_piece
from nodes.identity import Identity
from nodes.openers import Keyring
from nodes.ports import Clock
from nodes.receive import Receiver
from nodes.standing import Standing
from nodes.store.store import Store
from schemas.carrier.file import CarrierReader
from schemas.carrier.records import HUB, Segment
from schemas.carrier.segment import Leaves
from schemas.errors import (
    CarrierDamaged,
    CarrierGap,
    CarrierMisdirected,
    CheckpointUntrusted,
    CrossbearingError,
    Fork,
    NotFound,
)
from schemas.ids import key_id
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.entry import decode_entry
from schemas.log.note import ED25519
from schemas.session.frames import Blob, Block, DirectoryUpdate, Item, Result, ResultItem, Welcome, WitnessedHead

if TYPE_CHECKING:
    from nodes.store.database import Tables

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Brought:
    """What a file brought that was not here before; `accepted` and `refused` are answers to our own alerts."""

    made: int
    size: int
    older: bool = False
    alerts: int = 0
    receipts: int = 0
    quarantined: int = 0
    directories: int = 0
    accepted: int = 0
    refused: int = 0
    attachments: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(slots=True)
class _Contents:
    """What the first look at a file found."""

    leaves: Leaves = field(default_factory=Leaves)
    notes: set[bytes] = field(default_factory=set)
    first_directory: int | None = None


@dataclass(slots=True)
class Reading:
    """Takes in files. Nothing else may move the checkpoint meanwhile: the session with the hub is set aside first."""

    store: Store
    standing: Standing
    identity: Identity
    clock: Clock
    evidence: Path

    async def read(self, file: BinaryIO) -> Brought:
        """Take in the file, from its beginning.

        Raises what is wrong with the file before it has any effect; `Fork`; and the faults and refusals that end a
        session: then what came before is kept, and the file can be taken in again.
        """
        if await self.store.read(lambda tables: tables.held.halted) is not None:
            raise Fork("the log showed two histories, so nothing more is taken from this hub")
        reader, contents = await asyncio.to_thread(self._look, file)
        welcome = self._identify(reader)
        brought = Brought(reader.manifest.made, welcome.size)
        await self._check_place(reader, contents, welcome)
        brought.older = welcome.size < self.standing.checkpoint.size
        file.seek(0)
        try:
            await self._take(file, contents.leaves, brought)
        except CrossbearingError:
            await self.store.read(self.standing.agree)
            raise
        log.info("imported", alerts=brought.alerts, receipts=brought.receipts, size=welcome.size)
        return brought

    # -- the file as a whole -------------------------------------------------------------------------------------------

    def _open(self, file: BinaryIO) -> CarrierReader:
        return CarrierReader(file.read, self.identity.sealing_keys, sender="hub")

    def _look(self, file: BinaryIO) -> tuple[CarrierReader, _Contents]:
        """Read all of it: one that is cut short or altered has no effect."""
        reader, contents = self._open(file), _Contents()
        for record in reader.records():
            match record:
                case Segment():
                    contents.leaves.add(record)
                case Block():
                    contents.notes.add(record.checkpoint)
                case DirectoryUpdate():
                    contents.notes.add(record.checkpoint)
                    if contents.first_directory is None and record.items:
                        contents.first_directory = decode_entry(record.items[0].entry).directory
        return reader, contents

    def _identify(self, reader: CarrierReader) -> Welcome:
        """Steps 4 and 5: it is the log's own, and for us."""
        manifest, welcome = reader.manifest, cast(Welcome, reader.greeting)
        if (manifest.maker, manifest.to, manifest.origin) != (HUB, self.standing.agency, self.standing.origin):
            raise CarrierMisdirected(
                f"the file is from {manifest.maker} for {manifest.to}, of the log {manifest.origin}"
            )
        for key in self.standing.log_keys:
            if key.type == ED25519 and key_id(key.public) == manifest.key:
                reader.verify(key.public)
                return welcome
        raise CheckpointUntrusted("the file is signed by a key that the directory held here does not list as the log's")

    async def _check_place(self, reader: CarrierReader, contents: _Contents, welcome: Welcome) -> None:
        """It is of one checkpoint, begins no later than what is held ends, and its leaves are those of the log."""
        leaves, held = contents.leaves, self.standing.checkpoint
        if not leaves.begun or leaves.end != welcome.size or len(contents.notes) != 1:
            raise CarrierDamaged("the file's parts are not all of one checkpoint")
        (note,) = contents.notes
        checkpoint = verify_checkpoint(note, self.standing.origin, self.standing.log_keys)
        if checkpoint.size != welcome.size or await asyncio.to_thread(leaves.root, leaves.end) != checkpoint.root:
            raise CarrierDamaged("the leaf hashes in the file are not those of its checkpoint")
        notices = await self.store.read(lambda tables: tables.held.notices)
        position = f"{held.size}/{notices}"
        if checkpoint.size < held.size:
            return
        if leaves.start > held.size:
            raise CarrierGap(f"the file begins at {leaves.start} entries of the log; held here is {position}")
        if reader.manifest.notices > notices:
            raise CarrierGap(f"the file has receipts from {reader.manifest.notices} on; held here is {position}")
        if (contents.first_directory or 0) > self.standing.version + 1:
            what = f"the file has directory versions from {contents.first_directory} on"
            raise CarrierGap(f"{what}; held here is {self.standing.version}")

    # -- what is in it -------------------------------------------------------------------------------------------------

    async def _take(self, file: BinaryIO, leaves: Leaves, brought: Brought) -> None:
        receiver = Receiver(
            store=self.store,
            standing=self.standing,
            identity=self.identity,
            keyring=Keyring(self.identity, _no_line),
            clock=self.clock,
            evidence=self.evidence,
        )
        reader = await asyncio.to_thread(self._open, file)
        self._identify(reader)
        records = reader.records()
        while (record := await asyncio.to_thread(next, records, None)) is not None:
            match record:
                case DirectoryUpdate() if not brought.older:
                    await self._directory(receiver, record, leaves, brought)
                case Block() if not brought.older:
                    await self._block(receiver, record, leaves, brought)
                case WitnessedHead() if self.standing.checkpoint.size == brought.size:
                    await receiver.witnessed(record)
                case Result():
                    await self.store.write(partial(self._settle, record.items, brought))
                case Blob():
                    brought.attachments += await keep_piece(self.store, record, now=self.clock())
        brought.attachments += await finish_whole(self.store, now=self.clock())

    async def _proof(self, leaves: Leaves) -> tuple[bytes, ...]:
        held: Checkpoint = self.standing.checkpoint
        if held.size in (0, leaves.end):
            return ()
        return await asyncio.to_thread(leaves.proof, held.size, leaves.end)

    async def _directory(self, receiver: Receiver, frame: DirectoryUpdate, leaves: Leaves, brought: Brought) -> None:
        held = self.standing.version
        items = tuple(item for item in frame.items if decode_entry(item.entry).directory > held)
        if items:
            await receiver.directory(replace(frame, proof=await self._proof(leaves), items=items))
            brought.directories += len(items)

    async def _block(self, receiver: Receiver, frame: Block, leaves: Leaves, brought: Brought) -> None:
        notices, before = await self.store.read(_counts)
        items = tuple(item for item in frame.items if not _is_old_notice(item, notices))
        await receiver.block(structs.replace(frame, proof=await self._proof(leaves), items=items))
        _, after = await self.store.read(_counts)
        brought.alerts += after[0] - before[0]
        brought.quarantined += after[1] - before[1]
        brought.receipts += sum(not item.is_alert for item in items)

    def _settle(self, items: tuple[ResultItem, ...], brought: Brought, tables: Tables) -> None:
        """The hub's answers, as far as what they answer still waits in the very bytes that it was asked about."""
        now = self.clock()
        for item in items:
            if (receipt := tables.receipts.get(item.ref)) is not None:
                settle_receipt(tables, receipt, item, self.identity, self.standing, now=now)
            elif (outgoing := tables.outbox.sealed_as(item.ref)) is not None:
                settle_alert(tables, ready_of(tables, outgoing), item, self.standing, now=now)
                brought.accepted += item.accepted
                brought.refused += not item.accepted


def _counts(tables: Tables) -> tuple[int, tuple[int, int]]:
    return tables.held.notices, (tables.alerts.count("in"), tables.quarantine.count())


def _is_old_notice(item: Item, notices: int) -> bool:
    return item.index < notices and not item.is_alert


async def _no_line(opener_id: bytes) -> bytes:
    raise NotFound(f"the file does not hold opener {opener_id.hex()}, and there is no line to ask for it")
