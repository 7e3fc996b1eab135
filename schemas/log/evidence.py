"""What the hub gives a party to an alert so that the party can prove it to others: one checkpoint, and all under it.

Beside the alert's own entry that is the place of every directory entry up to the version that the alert was entered
under, so that nobody can be shown a directory with versions left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.codec import Fields, Value, decode, encode
from schemas.errors import Malformed
from schemas.limits import MAX_EVIDENCE, MAX_INDEX, MAX_PROOF_HASHES
from schemas.log.merkle import HASH_SIZE

INDEX_SIZE: Final = 8
"""Bytes of a log index, big-endian, as the name under which evidence is fetched."""


@dataclass(frozen=True, slots=True)
class Included:
    """Where an entry stands, and its inclusion proof."""

    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Not verified: entry and places are what the hub says, until their inclusion in the checkpoint is shown."""

    checkpoint: bytes
    """The signed note."""
    entry: bytes
    path: tuple[bytes, ...]
    directory: tuple[Included, ...]
    """Of directory versions 1, 2, ... in this order."""


def evidence_name(index: int) -> bytes:
    """The name under which the evidence for the alert at ``index`` is fetched."""
    return index.to_bytes(INDEX_SIZE, "big")


def encode_evidence(evidence: Evidence) -> bytes:
    """The canonical bytes."""
    return encode(
        {
            "checkpoint": evidence.checkpoint,
            "entry": evidence.entry,
            "path": list(evidence.path),
            "directory": [[place.index, list(place.path)] for place in evidence.directory],
        }
    )


def decode_evidence(data: bytes) -> Evidence:
    """Read evidence strictly; only what `encode_evidence` writes passes. Raises an `EncodingRefusal`."""
    fields = Fields(decode(data, max_size=MAX_EVIDENCE, max_depth=4), "evidence")
    evidence = Evidence(
        fields.blob("checkpoint"),
        fields.blob("entry"),
        read_path(fields.value("path")),
        tuple(_included(value) for value in fields.items("directory")),
    )
    fields.done()
    return evidence


def read_path(value: Value) -> tuple[bytes, ...]:
    """An inclusion proof: a list of hashes. Raises `Malformed`."""
    if not isinstance(value, list) or len(value) > MAX_PROOF_HASHES:
        raise Malformed("an inclusion proof is no list of hashes, or a longer one than any tree gives")
    path = tuple(item for item in value if isinstance(item, bytes) and len(item) == HASH_SIZE)
    if len(path) != len(value):
        raise Malformed(f"an inclusion proof holds something else than hashes of {HASH_SIZE} bytes")
    return path


def _included(value: Value) -> Included:
    match value:
        case [int(index), list(path)] if not isinstance(index, bool) and 0 <= index <= MAX_INDEX:
            return Included(index, read_path(path))
    raise Malformed("a directory entry's place is no index with an inclusion proof")
