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


@dataclass(frozen=True, slots=True)
class Delivery:
    """One recipient's part in an alert. `rank` orders by precedence (0 first), `expires` is in ms."""

    agency: str
    index: int
    rank: int
    expires: int
    standing: Standing
    receipt: int  # log index of the receipt that gave the standing, 0 when none did


@dataclass(frozen=True, slots=True)
class KnownOpener:
    """An opener held as a blob under its id; it serves this one pair only."""

    id: bytes
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Activation:
    """A directory entry: the version it creates, and the blob with its bundle."""

    version: int
    index: int
    role: str
    role_version: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """What one entry changes. `deliveries` replace earlier ones of the same agency and index."""

    alert: KnownAlert | None = None
    deliveries: tuple[Delivery, ...] = ()
    openers: tuple[KnownOpener, ...] = ()
    attachments: tuple[bytes, ...] = ()  # digests that the alert's parties may fetch
    notice: str | None = None  # agency that wants to see this receipt
    activation: Activation | None = None


class View(Protocol):
    """The state after the newest entry."""

    def alert(self, alert_id: bytes) -> KnownAlert | None:
        """The alert with that id."""

    def alert_at(self, index: int) -> KnownAlert | None:
        """The alert at that log index."""

    def delivery(self, agency: str, index: int) -> Delivery | None:
        """The part of `agency` in the alert at `index`; None when it is no recipient."""

    def waiting(self, index: int) -> tuple[Delivery, ...]:
        """The deliveries of the alert at `index` that are still waiting."""

    def opener(self, opener_id: bytes) -> KnownOpener | None:
        """The opener with that id."""

    def attachment(self, digest: bytes) -> int | None:
        """Size in bytes of an attachment that is held whole."""

    def activation_of(self, digest: bytes) -> Activation | None:
        """The first directory entry whose bundle has that digest."""
