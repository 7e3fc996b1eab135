"""Signed notes (C2SP signed-note v1.0.0): a text and lines of signatures under it.

    <text, ending in a newline>
    <an empty line>
    — <name> <base64 of key id[4] and signature>        one line or more

Signatures cover the text with its last newline. Everything parses only in the form it is written in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.errors import BadCheckpoint, BadSignature, CheckpointUntrusted
from schemas.keys import ED25519_PUBLIC_SIZE, ML_DSA_44_PUBLIC_SIZE, SigningKey, verify
from schemas.limits import MAX_NOTE, MAX_NOTE_SIGNATURES

ED25519: Final = 0x01
"""The signature type of Ed25519 over the text of the note."""
ED25519_COSIGNATURE: Final = 0x04
"""Ed25519 over a time and the text of a checkpoint; see `schemas.log.cosignature`."""
ML_DSA_44: Final = 0x06
"""ML-DSA-44 over a time, the signer's name and a tree; logs and witnesses both sign so."""

LOG_TYPES: Final = frozenset({ED25519, ML_DSA_44})
"""What a log signs its checkpoints with."""
WITNESS_TYPES: Final = frozenset({ED25519_COSIGNATURE, ML_DSA_44})
"""What a witness cosigns them with."""

_PUBLIC_SIZES: Final = {
    ED25519: ED25519_PUBLIC_SIZE,
    ED25519_COSIGNATURE: ED25519_PUBLIC_SIZE,
    ML_DSA_44: ML_DSA_44_PUBLIC_SIZE,
}

_MARK = "\N{EM DASH} "
_KEY_ID_SIZE = 4
_KEY_ID_HEX = re.compile(r"[0-9a-f]{8}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_PLACEHOLDER = b"-\n\n"
"""The shortest text and the empty line under it, for signature lines that come without."""


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who signed, under which key, and what."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as it stands under a note, with its newline."""
        return f"{_MARK}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note's text, with its final newline, and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key that signs notes: its name, its 4-byte id, the signature type, and the key."""

    name: str
    key_id: bytes
    type: int
    public: bytes

    @property
    def vkey(self) -> str:
        """The text form of the key, which `parse_vkey` reads."""
        return vkey(self.name, self.type, self.public)


Check = Callable[[NoteKey, str, bytes], None]
"""Checks a signature under a key over the text of a note. Raises `BadSignature`."""


def parse_note(data: bytes) -> SignedNote:
    """Take a note apart without trusting any of its signatures. Raises `BadCheckpoint`."""
    if len(data) > MAX_NOTE:
        raise BadCheckpoint(f"the note has more than {MAX_NOTE} bytes")
    try:
        note = data.decode()
    except UnicodeDecodeError:
        raise BadCheckpoint("the note is not valid UTF-8") from None
    if _CONTROL.search(note):
        raise BadCheckpoint("the note has a control character")
    end = note.rfind("\n\n")
    if end < 0 or not note.endswith("\n"):
        raise BadCheckpoint("the note has no signatures under an empty line")
    text, lines = note[: end + 1], note[end + 2 :].split("\n")[:-1]
    if not 0 < len(lines) <= MAX_NOTE_SIGNATURES:
        raise BadCheckpoint(f"the note has {len(lines)} signatures, where 1 to {MAX_NOTE_SIGNATURES} are allowed")
    return SignedNote(text, tuple(_parse_line(line) for line in lines))


def format_note(note: SignedNote) -> bytes:
    """The bytes of a note. Raises `BadCheckpoint` if `parse_note` would not give the same note back."""
    data = "".join((note.text, "\n", *(signature.line for signature in note.signatures))).encode()
    if parse_note(data) != note:
        raise BadCheckpoint("the text cannot be the text of a note")
    return data


def vkey(name: str, key_type: int, public: bytes) -> str:
    """The text form of a verifier key, ``name+id+base64``. Raises `BadCheckpoint` for a name no note can carry."""
    return f"{name}+{_key_id(name, key_type, public).hex()}+{encode_base64(bytes((key_type,)) + public)}"


def parse_vkey(text: str, types: Collection[int] = LOG_TYPES) -> NoteKey:
    """The key in a verifier key's text form. Raises `BadCheckpoint`, also for a signature type not among ``types``."""
    name, _, rest = text.partition("+")
    id_hex, _, encoded = rest.partition("+")
    if not _KEY_ID_HEX.fullmatch(id_hex):
        raise BadCheckpoint("the verifier key is not a name, an id and a key joined by plus signs")
    typed = decode_base64(encoded)
    if not typed or typed[0] not in types:
        raise BadCheckpoint("the verifier key is of a type that does not sign here")
    key = note_key(name, typed[1:], typed[0])
    if key.key_id.hex() != id_hex:
        raise BadCheckpoint("the verifier key's id does not fit its name and key")
    return key


def note_key(name: str, public: bytes, key_type: int = ED25519) -> NoteKey:
    """The `NoteKey` of a public key under ``name``. Raises `BadCheckpoint` for a name or key that cannot be one."""
    if len(public) != _PUBLIC_SIZES.get(key_type):
        raise BadCheckpoint("the public key is not of the length its type has")
    return NoteKey(name, _key_id(name, key_type, public), key_type, public)


def sign_note(text: str, name: str, key: SigningKey) -> NoteSignature:
    """Sign ``text`` under ``name`` with Ed25519. Raises `BadCheckpoint` for a name or text no note can carry."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise BadCheckpoint("the text does not end in a newline, or has a control character")
    return NoteSignature(name, _key_id(name, ED25519, key.public), key.sign(text.encode()))


def check_text(key: NoteKey, text: str, signature: bytes) -> None:
    """Check an Ed25519 signature over the text of a note. Raises `BadSignature`."""
    if key.type != ED25519:
        raise BadSignature("keys of that type sign checkpoints only")
    verify(key.public, text.encode(), signature)


def verify_note(data: bytes, keys: Sequence[NoteKey]) -> SignedNote:
    """Check a note of any text against the Ed25519 keys known. Raises as `verify_signatures` does."""
    return verify_signatures(parse_note(data), keys, check_text)


def verify_signatures(note: SignedNote, keys: Sequence[NoteKey], check: Check) -> SignedNote:
    """Check a note's signatures; the note returned has only those that ``keys`` made, in their order under the note.

    Lines by unknown keys are ignored. A line by a known key that does not verify spoils the whole note, with
    `BadSignature`; without any line by a known key it is `CheckpointUntrusted`; with two by one it is `BadCheckpoint`.
    """
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[NoteKey, NoteSignature] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if key in verified:
            raise BadCheckpoint("a key known here signed the note twice")
        check(key, note.text, signature.signature)
        verified[key] = signature
    if not verified:
        raise CheckpointUntrusted("no key known here signed the note")
    return SignedNote(note.text, tuple(verified.values()))


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes of canonical base64: no junk, no missing padding, no stray bits. Raises `BadCheckpoint`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadCheckpoint("a text is not base64") from None
    if encode_base64(data) != text:
        raise BadCheckpoint("a base64 text is not in its canonical form")
    return data


def parse_signatures(data: bytes) -> tuple[NoteSignature, ...]:
    """Signature lines that stand alone, as a witness answers with them. Raises `BadCheckpoint`."""
    note = parse_note(_PLACEHOLDER + data)
    if note.text != "-\n":
        raise BadCheckpoint("there is an empty line among the signature lines")
    return note.signatures


def _parse_line(line: str) -> NoteSignature:
    if not line.startswith(_MARK):
        raise BadCheckpoint("a signature line does not begin with a dash and a space")
    name, _, payload = line.removeprefix(_MARK).partition(" ")
    _check_name(name)
    data = decode_base64(payload)
    if len(data) <= _KEY_ID_SIZE:
        raise BadCheckpoint("a signature line holds no signature")
    return NoteSignature(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])


def _key_id(name: str, key_type: int, public: bytes) -> bytes:
    _check_name(name)
    return hashlib.sha256(name.encode() + b"\n" + bytes((key_type,)) + public).digest()[:_KEY_ID_SIZE]


def _check_name(name: str) -> None:
    if name.split() != [name] or "+" in name:
        raise BadCheckpoint("a key name is empty, or has a space or a plus sign")
    if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
        raise BadCheckpoint("a key name is not valid Unicode")
