"""The sealed body: the alert, padded and encrypted once under a content key that is used for nothing else."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from schemas.codec import Value, decode, encode, pack
from schemas.errors import BodyUnreadable, EncodingRefusal, TooLarge
from schemas.limits import MAX_BODY

CONTENT_KEY_SIZE: Final = 32
TAG_SIZE: Final = 16
_AAD: Final = b"crossbearing/1/body\0"
_COMMIT: Final = b"xb1-commit"
_NONCE: Final = bytes(12)
"""A nonce separates messages under one key; a content key seals one message."""
_INNER, _ID, _SENDER = b"\x83" + pack("alert"), pack("id"), pack("sender")
"""A map of three begins; its keys are in their canonical order."""
_END: Final = b"\x80"
"""Ends the plaintext; zeros follow up to the padded length."""


def commitment(content_key: bytes) -> bytes:
    """What the header says of the content key: it binds sender and recipients to one key, and so to one plaintext."""
    return hashlib.sha256(_COMMIT + content_key).digest()


def seal_body(plaintext: dict[str, Value], content_key: bytes) -> bytes:
    """Encode, pad (Padmé) and encrypt a body. Raises `TooLarge` above MAX_BODY."""
    return seal_encoded(encode(plaintext), content_key)


def encode_inner(alert_id: bytes, sender: str, alert: bytes) -> bytes:
    """The encoding of what a body holds, around the encoding of the alert's wire map: `alert`, `id` and `sender`."""
    return b"".join((_INNER, alert, _ID, pack(alert_id), _SENDER, pack(sender)))


def seal_encoded(plaintext: bytes, content_key: bytes) -> bytes:
    """`seal_body` of what is encoded already."""
    encoded = plaintext + _END
    size = padded_size(len(encoded))
    if size + TAG_SIZE > MAX_BODY:
        raise TooLarge(f"the sealed body would have {size + TAG_SIZE} bytes, where {MAX_BODY} are allowed")
    return ChaCha20Poly1305(content_key).encrypt(_NONCE, encoded.ljust(size, b"\0"), _AAD)


def open_body(sealed: bytes, content_key: bytes) -> Value:
    """Decrypt, unpad and decode a body. Raises `BodyUnreadable`."""
    if len(sealed) > MAX_BODY:
        raise BodyUnreadable(f"the body has {len(sealed)} bytes, where {MAX_BODY} are allowed")
    try:
        padded = ChaCha20Poly1305(content_key).decrypt(_NONCE, sealed, _AAD)
    except (InvalidTag, ValueError):
        raise BodyUnreadable("the body does not decrypt under the alert's content key") from None
    end = padded.rfind(_END)
    if end < 0 or padded[end + 1 :].strip(b"\0") or len(padded) != padded_size(end + 1):
        raise BodyUnreadable("the body's padding is wrong")
    try:
        return decode(padded[:end], max_size=MAX_BODY)
    except EncodingRefusal as error:
        raise BodyUnreadable(f"the body does not decode: {error.message}", cause=error.code) from error


def padded_size(size: int) -> int:
    """The Padmé size of ``size`` bytes (Nikitin et al., PETS 2019): at most 12 % more, and few distinct sizes.

    The last E - S bits are rounded up, where E is the binary exponent of the size and S the bits needed to write E.
    """
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask
