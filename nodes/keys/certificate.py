"""The node's certificate and its successor: made, signed by the authority, and taken up in two renames.

Beside the key and certificate in use lie, during a rotation, ``next.key``, ``next.csr`` and ``next.pem``. The key is
made first and its pin published; the authority's certificate comes when it comes. Taking up renames the key, then the
certificate. A crash between the two leaves a certificate ``next.pem`` that fits the key in use; `settle` finishes that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from nodes.config import HubSettings
from nodes.durable import sync_folder, write_durably
from nodes.private_files import read_private
from schemas.errors import BadConfig, NotFound
from schemas.pins import spki_pin

_MAX_PEM = 65_536


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files of one node's certificate, in use and next."""

    certificate: Path
    key: Path

    @property
    def next_key(self) -> Path:
        """The next private key, until it is taken up."""
        return self.key.with_name("next.key")

    @property
    def next_request(self) -> Path:
        """What the authority signs (PKCS #10)."""
        return self.key.with_name("next.csr")

    @property
    def next_certificate(self) -> Path:
        """The authority's answer, until it is taken up."""
        return self.key.with_name("next.pem")

    @property
    def installed(self) -> bool:
        """Whether a successor is complete: key and certificate."""
        return self.next_key.exists() and self.next_certificate.exists()

    def pins(self) -> tuple[bytes, ...]:
        """The pin of the key in use, then that of the next one if there is one. Raises `BadConfig`, `NotFound`."""
        return tuple(_pin(path) for path in (self.key, self.next_key) if path == self.key or path.exists())

    def next_settings(self, settings: HubSettings) -> HubSettings:
        """How to reach the hub with the successor."""
        return replace(settings, certificate=self.next_certificate, key=self.next_key)


def certificates(settings: HubSettings) -> Certificates:
    """The files that node.toml names."""
    return Certificates(settings.certificate, settings.key)


def make_next(files: Certificates, agency: str) -> bool:
    """Make the next private key and the request for its certificate; what is there already stays. True if made.

    Raises `BadConfig`, OSError.
    """
    fresh = not files.next_key.exists()
    if fresh:
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_durably(files.next_key, pem, mode=0o600)
    if fresh or not files.next_request.exists():
        write_durably(files.next_request, _request(files, agency), mode=0o644)
    return fresh


def install(files: Certificates, pem: bytes, *, now: int) -> None:
    """Put the authority's certificate beside the next key. Raises `BadConfig` when it does not fit, `NotFound`."""
    if not files.next_key.exists():
        raise NotFound(
            f"no certificate is expected: there is no {files.next_key}", hint="Begin with `bearing keys rotate tls`."
        )
    certificate = _certificate(pem, "the certificate given")
    if spki_pin(certificate.public_key()) != _pin(files.next_key):
        raise BadConfig(
            f"the certificate is not for the key in {files.next_key}",
            hint=f"Have the authority sign {files.next_request}.",
        )
    at = datetime.fromtimestamp(now / 1_000, UTC)
    if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
        raise BadConfig("the certificate is not valid now", hint="Compare its dates with this machine's clock.")
    write_durably(files.next_certificate, pem, mode=0o600)


def take_up(files: Certificates) -> None:
    """Make the successor the certificate in use. Raises OSError; whatever it leaves, `settle` and this finish."""
    files.next_key.rename(files.key)
    settle(files)


def settle(files: Certificates) -> bool:
    """Finish a taking-up that a crash cut between its two renames; True if there was one. Raises OSError."""
    if files.next_key.exists() or not files.next_certificate.exists():
        return False
    try:
        found = _certificate(files.next_certificate.read_bytes(), str(files.next_certificate))
    except BadConfig:
        return False  # not what a taking-up leaves
    if spki_pin(found.public_key()) != _pin(files.key):
        return False
    files.next_certificate.rename(files.certificate)
    files.next_request.unlink(missing_ok=True)
    for folder in {files.key.parent, files.certificate.parent}:
        sync_folder(folder)
    return True


def expires(path: Path) -> int | None:
    """When the certificate in a file ends (ms); None when it cannot be read."""
    try:
        return int(_certificate(path.read_bytes(), str(path)).not_valid_after_utc.timestamp() * 1_000)
    except (OSError, BadConfig):
        return None


def _request(files: Certificates, agency: str) -> bytes:
    """A request that asks for what the certificate in use has: its subject and its names."""
    subject, names = _identity(files.certificate, agency)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    private = load_pem_private_key(_read_key(files.next_key), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise BadConfig(f"{files.next_key} holds another kind of key than this program makes")
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def _identity(path: Path, agency: str) -> tuple[x509.Name, Sequence[x509.GeneralName]]:
    try:
        current = _certificate(path.read_bytes(), str(path))
    except OSError:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, agency)]), ()
    try:
        names = current.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return current.subject, ()
    return current.subject, tuple(names)


def _pin(path: Path) -> bytes:
    try:
        return spki_pin(load_pem_private_key(_read_key(path), None).public_key())
    except (ValueError, TypeError) as error:
        raise BadConfig(f"{path} is not an unencrypted private key in PEM form") from error


def _read_key(path: Path) -> bytes:
    return read_private(path, max_size=_MAX_PEM, what="certificate key")


def _certificate(pem: bytes, what: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise BadConfig(f"{what} is not a certificate in PEM form") from error
