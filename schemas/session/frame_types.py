"""The frames of the session, each with its fields in the order in which they are sent. See docs/spec/session.md.

Those that a node is sent all day, and its answers to tree heads, are types of msgspec, which reads and writes them as
arrays; what it checks while it reads is in their annotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.ids import DIGEST_SIZE, ID_SIZE
from schemas.limits import MAX_INDEX, MAX_ITEMS, MAX_MESSAGE, MAX_RETRY_MS

PROTOCOL = 1

Side = Literal["node", "hub"]

_Number = Annotated[int, Meta(ge=0, le=MAX_INDEX)]
_Hash = Annotated[bytes, Meta(min_length=DIGEST_SIZE, max_length=DIGEST_SIZE)]
# Even the largest block, of MAX_ITEMS items with three lists each, has fewer than MAX_LISTS.
_Hashes = Annotated[tuple[_Hash, ...], Meta(max_length=MAX_ITEMS)]
_Blobs = Annotated[tuple[bytes, ...], Meta(max_length=MAX_ITEMS)]
_Text = Annotated[str, Meta(max_length=MAX_MESSAGE)]


class Record(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is written as an array: a frame with its name first, or a part of one."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Node to hub, first: who it is and what it already holds, so that the hub sends only the rest."""

    protocol: int
    agency: str
    directory: int  # newest directory version held, 0 when none
    size: int  # of the checkpoint held, 0 when none
    root: bytes  # of the checkpoint held, the empty root when none
    notices: int  # first log index from which receipts about its own alerts are wanted
    credit: int  # alerts it can take before granting more
    note: bytes = b""  # the checkpoint held, as the log signed it; empty when none
    known: int = 0  # the log holds an alert of its own at the index before this one, as it was told; 0 when none
    restored: int = 0  # time (ms) of the newest restoration of the log that it has worked through, 0 when none


@dataclass(frozen=True, slots=True)
class Welcome:
    """Hub to node, the answer to `Hello`: which log this is, how far it goes, and the hub's time in ms."""

    protocol: int
    origin: str
    directory: int
    size: int
    time: int
    restored: int = 0  # time (ms) of the newest restoration of the log, 0 when there never was one
    since: int = 0  # log index from which on restorations that the node has not worked through may have lost something


@dataclass(frozen=True, slots=True)
class Submit:
    """Node to hub: a signed header, its sealed body, and the openers the hub may not hold yet.

    ``carried`` is the sender's word (`schemas.envelope.carriage`) that it went on removable media too; else empty.
    """

    header: bytes
    signature: bytes
    body: bytes
    openers: tuple[bytes, ...]
    carried: bytes = b""


@dataclass(frozen=True, slots=True)
class SendReceipt:
    """Node to hub: a signed receipt."""

    receipt: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """Node to hub: a bundle with the next version of its own agency's keys, signed by the agency's administrators."""

    role: str  # the agency
    version: int  # of the metadata in the bundle
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """Node to hub: a piece of a sealed attachment; `offset` and `total` in bytes."""

    digest: bytes
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Hub to node: everything before `offset` is durable; `offset` equals the total when all is held and checked."""

    digest: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Node to hub: send the blob from `offset` on. 32 bytes name an attachment, 16 an opener, 8 (a log index) the
    evidence for an alert (`schemas.log.evidence`)."""

    digest: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Blob:
    """Hub to node: the piece of a blob at `offset`. `total` 0 means that it is not available to this node."""

    digest: bytes
    offset: int
    total: int
    data: bytes


class Credit(Record, frozen=True, tag="credit"):
    """Node to hub: `n` more alerts may be sent."""

    n: _Number


class ResultItem(Record, frozen=True, gc=False):
    """What became of one submission: `ref` is the alert id, or the first 16 bytes of SHA-256 of receipt or bundle."""

    ref: Annotated[bytes, Meta(min_length=ID_SIZE, max_length=ID_SIZE)]
    accepted: bool
    index: _Number  # where it stands in the log; 0 when refused
    code: _Text  # why it was refused; empty when accepted
    message: _Text
    hint: _Text
    retry: Annotated[int, Meta(ge=0, le=MAX_RETRY_MS)] = 0
    """After how many ms the very same may be tried again; 0 when accepted, or when that is not known."""


class Result(Record, frozen=True, tag="result"):
    """Hub to node: the fate of submissions. An acceptance is sent only when the entry is durable and signed for."""

    items: Annotated[tuple[ResultItem, ...], Meta(max_length=MAX_ITEMS)]


class Item(Record, frozen=True, gc=False):
    """One log entry with its inclusion path in the tree of the frame's checkpoint, and the blobs that go with it."""

    index: _Number
    entry: bytes
    path: _Hashes
    body: bytes
    openers: _Blobs

    @property
    def is_alert(self) -> bool:
        """Whether it costs credit: alerts alone carry a body inside a `Block`."""
        return bool(self.body)


class Block(Record, frozen=True, tag="block"):
    """Hub to node: alerts for the node and receipts about its alerts, proven in `checkpoint`.

    `proof` shows consistency with the checkpoint of the frame before it on this session, the first one with the
    checkpoint named in `Hello`.
    """

    checkpoint: bytes
    proof: _Hashes
    items: Annotated[tuple[Item, ...], Meta(max_length=MAX_ITEMS)]


@dataclass(frozen=True, slots=True)
class DirectoryUpdate:
    """Hub to node: directory entries, oldest first; each item's body is the bundle that the entry names."""

    checkpoint: bytes
    proof: tuple[bytes, ...]
    items: tuple[Item, ...]


class TreeHead(Record, frozen=True, tag="head"):
    """Hub to node: a new checkpoint, whether or not it holds anything for the node, to be cosigned.

    `proof` as in `Block`. `both` asks for a cosignature by each of the node's witness keys, not by the cheapest alone.
    """

    checkpoint: bytes
    proof: _Hashes
    both: bool


class Cosign(Record, frozen=True, tag="cosign"):
    """Node to hub: its cosignatures, as signature lines, on the `TreeHead` of that size, which it now holds durably."""

    size: _Number
    lines: bytes


class WitnessedHead(Record, frozen=True, tag="witnessed"):
    """Hub to node: the newest checkpoint that enough witnesses cosigned, with their lines.

    `proof` shows that the checkpoint of the frame before it on this session continues this one.
    """

    checkpoint: bytes
    proof: _Hashes


@dataclass(frozen=True, slots=True)
class Recover:
    """Node to hub, from a node that was restored: send again what concerns it, from log index `start` on.

    That is: alerts to it that are waiting or that it receipted at log index `since` or later, and its own alerts
    logged there.
    """

    since: int
    start: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """Hub to node, the answer to `Recover`: `proof` as in `Block`; `next` is where to go on, 0 when that was all.

    Alerts to it have their body, and the opener it needs; its own, and those whose body was deleted, have none.
    """

    checkpoint: bytes
    proof: tuple[bytes, ...]
    items: tuple[Item, ...]
    next: int


@dataclass(frozen=True, slots=True)
class Bye:
    """Either side, last: why the session ends. An empty code is an orderly end."""

    code: str
    message: str


FromNode = Hello | Submit | SendReceipt | Publish | Upload | Fetch | Credit | Cosign | Recover | Bye
FromHub = Welcome | Result | Block | DirectoryUpdate | TreeHead | WitnessedHead | Uploaded | Blob | Recovered | Bye
Frame = FromNode | FromHub
