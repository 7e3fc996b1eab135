"""Takes in what the hub sends: directory versions, alerts for this agency, what became of its own alerts.

A frame is worked through in the order of the opening steps (`schemas.envelope.opening`): its checkpoint first, then
each item's inclusion, then what the item says (`nodes.taking`). Then everything it changes is committed at once,
receipts to send included, and only then does the node stand on the new checkpoint. Frames that are here already are
taken in together: proven by the last one's checkpoint (`nodes.proving`), with one commit and one receipt. What fails a
check of its own is quarantined, and its sender gets a signed refusal; what shows the hub itself at fault ends the
session, once everything before it is committed.

Whether an alert is new is not asked before it is opened, but in the transaction that keeps it. If one was here after
all, nothing is kept, and the frames are worked through again with that known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from nodes.cosigning import NodeWitness, time_after
from nodes.evidence import keep_fork_evidence
from nodes.identity import Identity
from nodes.notices import apply_notices
from nodes.openers import Keyring, own_opener_id
from nodes.ports import Clock
from nodes.proving import prove_together
from nodes.receipts import Word, sign_words
from nodes.recovering import take_back
from nodes.standing import Standing
from nodes.store.directory import DirectoryRow
from nodes.store.held import HeldCheckpoint
from nodes.store.openers import OpenerRow
from nodes.store.receipts import SignedReceipt, receipt_ref
from nodes.store.store import Store
from nodes.taking import Changes, Known, Proven, Taking, prove
from schemas.directory.witness_policy import policy_of
from schemas.envelope.opening import IncludedAlert, TrustedCheckpoint, trust_checkpoint, verify_item
from schemas.errors import BadProof, Fork, KeyNotValid, ProtocolError
from schemas.log.checkpoint import Checkpoint
from schemas.log.entry import DirectoryEntry
from schemas.log.merkle import verify_consistency
from schemas.log.receipt import decode_receipt
from schemas.log.witnessed import read_witnessed
from schemas.session.frames import Block, Cosign, DirectoryUpdate, Recovered, TreeHead, WitnessedHead

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from schemas.log.note import NoteKey

log = structlog.get_logger(__name__)


class Outlet(Protocol):
    """Whoever sends receipts over the session."""

    def offer(self, receipts: Sequence[SignedReceipt]) -> None:
        """Send these receipts, which the store holds."""

    def answered(self) -> tuple[bytes, ...]:
        """References of receipts that the hub accepted, to be deleted with whatever is committed next."""

    def deleted(self, refs: Sequence[bytes]) -> None:
        """That is committed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of frames: how many alerts they had, whose credit can be granted anew; the cosignature asked for."""

    alerts: int
    cosign: Cosign | None = None


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
        outlet: Outlet | None = None,
    ) -> None:
        """Without an `outlet` receipts wait in the store for the next session."""
        self._store = store
        self._standing = standing
        self._identity = identity
        self._keyring = keyring
        self._clock = clock
        self._evidence = evidence
        self._outlet = outlet
        self._witness = NodeWitness(identity)
        self._verified: tuple[tuple[NoteKey, ...], TrustedCheckpoint] | None = None  # the last one, and by which keys

    async def directory(self, frame: DirectoryUpdate) -> None:
        """Accept directory versions. Raises what is wrong with them; then nothing was taken in."""
        held = self._standing.checkpoint
        trusted = await self._trust(frame.checkpoint, frame.proof)
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
        self._standing.stand_on(trusted.checkpoint, now=self._clock())
        log.info("directory", version=self._standing.version)

    async def block(self, frame: Block) -> int:
        """Take in alerts and receipts; returns how many alerts, whose credit can be granted anew."""
        return (await self.take([frame])).alerts

    async def head(self, frame: TreeHead) -> Cosign:
        """Stand on a new checkpoint, and cosign it once that is durable."""
        taken = await self.take([frame])
        return taken.cosign or Cosign(self._standing.checkpoint.size, b"")

    async def take(self, frames: Sequence[Block | TreeHead]) -> Taken:
        """Take in frames that came one after the other, in one commit; a tree head only as the last of them.

        Raises what is wrong with one of them, once everything before it is committed.
        """
        proven, refused = self._prove(frames)
        taking = self._taking(await self._look_up(proven) if self._lacks_secrets(proven) else None)
        failure = await _open(taking, proven)
        try:
            cosign = await self._commit(taking)
        except _KnownBefore:
            taking = self._taking(await self._look_up(proven), openers=taking.changes.openers)
            failure = await _open(taking, proven)
            cosign = await self._commit(taking)
        if failure is not None:
            raise failure
        if refused is not None:
            frame = frames[len(proven)]
            if isinstance(refused, Fork):
                await self._halt(refused, frame.checkpoint, frame.proof)
            raise refused
        return Taken(sum(one.alerts for one in proven), cosign)

    async def recovered(self, frame: Recovered) -> None:
        """Take in a page of what this node, restored from a backup, lacks: alerts to it, and those it sent itself."""
        page = prove(frame, await self._trust(frame.checkpoint, frame.proof))
        taking = self._taking(await self._look_up([page]))
        await taking.page(page)
        await self._commit(taking, following=frame.next)
        log.info("recovered", alerts=len(taking.changes.received), own=len(taking.changes.own), next=frame.next)

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

    def _prove(self, frames: Sequence[Block | TreeHead]) -> tuple[list[Proven], Exception | None]:
        """The frames up to the first that fails, and why that fails."""
        standing = self._standing
        held = standing.checkpoint
        together = prove_together(frames, origin=standing.origin, keys=standing.log_keys, held=held)
        if together is not None:
            self._verified = standing.log_keys, together[-1].trusted
            return together, None
        proven: list[Proven] = []
        for frame in frames:
            try:
                proven.append(prove(frame, self._continues(held, frame.checkpoint, frame.proof)))
            except Exception as error:  # even one that nobody foresaw takes nothing with it that came before
                return proven, error
            held = proven[-1].trusted.checkpoint
        return proven, None

    async def _trust(self, note: bytes, proof: Sequence[bytes]) -> TrustedCheckpoint:
        """Step 2. A checkpoint that contradicts the one held stops the node's dealings with this hub."""
        try:
            return self._continues(self._standing.checkpoint, note, proof)
        except Fork as fork:
            await self._halt(fork, note, proof)
            raise

    def _continues(self, held: Checkpoint, note: bytes, proof: Sequence[bytes]) -> TrustedCheckpoint:
        standing, before = self._standing, self._verified
        keys = standing.log_keys
        # A tree head often follows an alert on the same checkpoint.
        if before is not None and before[0] == keys and _repeats(before[1], note, held, proof):
            return before[1]
        trusted = trust_checkpoint(note, origin=standing.origin, keys=keys, held=held, proof=proof)
        self._verified = keys, trusted
        return trusted

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

    def _lacks_secrets(self, proven: Sequence[Proven]) -> bool:
        """Whether an alert names an opener of ours that this session has not met: the store may hold its secret."""
        named = {own_opener_id(alert.header, self._identity.agency) for alert in _alerts(proven)}
        return any(wanted is not None and not self._keyring.knows(wanted) for wanted in named)

    async def _look_up(self, proven: Sequence[Proven]) -> Known:
        """One read for all frames: secrets, and what was received or refused before."""
        alerts = _alerts(proven)
        named = {own_opener_id(alert.header, self._identity.agency) for alert in alerts}
        missing = [wanted for wanted in named if wanted is not None and not self._keyring.knows(wanted)]

        def read(tables: Tables) -> tuple[list[OpenerRow], Known]:
            rows = [row for row in map(tables.openers.get, missing) if row is not None]
            held = tables.inbox.known([alert.header.id for alert in alerts])
            refused = {alert.index: row for alert in alerts if (row := tables.quarantine.get(alert.index))}
            answered: frozenset[int] = frozenset()
            if held or refused:
                answered = frozenset(
                    said.index for receipt in tables.receipts.all() for said in decode_receipt(receipt.receipt).items
                )
            return rows, Known(held, refused, answered)

        rows, known = await self._store.read(read)
        self._keyring.remember(rows)
        return known

    def _taking(self, known: Known | None, openers: Sequence[OpenerRow] = ()) -> Taking:
        return Taking(
            standing=self._standing,
            identity=self._identity,
            keyring=self._keyring,
            clock=self._clock,
            known=known,
            openers=openers,
        )

    async def _commit(self, taking: Taking, *, following: int | None = None) -> Cosign | None:
        """Keep what the frames change, and stand on the last one's checkpoint; the cosignature it asks for.

        `following` is where a restored node goes on. Raises `_KnownBefore`, having kept nothing.
        """
        if not taking.opened:
            return None
        last, changes = taking.opened[-1], taking.changes
        held, now = self._standing.checkpoint, self._clock()
        signed, unsigned = self._sign(changes.words, now)
        alerts = _alerts(taking.opened) if taking.unasked else []
        answered = self._outlet.answered() if self._outlet else ()
        cosigning = isinstance(last.frame, TreeHead)

        def commit(tables: Tables) -> int | None:
            if alerts and (
                tables.inbox.known([alert.header.id for alert in alerts])
                or tables.quarantine.holds([alert.index for alert in alerts])
            ):
                raise _KnownBefore
            _keep(tables, changes, following, now)
            tables.receipts.keep(signed, now=now, tell=self._outlet is None)
            tables.receipts.delete(answered)
            if unsigned is not None:
                tables.alarms.raise_(unsigned.code, unsigned.message, unsigned.hint, now=now)
            tables.held.advance(held, _held(last.trusted))
            time = time_after(tables.held.cosigned, now) if cosigning else None
            if time is not None:
                tables.held.set_cosigned(time)
            return time

        time = await self._store.write(commit)
        self._standing.stand_on(last.trusted.checkpoint, now=self._clock())
        if self._outlet is not None:
            self._outlet.deleted(answered)
            self._outlet.offer(signed)
        if changes.received:
            log.info("alerts received", alerts=[received.alert.id for received in changes.received])
        for refused in changes.quarantined:
            log.warning("alert quarantined", index=refused.index, code=refused.code, step=refused.step)
        return self._cosign(last.trusted.checkpoint, last.frame, time) if isinstance(last.frame, TreeHead) else None

    def _cosign(self, checkpoint: Checkpoint, head: TreeHead, time: int | None) -> Cosign:
        history = self._standing.history
        lines = b""
        if time is not None and len(history):
            lines = self._witness.cosign(checkpoint, history.latest, both=head.both, now=time)
        return Cosign(checkpoint.size, lines)

    def _sign(self, words: Sequence[Word], now: int) -> tuple[list[SignedReceipt], KeyNotValid | None]:
        """Receipts for what was taken in; none without a valid key: then the hub sends it again until there is one."""
        if not words:
            return [], None
        try:
            key = self._identity.signing_key(self._standing.directory, now)
        except KeyNotValid as fault:
            return [], fault
        signed = sign_words(words, self._identity.agency, key, now=now)
        return [SignedReceipt(receipt_ref(receipt), receipt, signature) for receipt, signature in signed], None


class _KnownBefore(Exception):
    """An alert that was opened as a new one was here before."""


def _keep(tables: Tables, changes: Changes, following: int | None, now: int) -> None:
    for opener in changes.openers:
        tables.openers.add(opener, now=now)
    if changes.received:
        tables.inbox.add_all(changes.received, now=now)
    for received in changes.received:
        for digest, size in received.attachments:
            tables.attachments.begin(digest, size, now=now)
    for quarantined in changes.quarantined:
        tables.quarantine.add(quarantined)
    if following is not None:
        take_back(tables, changes.own, following, now=now)
    apply_notices(tables, changes.notices, now=now)


async def _open(taking: Taking, proven: Sequence[Proven]) -> Exception | None:
    """Open frames up to the first that fails; returns why."""
    for one in proven:
        try:
            await taking.block(one)
        except Exception as error:  # as above
            return error
    return None


def _alerts(proven: Sequence[Proven]) -> list[IncludedAlert]:
    return [arrived.alert for one in proven for arrived in one.arrived if isinstance(arrived.alert, IncludedAlert)]


def _repeats(before: TrustedCheckpoint, note: bytes, held: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether that is the very checkpoint verified before, and the one held."""
    return before.note == note and before.checkpoint == held and not proof


def _held(trusted: TrustedCheckpoint) -> HeldCheckpoint:
    return HeldCheckpoint(trusted.checkpoint.size, trusted.checkpoint.root, trusted.note)
