"""Public-key operations, sealing and hashing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b, sha256

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from benchmarks.floors.timing import Floor, processor
from schemas.keys import MlDsaKey, SealingKey, seal_to, verify_ml_dsa

HEADER, BODY = 2_600, 1_024  # bytes: with thirty recipients, and of the scenario's alerts
PATH = 20  # hashes: a log of a million entries
_NONCE = bytes(12)


def floors() -> Iterator[Floor]:
    """Each floor in turn."""
    header, body, key = os.urandom(HEADER), os.urandom(BODY), os.urandom(32)
    public, secret = crypto_sign_seed_keypair(os.urandom(32))
    signed = crypto_sign(header, secret)
    yield processor("sign", "Ed25519 sign, a header of 2.6 kB", lambda: crypto_sign(header, secret))
    yield processor("verify", "Ed25519 verify, the same", lambda: crypto_sign_open(signed, public))
    sealing = SealingKey(os.urandom(32))
    opener = seal_to(sealing.public, key, b"")
    yield processor("opener seal", "X-Wing (HPKE) seal of a pair key", lambda: seal_to(sealing.public, key, b""))
    yield processor("opener open", "X-Wing (HPKE) open", lambda: sealing.open(opener, b""))
    yield processor("wrap", "wrap: BLAKE2b of 48 bytes, ChaCha20-Poly1305 of 32", lambda: _wrap(key))
    sealed = ChaCha20Poly1305(key).encrypt(_NONCE, body, None)
    yield processor(
        "body seal",
        "ChaCha20-Poly1305 of 1 KiB, seal",
        lambda: ChaCha20Poly1305(key).encrypt(_NONCE, body, None),
    )
    yield processor(
        "body open",
        "ChaCha20-Poly1305 of 1 KiB, open",
        lambda: ChaCha20Poly1305(key).decrypt(_NONCE, sealed, None),
    )
    yield processor("digest", "SHA-256 of 1 KiB", lambda: sha256(body).digest())
    yield processor("blake2b", "BLAKE2b-256 of 1 KiB", lambda: blake2b(body, digest_size=32).digest())
    yield processor("leaf", "SHA-256 of an entry of 2.7 kB", lambda: sha256(signed).digest())
    hashes = [os.urandom(32) for _ in range(PATH)]
    yield processor("path", "Merkle path of 20 hashes", lambda: _climb(key, hashes))
    ml_dsa = MlDsaKey(os.urandom(32))
    signature = ml_dsa.sign(key)
    yield processor("ml-dsa sign", "ML-DSA-44 sign", lambda: ml_dsa.sign(key))
    yield processor("ml-dsa verify", "ML-DSA-44 verify", lambda: verify_ml_dsa(ml_dsa.public, key, signature))


def _wrap(key: bytes) -> bytes:
    wrapping = blake2b(key[:16] + key, digest_size=32, key=key, person=b"xb1-wrap").digest()
    return ChaCha20Poly1305(wrapping).encrypt(_NONCE, key, None)


def _climb(leaf: bytes, path: list[bytes]) -> bytes:
    for sibling in path:
        leaf = sha256(b"\1" + leaf + sibling).digest()
    return leaf
