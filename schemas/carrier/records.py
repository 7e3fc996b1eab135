"""What a carrier's file holds: the manifest, frames of the session, segments of the log, and the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from schemas.codec import Fields, Value, decode, encode
from schemas.errors import CarrierDamaged, EncodingRefusal, SessionRefusal
from schemas.ids import DIGEST_SIZE, KEY_ID_SIZE
from schemas.limits import MAX_FRAME, MAX_SIGNED_NAME, MAX_SLUG
from schemas.log.merkle import HASH_SIZE
from schemas.session.frames import (
    Blob,
    Block,
    DirectoryUpdate,
    Fetch,
    Frame,
    Hello,
    Result,
    SendReceipt,
    Side,
    Submit,
    Upload,
    Welcome,
    WitnessedHead,
    decode_frame,
    encode_frame,
)

HUB: Final = "hub"
"""The name of the hub in a manifest; it is no agency's, which begins with a country."""
MAX_LEAVES: Final = 65_536
"""Leaf hashes in one record: 2 MiB, half of what a record may have."""
_MAX_PEAKS: Final = 63
_MAX_MANIFEST: Final = 1_024
_CONTEXT: Final = b"crossbearing/1/manifest\0"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who made a file for whom, of which log, and when (ms); `key` is the id of the key that signs.

    `notices` is the log index from which on a file for a node has the receipts about that node's alerts; else 0.
    """

    maker: str
    to: str
    origin: str
    made: int
    key: bytes
    notices: int = 0


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest's bytes, and the signature over them and the file's head."""

    manifest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """Leaf hashes of the log from the size ``start`` on; ``frontier`` are the whole subtrees before that."""

    start: int
    frontier: tuple[bytes, ...]
    leaves: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The last record: how many are before it."""

    records: int


Record: TypeAlias = SignedManifest | Segment | End | Frame

ALLOWED: Final[dict[Side, tuple[type, ...]]] = {
    "node": (Submit, SendReceipt, Upload, Fetch),
    "hub": (Segment, Result, Block, DirectoryUpdate, WitnessedHead, Blob),
}
"""What may stand between greeting and end."""
GREETING: Final[dict[Side, type]] = {"node": Hello, "hub": Welcome}


def signed_bytes(head_digest: bytes, manifest: bytes) -> bytes:
    """What the signature of a manifest covers; `head_digest` is the SHA-256 of the file up to the end of its head."""
    if len(head_digest) != DIGEST_SIZE:
        raise ValueError("the digest of a head is a SHA-256")
    return _CONTEXT + head_digest + manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes that are signed."""
    return encode(
        {
            "from": manifest.maker,
            "key": manifest.key,
            "made": manifest.made,
            "notices": manifest.notices,
            "origin": manifest.origin,
            "to": manifest.to,
        }
    )


def decode_manifest(data: bytes) -> Manifest:
    """The manifest in these bytes. Raises a refusal of the encoding."""
    fields = Fields(decode(data, max_size=_MAX_MANIFEST, max_depth=1), "manifest")
    made = Manifest(
        maker=fields.text("from", max_length=MAX_SLUG),
        to=fields.text("to", max_length=MAX_SLUG),
        origin=fields.text("origin", max_length=MAX_SIGNED_NAME),
        made=fields.integer("made"),
        key=fields.blob("key", size=KEY_ID_SIZE),
        notices=fields.integer("notices"),
    )
    fields.done()
    return made


def encode_record(record: Record) -> bytes:
    """The bytes of one record."""
    match record:
        case SignedManifest(manifest, signature):
            return encode(["manifest", manifest, signature])
        case Segment(start, frontier, leaves):
            return encode(["segment", start, list(frontier), leaves])
        case End(records):
            return encode(["end", records])
    return encode_frame(record)


def decode_record(data: bytes, *, sender: Side) -> Record:
    """The record in these bytes, in a file that `sender` made. Raises `CarrierDamaged`."""
    try:
        for name, read in _OWN.items():
            if data[1:].startswith(encode(name)):
                return read(decode(data, max_size=MAX_FRAME, max_depth=2))
        return decode_frame(data, sender=sender)
    except (EncodingRefusal, SessionRefusal) as error:
        raise CarrierDamaged(f"a record is out of form: {error.message}", cause=error.code) from None


def _manifest(value: Value) -> SignedManifest:
    match value:
        case [_, bytes(manifest), bytes(signature)]:
            return SignedManifest(manifest, signature)
    raise CarrierDamaged("the manifest is not some bytes and a signature")


def _segment(value: Value) -> Segment:
    match value:
        case [_, int(start), list(frontier), bytes(leaves)] if start >= 0 and not isinstance(start, bool):
            peaks = tuple(peak for peak in frontier if isinstance(peak, bytes) and len(peak) == HASH_SIZE)
            whole = len(leaves) % HASH_SIZE == 0 and len(leaves) <= MAX_LEAVES * HASH_SIZE
            if whole and len(peaks) == len(frontier) <= _MAX_PEAKS and start.bit_length() <= _MAX_PEAKS:
                return Segment(start, peaks, leaves)
    raise CarrierDamaged("a segment is not a log size, whole subtrees and leaf hashes")


def _end(value: Value) -> End:
    match value:
        case [_, int(records)] if records >= 0 and not isinstance(records, bool):
            return End(records)
    raise CarrierDamaged("the end does not say how many records are before it")


_OWN: Final[dict[str, Callable[[Value], Record]]] = {"manifest": _manifest, "segment": _segment, "end": _end}
