"""Proves and opens what the hub's frames hold, and gathers what that changes. Nothing here is committed.

One `Taking` serves the frames that are committed together. A frame that fails leaves nothing of itself behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from nodes.identity import Identity
from nodes.notices import Notice, read_escalation, read_notice
from nodes.openers import Keyring
from nodes.ports import Clock
from nodes.receipts import Word
from nodes.recovering import Own
from nodes.standing import Standing
from nodes.store.inbox import Received
from nodes.store.openers import OpenerRow
from nodes.store.quarantine import Quarantined
from schemas import codec
from schemas.envelope.header import Header
from schemas.envelope.opening import (
    IncludedAlert,
    IncludedEntry,
    TrustedCheckpoint,
    include_item,
    open_included,
    read_included,
)
from schemas.errors import DirectoryUnknown, EncodingRefusal, ProtocolError, Purged, Refusal, ReplayDiffers
from schemas.ids import format_id
from schemas.log.entry import AlertEntry, EscalationEntry, ReceiptEntry
from schemas.log.receipt import ReceiptItem
from schemas.session.frames import Block, Item, Recovered, TreeHead

YIELD_EVERY: Final = 8
"""Alerts opened before other tasks of the node get a turn: a few milliseconds."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrived:
    """One item of a frame, shown to be in the log; an alert has its header read, or the refusal of it."""

    item: Item
    included: IncludedEntry
    alert: IncludedAlert | EncodingRefusal | None


@dataclass(frozen=True, slots=True)
class Proven:
    """A frame whose items are all in the log, by a checkpoint that continues the one held before."""

    frame: Block | TreeHead | Recovered
    trusted: TrustedCheckpoint
    arrived: Sequence[Arrived]

    @property
    def alerts(self) -> int:
        """How many alerts it has, each of which cost one of our credit."""
        return sum(arrived.item.is_alert for arrived in self.arrived)


@dataclass(frozen=True, slots=True)
class Known:
    """What the store says of alerts before they are opened."""

    held: Mapping[bytes, int] = field(default_factory=dict)  # ids of alerts already in the inbox, with their log index
    refused: Mapping[int, Quarantined] = field(default_factory=dict)  # by log index
    answered: frozenset[int] = frozenset()  # log indexes of alerts that a receipt on its way speaks of


@dataclass(slots=True)
class Changes:
    """What frames change, to be committed as one."""

    received: list[Received] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    openers: list[OpenerRow] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    own: list[Own] = field(default_factory=list)

    def add(self, more: Changes) -> None:
        """Add what a further frame changes."""
        self.received += more.received
        self.quarantined += more.quarantined
        self.words += more.words
        self.openers += more.openers
        self.notices += more.notices
        self.own += more.own


def prove(frame: Block | TreeHead | Recovered, trusted: TrustedCheckpoint) -> Proven:
    """Steps 1 and 3 for everything in a frame. Raises `BadEntry` or `NotIncluded`: the hub's fault.

    A header that does not decode is its sender's fault.
    """
    items = () if isinstance(frame, TreeHead) else frame.items
    return Proven(frame, trusted, [_arrive(item, trusted) for item in items])


class Taking:
    """Opens frames one after the other.

    `known` is what the store says of the alerts in them; None when it was not asked: then all are opened as new ones.
    `openers` were opened before, and are not kept yet.
    """

    def __init__(
        self,
        *,
        standing: Standing,
        identity: Identity,
        keyring: Keyring,
        clock: Clock,
        known: Known | None,
        openers: Sequence[OpenerRow] = (),
    ) -> None:
        self.changes = Changes(openers=list(openers))
        self.opened: list[Proven] = []
        self.unasked = known is None
        self._standing = standing
        self._identity = identity
        self._keyring = keyring
        self._clock = clock
        self._known = known or Known()
        self._before: dict[bytes, int] = {}  # alerts of earlier frames: they are held once this is committed
        self._refused: set[int] = set()

    async def block(self, frame: Proven) -> None:
        """Alerts to this agency, and what the log says of its own. Raises `ProtocolError`."""
        changes, ids = Changes(), set[bytes]()
        for count, one in enumerate(frame.arrived, start=1):
            item, entry = one.item, one.included.entry
            if one.alert is not None:
                await self._alert(one, frame.trusted, ids, changes)
            elif isinstance(entry, ReceiptEntry):
                changes.notices.append(read_notice(item.index, entry, self._standing))
            elif isinstance(entry, EscalationEntry):
                changes.notices.append(read_escalation(item.index, entry, self._standing))
            else:
                raise ProtocolError("a block carries an entry that is neither an alert nor about one of ours")
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        self._add(frame, changes)

    async def page(self, frame: Proven) -> None:
        """What this node, restored from a backup, lacks: alerts to it, and those it sent itself.

        Raises `ProtocolError`, or the refusal of a header.
        """
        changes, ids = Changes(), set[bytes]()
        for count, one in enumerate(frame.arrived, start=1):
            if one.alert is None:
                raise ProtocolError("a page for a restored node carries an entry that is no alert")
            if isinstance(one.alert, EncodingRefusal):
                raise one.alert
            header, entry = one.alert.header, one.alert.entry
            if header.sender == self._identity.agency:
                changes.own.append(Own(one.item.index, one.alert.leaf, header, entry.header, entry.signature))
            elif one.item.body or header.id in self._known.held:
                await self._alert(one, frame.trusted, ids, changes)
            else:
                changes.quarantined.append(_gone(one.item, header, self._clock()))
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        self._add(frame, changes)

    def _add(self, frame: Proven, changes: Changes) -> None:
        self.opened.append(frame)
        self.changes.add(changes)
        self._before |= {received.id: received.index for received in changes.received}
        self._refused |= {refused.index for refused in changes.quarantined}

    async def _alert(self, one: Arrived, trusted: TrustedCheckpoint, ids: set[bytes], changes: Changes) -> None:
        """Open one alert, or find why not. `ids` are those of the alerts of its frame that were opened."""
        item, leaf, alert = one.item, one.included.leaf, one.alert
        if not isinstance(alert, IncludedAlert):
            if alert is not None:
                self._refuse(item, None, leaf, alert, changes)
            return
        header = alert.header
        if self._said_before(item, header, leaf, changes):
            return
        openers = await self._keyring.openers_for(header, item.openers)
        found: list[OpenerRow] = []

        def secret_for(wanted: bytes, sender: str, sender_key: bytes) -> bytes:
            secret, row = self._keyring.secret(wanted, sender, sender_key, openers=openers)
            found.extend([row] if row is not None else [])
            return secret

        try:
            if header.id in self._known.held or header.id in self._before or header.id in ids:
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
        ids.add(header.id)
        changes.words.append(Word(header.sender, "stored", ReceiptItem(item.index, header.id, leaf)))
        changes.received.append(
            Received(
                alert=opened.alert,
                document=codec.pack(opened.document),  # in the order it was decoded in, which is the canonical one
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

    def _said_before(self, item: Item, header: Header, leaf: bytes, changes: Changes) -> bool:
        """Whether this alert was received or refused before. Then it is receipted anew, unless that is on its way."""
        known, index = self._known, item.index
        if index in self._refused or self._before.get(header.id) == index:
            return True
        if (earlier := known.refused.get(index)) is not None:
            said = ReceiptItem(index, header.id, leaf, earlier.code, earlier.step)
            changes.words += [] if index in known.answered else [Word(header.sender, "refused", said)]
            return True
        if known.held.get(header.id) == index:
            said = ReceiptItem(index, header.id, leaf)
            changes.words += [] if index in known.answered else [Word(header.sender, "stored", said)]
            return True
        return False

    def _refuse(self, item: Item, header: Header | None, leaf: bytes, refusal: Refusal, changes: Changes) -> None:
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


def _arrive(item: Item, trusted: TrustedCheckpoint) -> Arrived:
    included = include_item(item.index, item.entry, item.path, trusted)
    if not isinstance(included.entry, AlertEntry):
        return Arrived(item, included, None)
    try:
        return Arrived(item, included, read_included(included))
    except EncodingRefusal as refusal:
        return Arrived(item, included, refusal)


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
