"""Mutual TLS 1.3 towards the hub, with the hub's certificate key pinned.

The pin is checked inside the handshake, so nothing of ours is sent to anybody who cannot prove that key. The
certificate chain and the host name are verified as well.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from nodes.config import HubSettings
from schemas.errors import BadConfig, OpenPermissions
from schemas.pins import spki_digest

PIN_FAILED: Final = "the hub's certificate key is not the one pinned"


class PinnedObject(ssl.SSLObject):
    """A TLS connection whose handshake fails unless the peer's certificate key is the pinned one."""

    def do_handshake(self) -> None:
        """Complete the handshake, then compare the key. Raises ssl.SSLCertVerificationError."""
        super().do_handshake()
        context = self.context
        if not isinstance(context, _PinnedContext) or _pin(self.getpeercert(binary_form=True)) != context.pin:
            raise ssl.SSLCertVerificationError(PIN_FAILED)


def _pin(certificate: bytes | None) -> bytes | None:
    try:
        return None if certificate is None else spki_digest(certificate)
    except ValueError:
        return None  # OpenSSL took it for a certificate, but its key cannot be read


class _PinnedContext(ssl.SSLContext):
    """A client context that knows the pin."""

    pin: bytes
    sslobject_class = PinnedObject


def tls_context(settings: HubSettings) -> ssl.SSLContext:
    """TLS 1.3 with our certificate, the hub's authority and its pin. Raises BadConfig, OpenPermissions."""
    _refuse_open(settings.key)
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.pin = settings.pin
    try:
        context.load_verify_locations(settings.ca)
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(
            f"the TLS files of the node cannot be used: {error}",
            hint="check ca, certificate and key in [hub] of node.toml: PEM files, and the key must fit the certificate",
        ) from None
    return context


def _refuse_open(key: Path) -> None:
    try:
        mode = key.stat().st_mode
    except OSError as error:
        raise BadConfig(f"the TLS key {key} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise OpenPermissions(f"the TLS key {key} is open to others on this machine", hint=f"close it: chmod 600 {key}")
