"""Calls the duty desks that agencies publish: one HTTPS POST to the address and the key in their own signed document.

The key is compared inside the TLS handshake, so nothing is sent to anybody else; no authority and no name is trusted.
Nothing of the answer is read but its status, redirects are not followed, and where a call may go the operator rules.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any, Final

import aiohttp

from broker.destinations import Destinations
from schemas.directory.contacts import Contact
from schemas.errors import Unreachable
from schemas.pins import spki_digest

SECONDS: Final = 10.0
"""For a whole call: a desk that takes longer is not one that wakes anybody, and the next contact waits."""


class _PinnedObject(ssl.SSLObject):
    """A TLS connection whose handshake fails unless the peer's certificate key is the pinned one."""

    def do_handshake(self) -> None:
        """Complete the handshake, then compare the key. Raises ssl.SSLCertVerificationError."""
        super().do_handshake()
        certificate = self.getpeercert(binary_form=True)
        context = self.context
        if not isinstance(context, _PinnedContext) or certificate is None or spki_digest(certificate) != context.pin:
            raise ssl.SSLCertVerificationError("its certificate key is not the one that the agency publishes")


class _PinnedContext(ssl.SSLContext):
    """A client context that trusts one key."""

    pin: bytes
    sslobject_class = _PinnedObject


class Desks:
    """Calls contacts, as far as the operator's `destinations` allow."""

    def __init__(self, destinations: Destinations, *, seconds: float = SECONDS) -> None:
        self._destinations = destinations
        self._timeout = aiohttp.ClientTimeout(total=seconds)

    async def call(self, contact: Contact, body: bytes, key: str) -> None:
        """POST the JSON `body` under an idempotency `key`; returns when the contact took it (2xx).

        Raises `Unreachable` for anything else.
        """
        connector = aiohttp.TCPConnector(ssl=_context(contact.pin), socket_factory=self._socket, force_close=True)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
                ) as session,
                session.post(contact.url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                status = response.status
        except TimeoutError as error:
            raise Unreachable(f"it did not answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"it cannot be reached: {error}") from error
        if not 200 <= status < 300:
            raise Unreachable(f"it answered with status {status}")

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The socket for an address that was looked up, if it may be called. Raises PermissionError."""
        family, kind, protocol, _, address = info
        if not self._destinations.allow(address[0].partition("%")[0]):
            raise PermissionError(errno.EPERM, f"{address[0]} is not among the networks that escalation may call")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def _context(pin: bytes) -> ssl.SSLContext:
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin is the trust, and it is stricter
    context.pin = pin
    return context
