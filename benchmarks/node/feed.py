"""A log in memory, and what a hub would send one agency of it, written before anything is measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.world import Parties
from schemas.alert.document import compose_alert
from schemas.directory.witnesses import usual_quorum
from schemas.ids import uuid7
from schemas.log.entry import Entry
from schemas.session.frames import Block, Submit, TreeHead, WitnessedHead, encode_frame
from tests.support.cosigning import cosigned
from tests.support.envelope import SmallLog
from tests.support.fake_hub import FakeHub
from tests.support.trees import Tree

PAST = 10_000
"""Entries that are in the log before: a proof of inclusion has fourteen hashes then."""
OTHERS = 30
"""Entries between two frames for this agency: as many as the receipts of an alert to thirty."""


@dataclass
class GrowingLog(SmallLog):
    """Keeps its tree, so that an entry costs the same however many there are."""

    tree: Tree = field(default_factory=Tree)

    def __post_init__(self) -> None:
        super().__post_init__()
        for leaf in self.leaves:
            self.tree.append(leaf)

    def append(self, entry: Entry | bytes) -> int:
        """Append an entry; its index."""
        index = super().append(entry)
        self.tree.append(self.leaves[index])
        return index

    def read(self, level: int, index: int) -> bytes:
        """A `HashReader`."""
        return self.tree.read(level, index)


class Feed:
    """The log and its agencies, seen from `agency`: each frame goes on from the checkpoint of the one before."""

    def __init__(self, parties: Parties, agency: str) -> None:
        self.hub = FakeHub(parties.world)
        self.agency = agency
        self._parties = parties
        self._proven = 0
        self._note = b""
        self._known: set[str] = set()
        """Agencies whose opener was sent."""
        self.hub.log = GrowingLog(parties.world)
        self._others(PAST)

    def alerts(self, documents: Sequence[dict[str, object]]) -> bytes:
        """One frame with these alerts of the sender's, logged now."""
        sender = self._parties.sender
        now = self.hub.clock()
        made = [
            compose_alert(document, alert_id=uuid7(now, os.urandom), sender=sender, composed=now)
            for document in documents
        ]
        indexes = [self.hub.enter_sealed(alert) for alert in made]
        frame = self.hub.block(*indexes, proven=self._proven, agency=self.agency, opener=sender not in self._known)
        self._known.add(sender)
        self._note = frame.checkpoint
        return self._proving(encode_frame(frame))

    def head(self) -> bytes:
        """A tree head to cosign, on the checkpoint of the newest frame with alerts."""
        return encode_frame(TreeHead(self._note, (), both=False))

    def witnessed(self, count: int) -> list[bytes]:
        """A tree head, and behind it so many checkpoints before it that their quorum cosigned."""
        witnesses = self.hub.world.agencies[: usual_quorum(len(self.hub.world.agencies))]
        shown = []
        for _ in range(count):
            shown.append((self.hub.size, cosigned(self.hub.log.note(), *witnesses)))
            self._others(OTHERS)
        standing = TreeHead(self.hub.log.note(), self.hub.proof(self._proven), both=False)
        frames = [encode_frame(WitnessedHead(note, self.hub.proof(size))) for size, note in shown]
        return [self._proving(encode_frame(standing)), *frames]

    def admit(self, submit: Submit) -> int:
        """Log an alert of this agency's; its index."""
        index = self.hub.admit(submit)
        self._others(OTHERS)
        return index

    def receipts(self, agencies: Sequence[str], indexes: Sequence[int]) -> bytes:
        """One frame with a receipt of each of these agencies, for the alerts at these indexes, logged now."""
        entered = [self.hub.enter_receipt(agency, indexes) for agency in agencies]
        frame: Block = self.hub.block(*entered, proven=self._proven, agency=self.agency)
        return self._proving(encode_frame(frame))

    def _proving(self, frame: bytes) -> bytes:
        self._proven = self.hub.size
        self._others(OTHERS)
        return frame

    def _others(self, count: int) -> None:
        for _ in range(count):
            self.hub.log.append(os.urandom(32))
