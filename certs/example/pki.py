"""Example certificates: one authority and Ed25519 leaves, the same bytes at every run.

Keys come from `schemas.example.example_seed`, serial numbers from the names, the validity is fixed, and Ed25519
signatures are deterministic, so nothing here depends on when or where it is made. X.509 as in RFC 5280.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from schemas.example import example_seed
from schemas.pins import spki_pin

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2036, 1, 1, tzinfo=UTC)
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
DOMAIN = "crossbearing.example"  # RFC 2606: nobody can own it


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its private key, both as PEM."""

    certificate: bytes
    private_key: bytes
    pin: str
    """SHA-256 of the SubjectPublicKeyInfo, hex: what a directory pins."""


def tls_key(name: str) -> Ed25519PrivateKey:
    """Return the TLS key of the example party `name`."""
    return Ed25519PrivateKey.from_private_bytes(example_seed(name, "tls"))


def pin(public: Ed25519PublicKey) -> str:
    """Return the SHA-256 of a public key's SubjectPublicKeyInfo, in hex."""
    return spki_pin(public).hex()


def authority() -> Identity:
    """Return the example certificate authority, which signs itself."""
    key = tls_key("ca")
    builder = _builder("ca", key.public_key(), is_authority=True)
    return _identity(builder.sign(key, None), key)


def leaf(name: str, *, hosts: tuple[str, ...] = ()) -> Identity:
    """Return the certificate of the party `name`, good for both ends of a TLS connection.

    `hosts` are the DNS names or literal addresses it may serve at; every leaf also carries a name under `DOMAIN`.
    """
    key = tls_key(name)
    names = x509.SubjectAlternativeName([_general_name(host) for host in (*hosts, f"{name}.{DOMAIN}")])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = _builder(name, key.public_key(), is_authority=False)
    builder = builder.add_extension(names, critical=False).add_extension(usage, critical=False)
    return _identity(builder.sign(tls_key("ca"), None), key)


def _builder(name: str, public: Ed25519PublicKey, *, is_authority: bool) -> x509.CertificateBuilder:
    """Return what authority and leaves have in common; RFC 5280 section 4.2.1 names the extensions."""
    issuer = tls_key("ca").public_key()
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(_subject("ca"))
        .public_key(public)
        .serial_number(_serial(name))
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Crossbearing EXAMPLE, worthless keys"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"EXAMPLE {name}"),
        ]
    )


def _serial(name: str) -> int:
    """Return a serial that stays the same when agencies are added before this one; 15 octets are always positive."""
    return int.from_bytes(sha256(f"crossbearing example serial\0{name}".encode()).digest()[:15], "big")


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _identity(certificate: x509.Certificate, key: Ed25519PrivateKey) -> Identity:
    return Identity(
        certificate=certificate.public_bytes(Encoding.PEM),
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        pin=pin(key.public_key()),
    )
