"""Reading the hub's log over HTTPS as an auditor: TLS 1.3, the auditor's own certificate, the hub's key pinned."""

from __future__ import annotations

import hmac
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection, IncompleteRead
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from nodes.auditor.mirror import path_limit
from schemas.errors import BadConfig, ExampleKeys, Missing, NotPinned, Overloaded, Purged, TooLarge, Unreachable
from schemas.example import is_example_seed, is_loopback
from schemas.pins import spki_digest

TRIES = 3
"""A kept-alive connection may have been closed meanwhile; a hub that fails three times in a row is not there."""
PATIENCE = 20
"""And one that has too much to do twenty times in a row will not get to it now."""
LONGEST_PAUSE_MS = 30_000
TIMEOUT_S = 30.0
DEFAULT_PORT = 7443


@dataclass(frozen=True, slots=True)
class HubAccess:
    """Where the hub is, and the auditor's credentials for it (PEM files)."""

    url: str
    certificate: Path
    private_key: Path
    authority: Path
    pin: str | None = None
    """SHA-256 of the hub's SubjectPublicKeyInfo, hex."""


class Hub:
    """One connection to the hub's log, reopened as needed. Use it in a `with` block.

    Raises `BadConfig` for an address or credentials that cannot be used, and `ExampleKeys` for the published example
    keys on an address that is not loopback.
    """

    def __init__(self, access: HubAccess, *, sleep: Callable[[float], None] = time.sleep) -> None:
        host, port = _address(access.url)
        if not is_loopback(host) and _is_example(access):
            raise ExampleKeys(f"the key given is a published example key, and {host} is not loopback")
        self._pin = access.pin
        self._sleep = sleep
        self.where = f"https://{host}:{port}"
        self._connection = HTTPSConnection(host, port, timeout=TIMEOUT_S, context=_context(access))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str) -> bytes:
        """Return one resource of the log.

        Raises `Missing` (404), `Purged` (410), `NotPinned` (403), `TooLarge`, `Unreachable`. A hub that has too
        much to do (503) is asked again when it says; `Overloaded` when it never gets to it.
        """
        failures = 0
        while True:
            try:
                return self._get(path)
            except Overloaded as busy:
                failures += 1
                if failures == PATIENCE:
                    raise
                self._sleep(min(busy.retry_after, LONGEST_PAUSE_MS) / 1_000)
            except (OSError, HTTPException) as error:
                self._connection.close()
                failures += 1
                if failures == TRIES or isinstance(error, ssl.SSLError):
                    raise Unreachable(f"{self.where}/{path} cannot be read: {_reason(error)}") from error

    def _get(self, path: str) -> bytes:
        if self._connection.sock is None:
            self._connection.connect()
            self._check_pin()
        self._connection.request("GET", f"/{path}")
        response = self._connection.getresponse()
        limit = path_limit(path)
        data = response.read(limit + 1)
        if len(data) > limit:
            self._connection.close()
            raise TooLarge(f"{self.where}/{path} is larger than such a resource can be")
        if response.length:
            raise IncompleteRead(data, response.length)
        if response.status == 404:
            raise Missing(f"{self.where} has no {path}", path=path)
        if response.status == 410:
            raise Purged(f"{self.where} has deleted {path}", path=path)
        if response.status in (401, 403):
            raise NotPinned(
                f"{self.where} does not let this certificate read {path}",
                hint="Use the certificate whose key the directory lists for an auditor.",
            )
        if response.status == 503:
            seconds = response.headers.get("Retry-After", "")
            after = int(seconds) if re.fullmatch("[0-9]{1,4}", seconds) else 1
            raise Overloaded(f"{self.where} has too much to do for {path}", retry_after=1_000 * after)
        if response.status != 200:
            raise Unreachable(f"{self.where}/{path} answered {response.status}")
        return data

    def _check_pin(self) -> None:
        if self._pin is None:
            return
        found = hub_pin(self._connection)
        if not hmac.compare_digest(found, self._pin.lower()):
            self._connection.close()
            raise Unreachable(
                f"{self.where} shows a certificate with another key ({found}) than the one pinned",
                hint="Check the pin with two governors; do not go on if it is right.",
            )


def hub_pin(connection: HTTPSConnection) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo the other end of an open connection showed, in hex."""
    sock = connection.sock
    der = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    if der is None:
        raise Unreachable("the other end showed no certificate")
    try:
        return spki_digest(der).hex()
    except ValueError as error:
        raise Unreachable("the other end showed a certificate whose key cannot be read") from error


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise BadConfig(f"{url!a} is not an address") from error
    if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadConfig(f"{url!a} is not a hub's address", hint="Write it as https://127.0.0.1:7443.")
    return parts.hostname, port


def _context(access: HubAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(access.certificate, access.private_key)
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(
            f"the certificate, its key or the authority cannot be used: {_reason(error)}",
            hint="Give PEM files that belong together with --cert, --key and --ca.",
        ) from error
    return context


def _is_example(access: HubAccess) -> bool:
    """Whether the private key is one that anybody can compute from the name in its certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(access.certificate.read_bytes())
        key = load_pem_private_key(access.private_key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return False  # the context names what is wrong with the files
    if not isinstance(key, Ed25519PrivateKey):
        return False
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    names = (str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return any(is_example_seed(name.removeprefix("EXAMPLE "), "tls", seed) for name in names)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
