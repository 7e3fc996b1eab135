"""Pair keys: a secret sealed once to a recipient by X-Wing, then cheap symmetric wraps for many alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from schemas.codec import encode
from schemas.envelope.body import CONTENT_KEY_SIZE
from schemas.envelope.header_wire import OPENER_ID_SIZE, WRAP_SIZE
from schemas.errors import OpenerUnknown, WrapFailed
from schemas.ids import ID_SIZE, key_id, sha256
from schemas.keys import SEALED_OVERHEAD, SealingKey, seal_to

SECRET_SIZE: Final = 32
OPENER_SIZE: Final = SEALED_OVERHEAD + SECRET_SIZE
_INFO: Final = b"crossbearing/1/opener\0"
_PERSON: Final = b"xb1-wrap"
_NONCE: Final = bytes(12)
"""A wrapping key depends on the commitment to a fresh content key, so it wraps once."""


def make_opener(secret: bytes, *, sender: str, recipient: str, sender_key_id: bytes, recipient_public: bytes) -> bytes:
    """Seal a pair secret to a recipient's sealing key; 1,168 bytes, different at every call.

    ``sender_key_id`` names the sender's signing key: an opener is worth nothing under another one.
    """
    info = _info(sender, recipient, sender_key_id, key_id(recipient_public))
    return seal_to(recipient_public, secret, info)


def open_opener(
    opener: bytes, *, sender: str, recipient: str, sender_key_id: bytes, keys: Sequence[SealingKey]
) -> bytes:
    """The pair secret in an opener, with whichever of our sealing ``keys`` it was made for. Raises `OpenerUnknown`."""
    if len(opener) == OPENER_SIZE:
        for key in keys:
            try:
                secret = key.open(opener, _info(sender, recipient, sender_key_id, key.key_id))
            except WrapFailed:
                continue
            return secret
    raise OpenerUnknown(f"the opener from {sender} opens with none of the {len(keys)} sealing keys held")


def opener_id(opener: bytes) -> bytes:
    """The 16 bytes by which headers name an opener."""
    return sha256(opener)[:OPENER_ID_SIZE]


def wrap(secret: bytes, alert_id: bytes, commitment: bytes, content_key: bytes) -> bytes:
    """The content key of one alert, encrypted under the pair secret; 48 bytes."""
    return ChaCha20Poly1305(_wrapping_key(secret, alert_id, commitment)).encrypt(_NONCE, content_key, None)


def unwrap(secret: bytes, alert_id: bytes, commitment: bytes, wrapped: bytes) -> bytes:
    """The content key in a wrap. Raises `WrapFailed`."""
    try:
        if len(wrapped) != WRAP_SIZE:
            raise ValueError("a wrap of another length")
        return ChaCha20Poly1305(_wrapping_key(secret, alert_id, commitment)).decrypt(_NONCE, wrapped, None)
    except (InvalidTag, ValueError):
        raise WrapFailed("the wrapped content key does not open under the pair key") from None


def _wrapping_key(secret: bytes, alert_id: bytes, commitment: bytes) -> bytes:
    """BLAKE2b-256 keyed with the secret; all three inputs have a fixed length, so they cannot be confused."""
    if len(secret) != SECRET_SIZE or len(alert_id) != ID_SIZE:
        raise WrapFailed("a pair secret or an alert id has another length than the format's")
    return hashlib.blake2b(alert_id + commitment, digest_size=CONTENT_KEY_SIZE, key=secret, person=_PERSON).digest()


def _info(sender: str, recipient: str, sender_key_id: bytes, recipient_key_id: bytes) -> bytes:
    """What an opener is bound to: format version, both parties, and the keys of both."""
    return _INFO + encode([sender, recipient, sender_key_id, recipient_key_id])
