"""Cosignatures (C2SP tlog-cosignature): signatures over a time and a tree head, by witnesses and by the log itself.

The payload of a signature line, after the key id, is the time as an 8-byte big-endian number of seconds, and then

    04  Ed25519     over ``cosignature/v1``, the time and the whole text of the checkpoint
    06  ML-DSA-44   over ``subtree/v1``, the signer's name, the time, and the tree: log, first leaf, end and root

Type 04 does not name its signer, so such a key serves one witness and nothing else. Type 06 does not cover extension
lines, and may also speak of a part of the tree; such a statement has the time 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.errors import BadCheckpoint, BadSignature
from schemas.keys import (
    ED25519_SIGNATURE_SIZE,
    ML_DSA_44_SIGNATURE_SIZE,
    MlDsaKey,
    WitnessKey,
    verify,
    verify_ml_dsa,
)
from schemas.limits import MAX_INDEX, MAX_SIGNED_NAME
from schemas.log.merkle import HASH_SIZE
from schemas.log.note import ED25519_COSIGNATURE, ML_DSA_44, NoteKey, NoteSignature, check_text, note_key

_TIME_SIZE: Final = 8
_MAX_TIME: Final = (1 << 63) - 1  # seconds
_SIZES: Final = {ED25519_COSIGNATURE: ED25519_SIGNATURE_SIZE, ML_DSA_44: ML_DSA_44_SIGNATURE_SIZE}
_LABEL: Final = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Tree:
    """What is signed: the leaves ``[start, end)`` of the log called ``origin`` have this ``root``.

    Of a checkpoint ``start`` is 0 and ``end`` its size. Raises `BadCheckpoint` for what no signature can cover.
    """

    origin: str
    end: int
    root: bytes
    start: int = 0

    def __post_init__(self) -> None:
        _signed_name(self.origin, "origin")
        if not 0 <= self.start <= self.end <= MAX_INDEX or len(self.root) != HASH_SIZE:
            raise BadCheckpoint(f"the size is out of range, or the root is not {HASH_SIZE} bytes long")


class Cosigner:
    """A witness's name and keys. With both it signs twice: for those who need Ed25519, and against quantum computers.

    Raises `BadCheckpoint` for a name that no signature line can carry.
    """

    def __init__(self, name: str, ed25519: WitnessKey | None, ml_dsa: MlDsaKey | None) -> None:
        _signed_name(name, "cosigner's name")
        self.name = name
        self._ed25519 = ed25519
        self._ml_dsa = ml_dsa
        keys = []
        if ed25519 is not None:
            keys.append(note_key(name, ed25519.public, ED25519_COSIGNATURE))
        if ml_dsa is not None:
            keys.append(note_key(name, ml_dsa.public, ML_DSA_44))
        if not keys:
            raise BadCheckpoint("a cosigner has at least one key")
        self.keys: tuple[NoteKey, ...] = tuple(keys)

    def cosign(self, text: str, tree: Tree, *, now: int) -> tuple[NoteSignature, ...]:
        """Sign the checkpoint whose note has this ``text`` and says this ``tree``, at the time ``now`` (ms), not 0."""
        if now < 1000:
            raise BadCheckpoint("a witness's cosignature says when it was made")
        lines = []
        if self._ed25519 is not None:
            lines.append(sign_text(text, self.name, self._ed25519, now=now))
        if self._ml_dsa is not None:
            lines.append(sign_tree(tree, self.name, self._ml_dsa, now=now))
        return tuple(lines)


def sign_text(text: str, name: str, key: WitnessKey, *, now: int) -> NoteSignature:
    """An Ed25519 cosignature (type 04) over the text of a checkpoint's note, at ``now`` (ms)."""
    seconds = _seconds(now)
    return NoteSignature(
        name,
        note_key(name, key.public, ED25519_COSIGNATURE).key_id,
        seconds.to_bytes(_TIME_SIZE, "big") + key.sign(_text_message(seconds, text)),
    )


def sign_tree(tree: Tree, name: str, key: MlDsaKey, *, now: int) -> NoteSignature:
    """An ML-DSA-44 signature (type 06) over a tree, at ``now`` (ms); 0 says nothing about the time.

    Raises `BadCheckpoint` for a time with a tree that does not begin at leaf 0.
    """
    seconds = _seconds(now)
    if tree.start and seconds:
        raise BadCheckpoint("a signature over a part of the tree has no time")
    return NoteSignature(
        name,
        note_key(name, key.public, ML_DSA_44).key_id,
        seconds.to_bytes(_TIME_SIZE, "big") + key.sign(_tree_message(name, seconds, tree)),
    )


def check_signature(key: NoteKey, text: str, signature: bytes, *, tree: Tree) -> None:
    """Check a signature of any supported type over a checkpoint's text, which says ``tree``. Raises `BadSignature`."""
    size = _SIZES.get(key.type)
    if size is None:
        check_text(key, text, signature)
        return
    if len(signature) != _TIME_SIZE + size:
        raise BadSignature("the signature is not of the length its type has")
    seconds = int.from_bytes(signature[:_TIME_SIZE], "big")
    if seconds > _MAX_TIME:
        raise BadSignature("the signature's time is out of range")
    if key.type == ED25519_COSIGNATURE:
        verify(key.public, _text_message(seconds, text), signature[_TIME_SIZE:])
        return
    if tree.start and seconds:
        raise BadSignature("a signature over a part of the tree has no time")
    verify_ml_dsa(key.public, _tree_message(key.name, seconds, tree), signature[_TIME_SIZE:])


def signed_at(key: NoteKey, signature: NoteSignature) -> int | None:
    """When a checked signature says it was made, in ms; 0 if it does not say, None if its type has no time."""
    if key.type not in _SIZES:
        return None
    return int.from_bytes(signature.signature[:_TIME_SIZE], "big") * 1000


def _text_message(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _tree_message(name: str, seconds: int, tree: Tree) -> bytes:
    signer, origin = _signed_name(name, "signer's name"), _signed_name(tree.origin, "origin")
    return b"".join(
        (
            _LABEL,
            bytes((len(signer),)) + signer,
            seconds.to_bytes(8, "big"),
            bytes((len(origin),)) + origin,
            tree.start.to_bytes(8, "big"),
            tree.end.to_bytes(8, "big"),
            tree.root,
        )
    )


def _seconds(now: int) -> int:
    seconds = now // 1000
    if not 0 <= seconds <= _MAX_TIME:
        raise BadCheckpoint("the time to be signed is out of range")
    return seconds


def _signed_name(name: str, what: str) -> bytes:
    encoded = name.encode("utf-8", "surrogatepass")
    if not 0 < len(encoded) <= MAX_SIGNED_NAME:
        raise BadCheckpoint(f"the {what} is empty, or longer than {MAX_SIGNED_NAME} bytes")
    return encoded
