"""Takes in what the hub sends: directory versions, alerts for this agency, what became of its own alerts.

A frame is worked through in the order of the opening steps (`schemas.envelope.opening`): its checkpoint first, then
each item's inclusion, then what the item says. Then everything the frame changed is committed at once, receipts to
send included, and only then does the node stand on the new checkpoint. What fails a check of its own is quarantined,
and its sender gets a signed refusal; what shows the hub itself at fault ends the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from nodes.cosigning import NodeWitness, time_after
from nodes.evidence import keep_fork_evidence
from nodes.identity import Identity
from nodes.notices import Notice, apply_notices, read_escalation, read_notice
from nodes.openers import Keyring, own_opener_id
from nodes.ports import Clock
from nodes.receipts import Word, sign_words
from nodes.recovering import Own, take_back
from nodes.standing import Standing
from nodes.store.directory import DirectoryRow
from nodes.store.held import HeldCheckpoint
from nodes.store.inbox import Received
from nodes.store.openers import OpenerRow
from nodes.store.quarantine import Quarantined
from nodes.store.store import Store
from schemas.directory.witness_policy import policy_of
from schemas.envelope.header import Header
from schemas.envelope.opening import (
    IncludedAlert,
    IncludedEntry,
    TrustedCheckpoint,
    include_item,
    open_included,
    read_included,
    trust_checkpoint,
    verify_item,
)
from schemas.errors import (
    BadProof,
    DirectoryUnknown,
    EncodingRefusal,
    Fork,
    KeyNotValid,
    ProtocolError,
    Purged,
    Refusal,
    ReplayDiffers,
)
from schemas.ids import format_id
from schemas.log.entry import AlertEntry, DirectoryEntry, EscalationEntry, ReceiptEntry
from schemas.log.merkle import verify_consistency
from schemas.log.receipt import ReceiptItem, decode_receipt
from schemas.log.witnessed import read_witnessed
from schemas.session.frames import Block, Cosign, DirectoryUpdate, Item, Recovered, TreeHead, WitnessedHead

if TYPE_CHECKING:
    from nodes.store.database import Tables

YIELD_EVERY: Final = 8
"""Alerts opened before other tasks of the node get a turn: a few milliseconds."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Changes:
    """What one block changes, to be committed as one."""

    received: list[Received] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    openers: list[OpenerRow] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    own: list[Own] = field(default_factory=list)
    recovered: int | None = None
    """After a page for a restored node: where to go on, 0 at the end."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """One item of a frame, shown to be in the log; an alert has its header read, or the refusal of it."""

    item: Item
    included: IncludedEntry
    alert: IncludedAlert | EncodingRefusal | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store says before a block is opened."""

    held: Mapping[bytes, int]  # ids of alerts already in the inbox, with their log index
    refused: Mapping[int, Quarantined]  # by log index
    answered: frozenset[int]  # log indexes of alerts that a receipt on its way speaks of


class Receiver:
    """Works through the hub's frames, one after the other."""

    def __init__(
        self,
        *,
        store: Store,
        standing: Standing,
        identity: Identity,
        keyring: Keyring,
        clock: Clock,
        evidence: Path,
    ) -> None:
        self._store = store
        self._standing = standing
        self._identity = identity
        self._keyring = keyring
        self._clock = clock
        self._evidence = evidence
        self._witness = NodeWitness(identity)

    async def directory(self, frame: DirectoryUpdate) -> None:
        """Accept directory versions. Raises what is wrong with them; then nothing was taken in."""
        held, trusted = self._standing.checkpoint, await self._trust(frame.checkpoint, frame.proof)
        history = self._standing.history.copy()  # what the store does not keep is not held either: it would leave a gap
        rows = []
        for item in frame.items:
            entry = verify_item(item.index, item.entry, item.path, trusted)
            if not isinstance(entry, DirectoryEntry):
                raise ProtocolError("a directory update carries an entry of another kind")
            history.accept(item.index, entry, item.body, trusted_root=self._standing.trusted_root)
            rows.append(DirectoryRow(entry.directory, item.index, item.entry, item.body))

        def commit(tables: Tables) -> None:
            for row in rows:
                tables.directory.add(row)
            tables.outbox.directory_changed(now=self._clock())
            tables.held.advance(held, _held(trusted))

        await self._store.write(commit)
        self._standing.history = history
        self._standing.stand_on(_held(trusted), now=self._clock())
        log.info("directory", version=self._standing.version)

    async def block(self, frame: Block) -> int:
        """Take in alerts and receipts; returns how many alerts, whose credit can be granted anew."""
        trusted = await self._trust(frame.checkpoint, frame.proof)
        arrived = [_arrive(item, trusted) for item in frame.items]
        known = await self._look_up(arrived)
        changes = _Changes()
        for count, one in enumerate(arrived, start=1):
            item, entry = one.item, one.included.entry
            if one.alert is not None:
                await self._alert(one, trusted, known, changes)
            elif isinstance(entry, ReceiptEntry):
                changes.notices.append(read_notice(item.index, entry, self._standing))
            elif isinstance(entry, EscalationEntry):
                changes.notices.append(read_escalation(item.index, entry, self._standing))
            else:
                raise ProtocolError("a block carries an entry that is neither an alert nor about one of ours")
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        await self._commit(trusted, changes)
        return sum(item.is_alert for item in frame.items)

    async def recovered(self, frame: Recovered) -> None:
        """Take in a page of what this node, restored from a backup, lacks: alerts to it, and those it sent itself."""
        trusted = await self._trust(frame.checkpoint, frame.proof)
        arrived = [_arrive(item, trusted) for item in frame.items]
        known = await self._look_up(arrived)
        changes = _Changes(recovered=frame.next)
        for count, one in enumerate(arrived, start=1):
            item = one.item
            if one.alert is None:
                raise ProtocolError("a page for a restored node carries an entry that is no alert")
            if isinstance(one.alert, EncodingRefusal):
                raise one.alert
            header, entry = one.alert.header, one.alert.entry
            if header.sender == self._identity.agency:
                changes.own.append(Own(item.index, one.alert.leaf, header, entry.header, entry.signature))
            elif item.body or header.id in known.held:
                await self._alert(one, trusted, known, changes)
            else:
                changes.quarantined.append(_gone(item, header, self._clock()))
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        await self._commit(trusted, changes)
        log.info("recovered", alerts=len(changes.received), own=len(changes.own), next=frame.next)

    async def head(self, frame: TreeHead) -> Cosign:
        """Stand on a new checkpoint, and cosign it once that is durable."""
        held, trusted = self._standing.checkpoint, await self._trust(frame.checkpoint, frame.proof)
        now = self._clock()

        def commit(tables: Tables) -> int | None:
            tables.held.advance(held, _held(trusted))
            time = time_after(tables.held.cosigned, now)
            if time is not None:
                tables.held.set_cosigned(time)
            return time

        time = await self._store.write(commit)
        self._standing.stand_on(_held(trusted), now=now)
        history = self._standing.history
        lines = b""
        if time is not None and len(history):
            lines = self._witness.cosign(trusted.checkpoint, history.latest, both=frame.both, now=time)
        return Cosign(trusted.checkpoint.size, lines)

    async def witnessed(self, frame: WitnessedHead) -> None:
        """Note which checkpoint has its quorum, after seeing that it is of the history held here."""
        standing = self._standing
        shown = read_witnessed(frame.checkpoint, policy_of(standing.directory), origin=standing.origin)
        old, new = shown.checkpoint, standing.checkpoint
        try:
            verify_consistency(old.size, old.root, new.size, new.root, frame.proof)
        except BadProof as error:
            fork = Fork(f"what others cosigned, of size {old.size}, is not of the history held: {error.message}")
            await self._halt(fork, frame.checkpoint, frame.proof)
            raise fork from error
        await self._store.write(lambda tables: tables.held.set_witnessed(frame.checkpoint))
        standing.witnessed = shown

    async def _trust(self, note: bytes, proof: Sequence[bytes]) -> TrustedCheckpoint:
        """Step 2. A checkpoint that contradicts the one held stops the node's dealings with this hub."""
        standing = self._standing
        try:
            return trust_checkpoint(
                note, origin=standing.origin, keys=standing.log_keys, held=standing.checkpoint, proof=proof
            )
        except Fork as fork:
            await self._halt(fork, note, proof)
            raise

    async def _halt(self, fork: Fork, note: bytes, proof: Sequence[bytes]) -> None:
        now = self._clock()
        held = await self._store.read(lambda tables: tables.held.checkpoint)
        kept = await asyncio.to_thread(
            keep_fork_evidence,
            self._evidence,
            held=held.note if held else b"",
            received=note,
            proof=proof,
            now=now,
        )
        hint = f"show {kept} to the governors; then: bearing node resume"

        def commit(tables: Tables) -> None:
            tables.held.halt(str(kept))
            tables.alarms.raise_(fork.code, fork.message, hint, now=now)

        await self._store.write(commit)
        log.error("the log contradicts itself", code=fork.code, evidence=str(kept))

    async def _look_up(self, arrived: Sequence[_Arrived]) -> _Known:
        """One read for the whole block: secrets, and what was received or refused before."""
        alerts = [one.alert for one in arrived if isinstance(one.alert, IncludedAlert)]
        agency = self._identity.agency
        named = {own_opener_id(alert.header, agency) for alert in alerts}
        missing = [wanted for wanted in named if wanted is not None and not self._keyring.knows(wanted)]

        def read(tables: Tables) -> tuple[list[OpenerRow], _Known]:
            rows = [row for row in map(tables.openers.get, missing) if row is not None]
            before = [tables.alerts.get("in", alert.header.id) for alert in alerts]
            held = {row.id: row.index for row in before if row is not None and row.index is not None}
            refused = {alert.index: row for alert in alerts if (row := tables.quarantine.get(alert.index))}
            answered: frozenset[int] = frozenset()
            if held or refused:
                answered = frozenset(
                    said.index for receipt in tables.receipts.all() for said in decode_receipt(receipt.receipt).items
                )
            return rows, _Known(held, refused, answered)

        rows, known = await self._store.read(read)
        self._keyring.remember(rows)
        return known

    async def _alert(self, one: _Arrived, trusted: TrustedCheckpoint, known: _Known, changes: _Changes) -> None:
        """Open one alert, or find why not."""
        item, leaf, alert = one.item, one.included.leaf, one.alert
        if not isinstance(alert, IncludedAlert):
            if alert is not None:
                self._refuse(item, None, leaf, alert, changes)
            return
        header = alert.header
        if (earlier := known.refused.get(item.index)) is not None:
            if item.index not in known.answered:
                said = ReceiptItem(item.index, header.id, leaf, earlier.code, earlier.step)
                changes.words.append(Word(header.sender, "refused", said))
            return
        if known.held.get(header.id) == item.index:
            if item.index not in known.answered:
                changes.words.append(Word(header.sender, "stored", ReceiptItem(item.index, header.id, leaf)))
            return
        openers = await self._keyring.openers_for(header, item.openers)
        found: list[OpenerRow] = []

        def secret_for(wanted: bytes, sender: str, sender_key: bytes) -> bytes:
            secret, row = self._keyring.secret(wanted, sender, sender_key, openers=openers)
            found.extend([row] if row is not None else [])
            return secret

        try:
            if header.id in known.held or any(received.id == header.id for received in changes.received):
                raise ReplayDiffers(f"alert {format_id(header.id)} stands in the log twice")
            opened = open_included(
                alert,
                history=self._standing.history,
                me=self._identity.agency,
                body=item.body,
                secret_for=secret_for,
            )
        except DirectoryUnknown as unknown:
            raise ProtocolError(f"an alert came before the directory it was entered under: {unknown.message}") from None
        except Refusal as refusal:
            self._refuse(item, header, leaf, refusal, changes)
            return
        finally:
            # Also for an alert that failed a later step: the hub sends an opener once, and further alerts name it.
            changes.openers.extend(found)
            self._keyring.remember(found)
        changes.words.append(Word(header.sender, "stored", ReceiptItem(item.index, header.id, leaf)))
        changes.received.append(
            Received(
                alert=opened.alert,
                document=opened.document,
                index=item.index,
                leaf=leaf,
                header=alert.entry.header,
                signature=alert.entry.signature,
                id=header.id,
                expires=header.expires,
                attachments=header.attachments,
                entry=item.entry,
                path=item.path,
                size=trusted.checkpoint.size,
                note=trusted.note,
            )
        )

    def _refuse(self, item: Item, header: Header | None, leaf: bytes, refusal: Refusal, changes: _Changes) -> None:
        """Quarantine an alert that did not open, and tell its sender if there is one to tell."""
        step = refusal.context.get("step")
        number = step if isinstance(step, int) else None
        changes.quarantined.append(
            Quarantined(
                index=item.index,
                id=header.id if header else None,
                sender=header.sender if header else None,
                code=refusal.code,
                step=number,
                message=refusal.message,
                time=self._clock(),
                entry=item.entry,
                body=item.body,
            )
        )
        if header is not None:
            said = ReceiptItem(item.index, header.id, leaf, refusal.code, number)
            changes.words.append(Word(header.sender, "refused", said))
        log.warning("alert quarantined", index=item.index, code=refusal.code, step=number)

    async def _commit(self, trusted: TrustedCheckpoint, changes: _Changes) -> None:
        held, now = self._standing.checkpoint, self._clock()
        receipts, unsigned = self._sign(changes.words, now)

        def commit(tables: Tables) -> None:
            for opener in changes.openers:
                tables.openers.add(opener, now=now)
            for received in changes.received:
                tables.inbox.add(received, now=now)
                for digest, size in received.attachments:
                    tables.attachments.begin(digest, size, now=now)
            for quarantined in changes.quarantined:
                tables.quarantine.add(quarantined)
            for receipt, signature in receipts:
                tables.receipts.add(receipt, signature, now=now)
            if unsigned is not None:
                tables.alarms.raise_(unsigned.code, unsigned.message, unsigned.hint, now=now)
            if changes.recovered is not None:
                take_back(tables, changes.own, changes.recovered, now=now)
            apply_notices(tables, changes.notices, now=now)
            tables.held.advance(held, _held(trusted))

        await self._store.write(commit)
        self._standing.stand_on(_held(trusted), now=self._clock())
        for received in changes.received:
            log.info("alert received", alert=received.alert.id, sender=received.alert.sender, index=received.index)

    def _sign(self, words: Sequence[Word], now: int) -> tuple[list[tuple[bytes, bytes]], KeyNotValid | None]:
        """Receipts for a block; none without a valid key, and then the hub sends the alerts again until there is."""
        if not words:
            return [], None
        try:
            key = self._identity.signing_key(self._standing.directory, now)
        except KeyNotValid as fault:
            return [], fault
        return sign_words(words, self._identity.agency, key, now=now), None


def _arrive(item: Item, trusted: TrustedCheckpoint) -> _Arrived:
    """Steps 1 and 3, for an entry of any kind. A header that does not decode is its sender's fault, not the hub's."""
    included = include_item(item.index, item.entry, item.path, trusted)
    if not isinstance(included.entry, AlertEntry):
        return _Arrived(item, included, None)
    try:
        return _Arrived(item, included, read_included(included))
    except EncodingRefusal as refusal:
        return _Arrived(item, included, refusal)


def _gone(item: Item, header: Header, now: int) -> Quarantined:
    """What a restored node received once and cannot get again."""
    message = f"this alert of {header.sender} came before, and its body was deleted before this node asked for it again"
    return Quarantined(
        index=item.index,
        id=header.id,
        sender=header.sender,
        code=Purged.code,
        step=None,
        message=message,
        time=now,
        entry=item.entry,
        body=b"",
    )


def _held(trusted: TrustedCheckpoint) -> HeldCheckpoint:
    return HeldCheckpoint(trusted.checkpoint.size, trusted.checkpoint.root, trusted.note)
