"""Who is at the other end of a TLS connection: the party that the directory in force pins its certificate key for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from schemas.directory.history import Directory
from schemas.errors import BadConfig, NotPinned, Suspended
from schemas.ids import sha256


@dataclass(frozen=True, slots=True)
class Party:
    """A member agency or an auditor."""

    kind: Literal["agency", "auditor"]
    id: str


@lru_cache(maxsize=1024)
def spki_digest(certificate: bytes) -> bytes:
    """SHA-256 of the public key (SubjectPublicKeyInfo, DER) of a certificate (DER)."""
    public = load_der_x509_certificate(certificate).public_key()
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def certificate_pin(path: Path) -> bytes:
    """SHA-256 of the public key of the certificate in a PEM file. Raises `BadConfig`."""
    try:
        certificate = load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path} holds no certificate in PEM: {error}") from error
    return spki_digest(certificate.public_bytes(Encoding.DER))


def identify(certificate: bytes | None, directory: Directory) -> Party:
    """The party that presents `certificate` (DER). Raises `NotPinned`, and `Suspended` for an agency that is."""
    if certificate is None:
        raise NotPinned("the connection presents no certificate")
    pin = spki_digest(certificate)
    try:
        return Party("auditor", directory.auditor_by_tls(pin))
    except NotPinned:
        agency = directory.agency_by_tls(pin)
    if not directory.is_active(agency):
        raise Suspended(f"{agency} is suspended")
    return Party("agency", agency)
