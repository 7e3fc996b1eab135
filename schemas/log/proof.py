"""Proof files (C2SP tlog-proof): evidence that an entry is in the log, checkable offline with only the log's key.

    c2sp.org/tlog-proof@v1
    extra <base64>                 optional; our files carry the entry itself here
    index <decimal>
    <base64>                       the inclusion proof, a hash a line, leaf first

    <the checkpoint's signed note, verbatim>

``extra`` is covered by nothing, so it is trusted only as far as it is the very entry whose inclusion is then checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import BadCheckpoint, BadProof
from schemas.limits import MAX_ENTRY, MAX_INDEX, MAX_NOTE, MAX_PROOF_HASHES
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from schemas.log.note import NoteKey, decode_base64, encode_base64, parse_note

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA = "extra "
_MAX_PROOF_FILE = MAX_NOTE + 2 * MAX_ENTRY + 64 * MAX_PROOF_HASHES
"""The note, the entry in base64, the hashes in base64, and room for the other lines."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """What a proof file says, none of it checked yet."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def format_proof(index: int, path: Sequence[bytes], checkpoint_note: bytes, extra: bytes | None = None) -> bytes:
    """The bytes of a proof file. Raises `BadProof` for what has no such form."""
    if not 0 <= index <= MAX_INDEX or len(path) > MAX_PROOF_HASHES or any(len(item) != HASH_SIZE for item in path):
        raise BadProof("the index or the path is of no inclusion proof")
    lines = [_FIRST_LINE, f"index {index}", *(encode_base64(item) for item in path), "", ""]
    if extra is not None:
        lines.insert(1, _EXTRA + encode_base64(extra))
    return "\n".join(lines).encode("ascii") + checkpoint_note


def parse_proof(data: bytes) -> TlogProof:
    """Take a proof file apart without trusting it. Raises `BadProof` for any other form than `format_proof`'s."""
    if len(data) > _MAX_PROOF_FILE:
        raise BadProof(f"the proof file has more than {_MAX_PROOF_FILE} bytes")
    head, _, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
        extra = None
        if len(lines) > 1 and lines[1].startswith(_EXTRA):
            extra = decode_base64(lines.pop(1).removeprefix(_EXTRA))
        match = _INDEX.fullmatch(lines[1]) if lines[0] == _FIRST_LINE and len(lines) > 1 else None
        if match is None:
            raise BadProof("the file does not begin as a proof file does")
        path = tuple(decode_base64(line) for line in lines[2:])
        parse_note(note)
    except UnicodeDecodeError:
        raise BadProof("the lines above the checkpoint are not ASCII") from None
    except BadCheckpoint as error:
        raise BadProof(error.message, cause=error.code) from None
    proof = TlogProof(int(match[1]), path, note, extra)
    if format_proof(proof.index, proof.path, proof.checkpoint, proof.extra) != data:
        raise BadProof("the proof file is not in its only form")
    return proof


def verify_proof(proof: TlogProof, entry: bytes, origin: str, keys: Sequence[NoteKey]) -> Checkpoint:
    """Check that ``entry`` is in the log ``origin``; return the checkpoint that vouches for it.

    The steps are those of docs/spec/proof.md: 1 the leaf's hash, 2 the checkpoint's origin and signature, 3 inclusion.
    Raises what `verify_checkpoint` raises, and `BadProof`.
    """
    leaf = leaf_hash(entry)
    checkpoint = verify_checkpoint(proof.checkpoint, origin, keys)
    verify_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint
