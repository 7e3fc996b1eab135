"""What the hub remembers of the log, as plain records: each is a function of the log's entries and nothing else.

`View` is how admission and apply ask for them, whatever keeps them. `Changes` is what one entry adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Standing(IntEnum):
    """How far an alert came with one recipient; it only ever grows."""

    WAITING = 0  # not known to have arrived: this one is delivered
    WITHDRAWN = 1  # recalled before it was delivered
    REFUSED = 2
    STORED = 3
    READ = 4
    ACTIONED = 5


class Escalated(IntEnum):
    """How far the hub came in calling a recipient's desk about an alert that waits; it only ever grows."""

    NO = 0
    DUE = 1
    UNREACHABLE = 2
    REACHED = 3


ESCALATED_BY_OUTCOME = {"due": Escalated.DUE, "unreachable": Escalated.UNREACHABLE, "reached": Escalated.REACHED}

STANDING_OF_STATE = {
    "refused": Standing.REFUSED,
    "stored": Standing.STORED,
    "read": Standing.READ,
    "actioned": Standing.ACTIONED,
}


@dataclass(frozen=True, slots=True)
class KnownAlert:
    """An alert in the log: `fingerprint` is SHA-256 of header and signature, `leaf` the entry's leaf hash."""

    index: int
    id: bytes
    sender: str
    fingerprint: bytes
    leaf: bytes
    idle_since: int | None
    """From when on nobody waits for it (ms), which is when it expires unless that came earlier; None once purged."""


@dataclass(slots=True, unsafe_hash=True)
class Delivery:
    """One recipient's part in an alert. `rank` orders by precedence (0 first), `expires` is in ms.

    Nobody changes one. It is not frozen because thirty are made for each alert and for each round of receipts, and a
    frozen one takes three times as long to make.

    `escalates` is from when on (ms) the recipient's desk is called while the alert waits; None: never.
    """

    agency: str
    index: int
    rank: int
    expires: int
    standing: Standing
    receipt: int  # log index of the receipt that gave the standing, 0 when none did
    escalates: int | None = None
    escalated: Escalated = Escalated.NO
    escalation: int = 0  # log index of the entry that says so, 0 when none does


@dataclass(frozen=True, slots=True)
class KnownOpener:
    """An opener held as a blob under its id; it serves this one pair only.

    No alert that names it expires after `until` (ms), which is rounded up to whole days.
    """

    id: bytes
    sender: str
    recipient: str
    until: int


@dataclass(frozen=True, slots=True)
class Activation:
    """A directory entry: the version it creates, and the blob with its bundle."""

    version: int
    index: int
    role: str
    role_version: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Purge:
    """What is deleted of the alert at `index`: its body, and the attachments that no other alert held names."""

    index: int
    attachments: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """An allowance of an agency, and when it is whole again (µs since the epoch); `kind` as in `broker.quota`."""

    agency: str
    kind: int
    until: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What one entry changes. `deliveries` replace earlier ones of the same agency and index, `openers` of the same id.

    `idle` are alerts, by index, that nobody waits for any more, and since when (ms).
    """

    alert: KnownAlert | None = None
    deliveries: tuple[Delivery, ...] = ()
    openers: tuple[KnownOpener, ...] = ()
    attachments: tuple[bytes, ...] = ()  # digests that the alert's parties may fetch
    notice: str | None = None  # agency that is to see this receipt or escalation
    activation: Activation | None = None
    idle: tuple[tuple[int, int], ...] = ()
    purge: Purge | None = None
    spent: tuple[Spent, ...] = ()


class View(Protocol):
    """The state after the newest entry."""

    def entry(self, index: int) -> bytes | None:
        """The entry at that log index."""

    def alert(self, alert_id: bytes) -> KnownAlert | None:
        """The alert with that id."""

    def alert_at(self, index: int) -> KnownAlert | None:
        """The alert at that log index."""

    def delivery(self, agency: str, index: int) -> Delivery | None:
        """The part of `agency` in the alert at `index`; None when it is no recipient."""

    def waiting(self, index: int) -> tuple[Delivery, ...]:
        """The deliveries of the alert at `index` that are still waiting."""

    def waits(self, index: int, *, besides: str) -> bool:
        """Whether the alert at `index` waits for another recipient than `besides`."""

    def has_body(self, index: int) -> bool:
        """Whether the body of the alert at `index` is held."""

    def holds(self, digest: bytes) -> bool:
        """Whether a blob is held under that name."""

    def needed(self, digest: bytes, *, besides: int) -> bool:
        """Whether an alert whose body is held, other than the one at index `besides`, names that attachment."""

    def opener(self, opener_id: bytes) -> KnownOpener | None:
        """The opener with that id."""

    def attachment(self, digest: bytes) -> int | None:
        """Size in bytes of an attachment that is held whole."""

    def purged(self, digest: bytes) -> bool:
        """Whether that attachment was deleted with the alert that named it."""

    def spent(self, agency: str, kind: int) -> int:
        """When that allowance is whole again (µs); 0 when nothing was ever taken from it."""

    def activation_of(self, digest: bytes) -> Activation | None:
        """The first directory entry whose bundle has that digest."""
