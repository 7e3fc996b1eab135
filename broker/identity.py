"""Who is at the other end of a TLS connection: the party that the directory in force pins its certificate key for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.x509 import load_pem_x509_certificate

from schemas.directory.history import Directory
from schemas.errors import BadConfig, NotPinned, Suspended
from schemas.pins import spki_digest, spki_pin


@dataclass(frozen=True, slots=True)
class Party:
    """A member agency or an auditor."""

    kind: Literal["agency", "auditor"]
    id: str


def certificate_pin(path: Path) -> bytes:
    """SHA-256 of the public key of the certificate in a PEM file. Raises `BadConfig`."""
    try:
        certificate = load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path} holds no certificate in PEM: {error}") from error
    return spki_pin(certificate.public_key())


def identify(certificate: bytes | None, directory: Directory) -> Party:
    """The party that presents `certificate` (DER). Raises `NotPinned`, and `Suspended` for an agency that is."""
    if certificate is None:
        raise NotPinned("the connection presents no certificate")
    try:
        pin = spki_digest(certificate)
    except ValueError as error:
        raise NotPinned("the certificate's key cannot be read") from error
    return pinned_party(pin, directory)


def pinned_party(pin: bytes, directory: Directory) -> Party:
    """The party whose certificate key has this SHA-256. Raises as `identify` does."""
    try:
        return Party("auditor", directory.auditor_by_tls(pin))
    except NotPinned:
        agency = directory.agency_by_tls(pin)
    if not directory.is_active(agency):
        raise Suspended(f"{agency} is suspended")
    return Party("agency", agency)
