"""Sealed alerts and small logs for tests, in the world of `tests.support.directory`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import shake_256

from schemas.alert.document import Alert, compose_alert
from schemas.envelope.opener import make_opener, open_opener, opener_id
from schemas.envelope.opening import SecretFor, TrustedCheckpoint, trust_checkpoint
from schemas.envelope.seal import PairKey, Sealed, seal
from schemas.errors import OpenerUnknown
from schemas.ids import uuid7
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.entry import AlertEntry, Entry, encode_entry
from schemas.log.merkle import EMPTY_ROOT, leaf_hash, node_hash, prove_inclusion
from schemas.log.merkle import root as tree_root
from schemas.routing.resolve import query_of_alert, resolve
from tests.support.directory import NOW, World


def counting_random(label: str = "random") -> Callable[[int], bytes]:
    """Reproducible bytes in place of randomness: every call gives others."""
    calls = 0

    def random(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return shake_256(f"{label} {calls}".encode()).digest(size)

    return random


def make_alert(world: World, sender: str, *, number: int = 1, **fields: object) -> Alert:
    """A watch alert about a container, composed at `NOW`; ``fields`` change or add what an officer writes."""
    document: dict[str, object] = {
        "kind": "watch",
        "title": "Container to be looked at",
        "to": ["all"],
        "modes": ["sea"],
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
        **fields,
    }
    alert_id = uuid7(NOW, counting_random(f"alert {number}"))
    return compose_alert(document, alert_id=alert_id, sender=sender, composed=NOW)


def make_pairs(world: World, sender: str, recipients: Sequence[str], *, label: str = "pair") -> dict[str, PairKey]:
    """A fresh pair key for each recipient."""
    pairs = {}
    for recipient in recipients:
        secret = shake_256(f"{label} {sender} {recipient}".encode()).digest(32)
        opener = make_opener(
            secret,
            sender=sender,
            recipient=recipient,
            sender_key_id=world.signing[sender].key_id,
            recipient_public=world.sealing[recipient].public,
        )
        pairs[recipient] = PairKey(recipient, secret, opener_id(opener), opener)
    return pairs


def seal_alert(
    world: World, alert: Alert, *, now: int = NOW, label: str = "random"
) -> tuple[Sealed, dict[str, PairKey]]:
    """Resolve and seal an alert as its sender's node does."""
    resolution = resolve(world.directory, query_of_alert(alert, at=now))
    pairs = make_pairs(world, alert.sender, resolution.recipients)
    sealed = seal(
        alert,
        resolution=resolution,
        directory_version=world.directory.version,
        signing=world.signing[alert.sender],
        pairs=pairs,
        now=now,
        random=counting_random(label),
    )
    return sealed, pairs


def alert_entry(world: World, sealed: Sealed, *, time: int = NOW) -> AlertEntry:
    """The entry the hub would make of it."""
    return AlertEntry(time, world.directory.version, sealed.header, sealed.signature)


def secrets_of(world: World, me: str, openers: Sequence[bytes]) -> SecretFor:
    """What a node does to find a pair secret: open the opener it was sent."""
    held = {opener_id(opener): opener for opener in openers}

    def secret_for(identity: bytes, sender: str, sender_key_id: bytes) -> bytes:
        if identity not in held:
            raise OpenerUnknown(f"the opener {identity.hex()} is not held")
        return open_opener(
            held[identity], sender=sender, recipient=me, sender_key_id=sender_key_id, keys=[world.sealing[me]]
        )

    return secret_for


@dataclass
class SmallLog:
    """A log in a list: the world's directory entries, then whatever is appended."""

    world: World
    leaves: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leaves = [encode_entry(entry) for entry in self.world.entries]

    def append(self, entry: Entry | bytes) -> int:
        """Append an entry; its index."""
        self.leaves.append(entry if isinstance(entry, bytes) else encode_entry(entry))
        return len(self.leaves) - 1

    def checkpoint(self) -> Checkpoint:
        """The tree head as it stands."""
        size = len(self.leaves)
        return Checkpoint(self.world.origin, size, tree_root(size, self.read) if size else EMPTY_ROOT)

    def note(self) -> bytes:
        """The signed checkpoint."""
        return sign_checkpoint(self.checkpoint(), self.world.log_key)

    def trusted(self) -> TrustedCheckpoint:
        """The checkpoint as trusted at first contact."""
        return trust_checkpoint(
            self.note(),
            origin=self.world.origin,
            keys=self.world.directory.log_keys(),
            held=Checkpoint(self.world.origin, 0, EMPTY_ROOT),
            proof=[],
        )

    def path(self, index: int) -> list[bytes]:
        """The inclusion proof of an entry in the tree as it stands."""
        return prove_inclusion(index, len(self.leaves), self.read)

    def read(self, level: int, index: int) -> bytes:
        """A `HashReader` over the list."""
        first = index << level
        hashes = [leaf_hash(leaf) for leaf in self.leaves[first : first + (1 << level)]]
        while len(hashes) > 1:
            hashes = [node_hash(hashes[n], hashes[n + 1]) for n in range(0, len(hashes), 2)]
        return hashes[0]
