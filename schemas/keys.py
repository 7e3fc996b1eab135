"""Key types: Ed25519 for signing, X-Wing (ML-KEM-768 with X25519) for sealing, ML-DSA-44 for post-quantum witnessing.

Private keys are 32-byte seeds. Wrong lengths and wrong signatures raise; nothing here returns False.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from schemas.errors import BadSignature, Malformed, WrapFailed
from schemas.ids import key_id

SEED_SIZE = 32
ED25519_PUBLIC_SIZE = 32
ED25519_SIGNATURE_SIZE = 64
ML_DSA_44_PUBLIC_SIZE = 1312
ML_DSA_44_SIGNATURE_SIZE = 2420
ML_KEM_768_PUBLIC_SIZE = 1184
X_WING_PUBLIC_SIZE = ML_KEM_768_PUBLIC_SIZE + 32
X_WING_CIPHERTEXT_SIZE = 1088 + 32
SEALED_OVERHEAD = X_WING_CIPHERTEXT_SIZE + 16
"""Bytes that sealing adds: the encapsulated key and the Poly1305 tag."""

# HKDF-SHA256 is the key derivation that RFC 9180 itself registers and every HPKE library has. Of the post-quantum HPKE
# draft only the KEM is taken, so a later change of that draft's own SHAKE-based derivations does not reach us.
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


class SigningKey:
    """An Ed25519 private key (RFC 8032) made from its 32-byte seed. Raises `Malformed` for another length."""

    __slots__ = ("_secret", "key_id", "public")

    def __init__(self, seed: bytes) -> None:
        self.public, self._secret = crypto_sign_seed_keypair(_sized(seed, SEED_SIZE, "a signing seed"))
        self.key_id = key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over ``message``."""
        return crypto_sign(message, self._secret)[:ED25519_SIGNATURE_SIZE]


class WitnessKey(SigningKey):
    """An Ed25519 key used for cosigning checkpoints, and for nothing else: a cosignature does not name its cosigner."""

    __slots__ = ()


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 ``signature`` over exactly ``message``. Raises `BadSignature`, for wrong lengths too.

    libsodium refuses keys and points of small order and numbers that are not reduced, so no second form exists.
    """
    if len(public) != ED25519_PUBLIC_SIZE or len(signature) != ED25519_SIGNATURE_SIZE:
        raise BadSignature("a key or signature is not of the length Ed25519 has")
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        raise BadSignature("the signature does not verify") from None


class SealingKey:
    """An X-Wing private key (draft-connolly-cfrg-xwing-kem) made from its 32-byte seed.

    The seed is expanded by SHAKE-256 to 96 bytes: 64 for ML-KEM-768 (d and z), 32 for X25519. ``public`` is the
    ML-KEM-768 key followed by the X25519 key, 1,216 bytes. Raises `Malformed` for a seed of another length.
    """

    __slots__ = ("_private", "key_id", "public")

    def __init__(self, seed: bytes) -> None:
        expanded = hashlib.shake_256(_sized(seed, SEED_SIZE, "a sealing seed")).digest(96)
        post_quantum = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        classical = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._private = hpke.MLKEM768X25519PrivateKey(post_quantum, classical)
        self.public = post_quantum.public_key().public_bytes_raw() + classical.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What `seal_to` sealed to this key under the same ``info``. Raises `WrapFailed`."""
        try:
            return _SUITE.decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError):
            raise WrapFailed("the sealed bytes do not open with this sealing key") from None


def seal_to(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal ``plaintext`` to an X-Wing public key: HPKE base mode, single shot (RFC 9180 section 6.1).

    KEM MLKEM768-X25519 (X-Wing, 0x647a), KDF HKDF-SHA256 (0x0001), AEAD ChaCha20-Poly1305 (0x0003). The result is the
    1,120-byte encapsulated key followed by the ciphertext; 32 bytes become 1,168. Raises `Malformed` for a bad key.
    """
    return _SUITE.encrypt(plaintext, _x_wing_public(public), info)


@lru_cache(maxsize=512)
def _x_wing_public(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    _sized(public, X_WING_PUBLIC_SIZE, "a sealing key")
    try:
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:ML_KEM_768_PUBLIC_SIZE]),
            X25519PublicKey.from_public_bytes(public[ML_KEM_768_PUBLIC_SIZE:]),
        )
    except ValueError:
        raise Malformed("the bytes are not an X-Wing public key") from None


class MlDsaKey:
    """An ML-DSA-44 private key (FIPS 204) made from its 32-byte seed. Raises `Malformed` for another length."""

    __slots__ = ("_private", "key_id", "public")

    def __init__(self, seed: bytes) -> None:
        self._private = MLDSA44PrivateKey.from_seed_bytes(_sized(seed, SEED_SIZE, "a witness seed"))
        self.public = self._private.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """A 2,420-byte signature over ``message``, with an empty context; two calls give two signatures."""
        return self._private.sign(message)


def verify_ml_dsa(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an ML-DSA-44 ``signature`` over exactly ``message``. Raises `BadSignature`, for wrong lengths too."""
    if len(public) != ML_DSA_44_PUBLIC_SIZE or len(signature) != ML_DSA_44_SIGNATURE_SIZE:
        raise BadSignature("a key or signature is not of the length ML-DSA-44 has")
    try:
        _ml_dsa_public(public).verify(signature, message)
    except InvalidSignature:
        raise BadSignature("the signature does not verify") from None


@lru_cache(maxsize=512)
def _ml_dsa_public(public: bytes) -> MLDSA44PublicKey:
    return MLDSA44PublicKey.from_public_bytes(public)


def _sized(data: bytes, size: int, what: str) -> bytes:
    if len(data) != size:
        raise Malformed(f"{what} has {size} bytes, not {len(data)}")
    return data
