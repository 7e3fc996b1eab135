"""The past of a log: entries in the form in which the hub writes them, made fast enough for ten million of them.

Alerts go out in groups: eight of one sender to the same recipients, then one receipt of each recipient for all eight,
so nothing waits. They are packed from a real header's map with what differs put in. Signing is most of the work, and
the hub never looks at the signature of an entry again: the longest logs go without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgpack

from schemas.codec import Value, decode
from schemas.envelope.header import PRECEDENCE_RANK, Header, Recipient, encode_header, sign_header
from schemas.ids import sha256, uuid7
from schemas.keys import SigningKey
from schemas.limits import DAY_MS, MAX_HEADER
from schemas.log.entry import SIGNATURE_SIZE
from schemas.log.merkle import leaf_hash
from schemas.log.receipt import RECEIPT_CONTEXT
from tests.support.directory import World

GROUP = 8
STEP_MS = 20
OPENER_SIZE = 1_168
BODY_SIZE = 48
"""As small as a sealed body can be: what is measured is the number of them."""
_UNSIGNED = bytes(SIGNATURE_SIZE)

pack: Callable[[object], bytes] = msgpack.Packer(use_bin_type=True, autoreset=True).pack
"""Of a map whose keys are sorted, the bytes that `schemas.codec.encode` gives."""


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert as the log and its state have it; `expires` in ms."""

    index: int
    id: bytes
    sender: str
    entry: bytes
    leaf: bytes
    fingerprint: bytes
    body_digest: bytes
    body: bytes
    expires: int
    rank: int


@dataclass(frozen=True, slots=True)
class PastReceipt:
    """A receipt about alerts of `sender`."""

    index: int
    agency: str
    sender: str
    entry: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts, then the receipts for them."""

    alerts: list[PastAlert]
    receipts: list[PastReceipt]
    idle_since: int
    """From when on (ms) nobody waits for any of them."""


@dataclass(frozen=True, slots=True)
class PastOpener:
    """The opener of a pair of agencies."""

    id: bytes
    data: bytes
    sender: str
    recipient: str


class Past:
    """The entries from index `start` on, of a log of `world`, whose first is from the time `began` (ms).

    Every alert has `recipients` recipients. The same arguments give the same bytes.
    """

    def __init__(self, world: World, *, start: int, began: int, recipients: int, signed: bool) -> None:
        self._world = world
        self._agencies = world.agencies
        self._next = start
        self._start = start
        self._began = began
        self._count = recipients
        self._signed = signed
        self._random = draws()
        self.openers: dict[tuple[str, str], PastOpener] = {}
        self._templates = [self._template(number) for number in range(len(self._agencies))]

    @property
    def length(self) -> int:
        """Entries of one group."""
        return GROUP + self._count

    @property
    def time(self) -> int:
        """When the next entry is logged (ms)."""
        return self._began + (self._next - self._start) * STEP_MS

    def groups(self, count: int) -> Iterator[Group]:
        """The next `count` groups."""
        for _ in range(count):
            yield self._group((self._next - self._start) // self.length % len(self._agencies))

    def _group(self, number: int) -> Group:
        sender, recipients, template = self._templates[number]
        alerts = [self._alert(sender, template) for _ in range(GROUP)]
        items = [[alert.index, alert.id, alert.leaf] for alert in alerts]
        idle_since = self._began + (self._next - self._start + len(recipients) - 1) * STEP_MS
        return Group(alerts, [self._receipt(agency, sender, items) for agency in recipients], idle_since)

    def _alert(self, sender: str, template: dict[str, Value]) -> PastAlert:
        now, index = self.time, self._next
        self._next += 1
        body = self._random(BODY_SIZE)
        alert_id, digest = uuid7(now, self._random), sha256(body)
        template |= {"id": alert_id, "created": now, "expires": now + DAY_MS, "body_digest": digest}
        header = pack(template)
        signature = sign_header(header, self._world.signing[sender]) if self._signed else _UNSIGNED
        entry = self._entry("alert", "header", header, signature, now)
        return PastAlert(
            index=index,
            id=alert_id,
            sender=sender,
            entry=entry,
            leaf=leaf_hash(entry),
            fingerprint=sha256(header + signature),
            body_digest=digest,
            body=body,
            expires=now + DAY_MS,
            rank=PRECEDENCE_RANK["routine"],
        )

    def _receipt(self, agency: str, sender: str, items: list[list[object]]) -> PastReceipt:
        now, index, key = self.time, self._next, self._world.signing[agency]
        self._next += 1
        receipt = pack(
            {
                "agency": agency,
                "items": items,
                "key": key.key_id,
                "officer": None,
                "sender": sender,
                "state": "stored",
                "time": now,
            }
        )
        entry = self._entry("receipt", "receipt", receipt, self._sign(RECEIPT_CONTEXT + receipt, key), now)
        return PastReceipt(index, agency, sender, entry, leaf_hash(entry))

    def _sign(self, data: bytes, key: SigningKey) -> bytes:
        return key.sign(data) if self._signed else _UNSIGNED

    def _entry(self, kind: str, name: str, sent: bytes, signature: bytes, now: int) -> bytes:
        """An entry with `sent` under `name`, which sorts before or after `kind` as it is."""
        version: dict[str, object] = {"directory": self._world.directory.version}
        middle = {name: sent, "kind": kind} if name < "kind" else {"kind": kind, name: sent}
        return pack(version | middle | {"signature": signature, "time": now})

    def _template(self, number: int) -> tuple[str, list[str], dict[str, Value]]:
        """A sender, its recipients, and the map of a header of theirs."""
        agencies, sender = self._agencies, self._agencies[number]
        recipients = sorted(agencies[(number + 1 + k) % len(agencies)] for k in range(self._count))
        header = Header(
            id=uuid7(self._began, self._random),
            sender=sender,
            key=self._world.signing[sender].key_id,
            directory=self._world.directory.version,
            created=self._began,
            expires=self._began + DAY_MS,
            precedence="routine",
            marking="amber",
            topic="watch",
            status="actual",
            operation=None,
            modes=("sea",),
            subjects=(),
            address=tuple(recipients),
            relation=None,
            recipients=tuple(Recipient(r, self._opener(sender, r).id, self._random(48)) for r in recipients),
            commitment=self._random(32),
            body_digest=self._random(32),
            body_size=BODY_SIZE,
            attachments=(),
        )
        wire = decode(encode_header(header), max_size=MAX_HEADER)
        if not isinstance(wire, dict):
            raise TypeError("a header is a map")
        return sender, recipients, dict(sorted(wire.items()))

    def _opener(self, sender: str, recipient: str) -> PastOpener:
        data = self._random(OPENER_SIZE)
        made = PastOpener(sha256(data)[:16], data, sender, recipient)
        return self.openers.setdefault((sender, recipient), made)


def draws() -> Callable[[int], bytes]:
    """Bytes that are different at every draw and the same in every run."""
    number = 0

    def draw(size: int) -> bytes:
        nonlocal number
        number += 1
        if size <= 64:
            return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=size).digest()
        return hashlib.shake_128(number.to_bytes(8, "big")).digest(size)

    return draw
