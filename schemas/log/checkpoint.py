"""Checkpoints (C2SP tlog-checkpoint v1.0.0): the log's name, its size and its root, as a signed note.

    <origin>
    <size, decimal>
    <root, base64>

Extension lines are refused: nothing here writes any, and what is not understood must not be signed over. Only of the
logs of others, which a witness serves, they are let through, as is any origin.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from schemas.errors import BadCheckpoint, BadSignature, CheckpointUntrusted
from schemas.keys import MlDsaKey, SigningKey, verify
from schemas.limits import MAX_INDEX
from schemas.log.cosignature import Tree, check_signature, sign_tree
from schemas.log.merkle import EMPTY_ROOT, HASH_SIZE
from schemas.log.note import (
    ED25519,
    NoteKey,
    SignedNote,
    decode_base64,
    encode_base64,
    format_note,
    parse_note,
    sign_note,
    verify_signatures,
)

_ORIGIN = re.compile(r"[!-*,-~]+")  # visible ASCII but the plus sign, as a key of the same name must sign it
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNED = re.compile(
    rb"(([!-*,-~]{1,255})\n([1-9][0-9]{0,18})\n([0-9A-Za-z+/]{43}=)\n)\n\xe2\x80\x94 ([!-*,-~]+) ([0-9A-Za-z+/]{91}=)\n"
)
"""A checkpoint under one line as Ed25519 makes it, of 4 + 64 bytes; its name no longer than MAX_SIGNED_NAME."""


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
    tree = parse_tree(text)
    return Checkpoint(tree.origin, tree.end, tree.root)


def parse_tree(text: str, *, any_log: bool = False) -> Tree:
    """The tree that the text of a checkpoint's note speaks of, as signatures cover it. Raises `BadCheckpoint`.

    With ``any_log`` the origin may be any line, and extension lines may follow (C2SP tlog-checkpoint, "Note text").
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines) or (len(lines) > 3 and not any_log):
        raise BadCheckpoint("the checkpoint is not three lines: origin, size and root")
    origin, size, root = lines[:3]
    if not (any_log or _ORIGIN.fullmatch(origin)):
        raise BadCheckpoint("the origin has a space, a plus sign or a character beyond ASCII")
    if not _SIZE.fullmatch(size):
        raise BadCheckpoint("the size is not a plain decimal number")
    return Tree(origin, int(size), decode_base64(root))


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey, ml_dsa: MlDsaKey | None = None, *, now: int = 0) -> bytes:
    """The whole signed note, under the origin's name: an Ed25519 line and, with ``ml_dsa``, one of ML-DSA-44.

    ``now`` (ms) is the time that the second one states; 0 states none.
    """
    text = format_checkpoint(checkpoint)
    lines = [sign_note(text, checkpoint.origin, key)]
    if ml_dsa is not None:
        tree = Tree(checkpoint.origin, checkpoint.size, checkpoint.root)
        lines.append(sign_tree(tree, checkpoint.origin, ml_dsa, now=now))
    return format_note(SignedNote(text, tuple(lines)))


def verify_checkpoint(data: bytes, origin: str, keys: Sequence[NoteKey]) -> Checkpoint:
    """The checkpoint of log ``origin`` in a note that one of the log's ``keys`` signed.

    Raises `BadCheckpoint` for its form, `BadSignature` if a line by a known key fails, and `CheckpointUntrusted` if no
    known key signed it or it speaks for another log.
    """
    return _verify_good(data, origin, keys) or _verify(data, origin, keys)


def _verify(data: bytes, origin: str, keys: Sequence[NoteKey]) -> Checkpoint:
    note = parse_note(data)
    tree = parse_tree(note.text)
    verify_signatures(note, keys, partial(check_signature, tree=tree))
    checkpoint = Checkpoint(tree.origin, tree.end, tree.root)
    if checkpoint.origin != origin:
        raise CheckpointUntrusted(f"the checkpoint speaks for another log than {origin}")
    return checkpoint


def _verify_good(data: bytes, origin: str, keys: Sequence[NoteKey]) -> Checkpoint | None:
    """As `_verify`, for a note that is good beyond doubt and has one line, of Ed25519: at a third of its cost.

    None for any other, which `_verify` then judges.
    """
    claim = _claim(data, origin, keys)
    if claim is None:
        return None
    try:
        verify(claim.public, claim.text, claim.signature)
    except BadSignature:
        return None
    return claim.checkpoint


def claimed_checkpoint(data: bytes, origin: str, keys: Sequence[NoteKey]) -> Checkpoint | None:
    """What a note says that one of ``keys`` appears to have signed with Ed25519; None for any other.

    The signature is **not** checked: this is no more than a claim, until a checkpoint that is shown to continue it was
    verified.
    """
    claim = _claim(data, origin, keys)
    return claim.checkpoint if claim is not None else None


class _Claim(NamedTuple):
    checkpoint: Checkpoint
    text: bytes
    public: bytes
    signature: bytes


def _claim(data: bytes, origin: str, keys: Sequence[NoteKey]) -> _Claim | None:
    found = _SIGNED.fullmatch(data)
    if found is None:
        return None
    text, named, size, root, name, line = found.groups()
    end, hashed, payload = int(size), a2b_base64(root), a2b_base64(line)
    canonical = b2a_base64(hashed, newline=False) == root and b2a_base64(payload, newline=False) == line
    makers = [key for key in keys if payload.startswith(key.key_id) and key.name == origin]
    if not canonical or named != name or named.decode() != origin or not 0 < end <= MAX_INDEX or len(makers) != 1:
        return None
    [maker] = makers
    if maker.type != ED25519:
        return None
    return _Claim(Checkpoint(origin, end, hashed), text, maker.public, payload[len(maker.key_id) :])


def verify_signers(data: bytes, keys: Sequence[NoteKey], *, any_log: bool = False) -> SignedNote:
    """A checkpoint's note with only the lines by ``keys``, of whatever types, all of them good; at least one.

    Raises as `verify_checkpoint` does, but for the origin; ``any_log`` as for `parse_tree`.
    """
    note = parse_note(data)
    tree = parse_tree(note.text, any_log=any_log)
    return verify_signatures(note, keys, partial(check_signature, tree=tree))
