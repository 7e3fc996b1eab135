"""What the directory pins of a certificate: SHA-256 of its key's DER SubjectPublicKeyInfo (RFC 7469 section 2.4).

A certificate may be renewed by any authority; the pin stays as long as the key does.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from schemas.ids import sha256


def spki_pin(public: PublicKeyTypes) -> bytes:
    """The pin of a public key, 32 bytes."""
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@lru_cache(maxsize=1024)
def spki_digest(certificate: bytes) -> bytes:
    """The pin of the public key in a certificate (DER). Raises ValueError for what is no certificate with a key."""
    try:
        return spki_pin(load_der_x509_certificate(certificate).public_key())
    except (InvalidVersion, UnsupportedAlgorithm) as error:  # a TLS library may take what this one cannot read
        raise ValueError(str(error)) from error
