"""Certificates by the example authority, as a node's operator gets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.example.pki import authority, tls_key
from nodes.config import HubSettings
from nodes.keys.certificate import Certificates, install, make_next
from nodes.ports import Connection
from schemas.errors import CrossbearingError
from tests.support.directory import DAY_MS, NOW

ME = "sg-cnb"


def issue(csr: bytes, *, starts: int = NOW - DAY_MS, ends: int = NOW + 90 * DAY_MS) -> bytes:
    """What the authority answers to a request."""
    request = x509.load_pem_x509_csr(csr)
    assert request.is_signature_valid
    public = request.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.load_pem_x509_certificate(authority().certificate).subject)
        .public_key(public)
        .serial_number(7)
        .not_valid_before(epoch + timedelta(milliseconds=starts))
        .not_valid_after(epoch + timedelta(milliseconds=ends))
    )
    return builder.sign(tls_key("ca"), None).public_bytes(Encoding.PEM)


def installed(files: Certificates) -> bytes:
    """The pin of a successor that is complete."""
    make_next(files, ME)
    install(files, issue(files.next_request.read_bytes()), now=NOW)
    return files.pins()[1]


class Pipe:
    """A connection that only knows whether it was closed."""

    def __init__(self, key: Path) -> None:
        self.key = key
        self.closed = False

    async def send(self, data: bytes) -> None:
        raise AssertionError(data)

    async def receive(self) -> bytes | None:
        return None

    async def close(self) -> None:
        self.closed = True


class Hub:
    """What a hub says to each certificate key: by the name of its file."""

    def __init__(self) -> None:
        self.refuses: dict[str, CrossbearingError] = {}
        self.asked: list[str] = []
        self.opened: list[Pipe] = []

    def link(self, settings: HubSettings) -> Caller:
        return Caller(self, settings)


class Caller:
    """A link to that hub."""

    def __init__(self, hub: Hub, settings: HubSettings) -> None:
        self.hub = hub
        self.settings = settings

    async def connect(self) -> Connection:
        name = self.settings.key.name
        self.hub.asked.append(name)
        if name in self.hub.refuses:
            raise self.hub.refuses[name]
        self.hub.opened.append(Pipe(self.settings.key))
        return self.hub.opened[-1]
