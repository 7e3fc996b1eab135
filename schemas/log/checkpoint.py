"""Checkpoints (C2SP tlog-checkpoint v1.0.0): the log's name, its size and its root, as a signed note.

    <origin>
    <size, decimal>
    <root, base64>

Extension lines are refused: nothing here writes any, and what is not understood must not be signed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import BadCheckpoint, CheckpointUntrusted
from schemas.keys import SigningKey
from schemas.limits import MAX_INDEX
from schemas.log.merkle import EMPTY_ROOT, HASH_SIZE
from schemas.log.note import NoteKey, SignedNote, decode_base64, encode_base64, format_note, sign_note, verify_note

_ORIGIN = re.compile(r"[!-*,-~]+")  # visible ASCII but the plus sign, as a key of the same name must sign it
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the first ``size`` entries of the log called ``origin`` have this ``root``.

    Raises `BadCheckpoint` when made from anything that has no text form, or with size 0 and not the empty root.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin):
            raise BadCheckpoint("the origin is empty, or has a space, a plus sign or a character beyond ASCII")
        if not 0 <= self.size <= MAX_INDEX:
            raise BadCheckpoint("the size is out of range")
        if len(self.root) != HASH_SIZE:
            raise BadCheckpoint(f"the root is not {HASH_SIZE} bytes long")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise BadCheckpoint("the log is empty, but its root is not the empty root")


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """The text of a checkpoint's note."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{encode_base64(checkpoint.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in the text of a note. Raises `BadCheckpoint` for any other form than `format_checkpoint`'s."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise BadCheckpoint("the checkpoint is not three lines: origin, size and root")
    origin, size, root, _ = lines
    if not _SIZE.fullmatch(size):
        raise BadCheckpoint("the size is not a plain decimal number")
    return Checkpoint(origin, int(size), decode_base64(root))


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """The whole signed note, with one Ed25519 signature under the origin's name."""
    text = format_checkpoint(checkpoint)
    return format_note(SignedNote(text, (sign_note(text, checkpoint.origin, key),)))


def verify_checkpoint(data: bytes, origin: str, keys: Sequence[NoteKey]) -> Checkpoint:
    """The checkpoint of log ``origin`` in a note that one of the log's ``keys`` signed.

    Raises `BadCheckpoint` for its form, `BadSignature` if a line by a known key fails, and `CheckpointUntrusted` if no
    known key signed it or it speaks for another log.
    """
    checkpoint = parse_checkpoint(verify_note(data, keys).text)
    if checkpoint.origin != origin:
        raise CheckpointUntrusted(f"the checkpoint speaks for another log than {origin}")
    return checkpoint
