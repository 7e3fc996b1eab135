"""The end-to-end encryption that a user would bolt on to a broker: signed, sealed once, wrapped for each recipient.

Ed25519 over everything, ChaCha20-Poly1305 for the body, an X25519 sealed box with the content key for each recipient.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    randombytes,
)
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.signing import SigningKey, VerifyKey

WRAP = 80  # a sealed box of 32 bytes
SIGNATURE = 64
_FIXED = struct.Struct(">QQ")  # number of the alert, when it was due (ns of the monotonic clock)
_NONCE = bytes(12)  # each key meets one plaintext


def signing_key(name: str) -> SigningKey:
    """The benchmark's key of that name."""
    return SigningKey(sha256(b"benchmark signing " + name.encode()).digest())


def sealing_key(number: int) -> PrivateKey:
    """The benchmark's key of that recipient."""
    return PrivateKey(sha256(b"benchmark sealing %d" % number).digest())


@dataclass(frozen=True, slots=True)
class Opened:
    """What a recipient finds in an alert."""

    number: int
    due: int
    body: bytes


class Sealer:
    """Seals alerts for all recipients."""

    def __init__(self, recipients: int) -> None:
        self._key = signing_key("sender")
        self._boxes = [SealedBox(PublicKey(bytes(sealing_key(n).public_key))) for n in range(recipients)]

    def seal(self, number: int, due: int, body: bytes) -> bytes:
        """One message for everybody."""
        content = randombytes(32)
        sealed = crypto_aead_chacha20poly1305_ietf_encrypt(body, b"", _NONCE, content)
        wraps = b"".join(box.encrypt(content) for box in self._boxes)
        signed = _FIXED.pack(number, due) + wraps + sealed
        return self._key.sign(signed).signature + signed


class Opener:
    """Verifies and opens the alerts of one recipient, and signs its receipts."""

    def __init__(self, number: int, recipients: int) -> None:
        self._number = number
        self._recipients = recipients
        self._box = SealedBox(sealing_key(number))
        self._sender = VerifyKey(bytes(signing_key("sender").verify_key))
        self._key = signing_key(f"recipient {number}")

    def open(self, message: bytes) -> Opened:
        """What is inside. Raises when a signature or a seal is not right."""
        signed = message[SIGNATURE:]
        self._sender.verify(signed, message[:SIGNATURE])
        number, due = _FIXED.unpack_from(signed)
        start = _FIXED.size + WRAP * self._number
        content = self._box.decrypt(signed[start : start + WRAP])
        sealed = signed[_FIXED.size + WRAP * self._recipients :]
        return Opened(number, due, crypto_aead_chacha20poly1305_ietf_decrypt(sealed, b"", _NONCE, content))

    def receipts(self, opened: Sequence[Opened]) -> list[bytes]:
        """A signed receipt for each."""
        return [bytes(self._key.sign(struct.pack(">BQ", self._number, alert.number))) for alert in opened]
