"""A handler that POSTs the alert as JSON to a URL, signed so that the receiver knows the node and the time.

Bearing-Timestamp: 1795449600
Bearing-Signature: v1=<hex HMAC-SHA256(secret, timestamp ‖ "." ‖ body)>
Idempotency-Key: <alert id>/<handler name>
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp

from nodes.handlers.delivery import Delivery
from nodes.handlers.settings import WebhookSettings
from nodes.private_files import read_private
from schemas.errors import BadConfig, CrossbearingError, HandlerFailed, NotFound

__all__ = ["WebhookHandler", "read_secret", "sign_webhook"]

ANSWER_KEPT: Final = 500
"""Bytes of a refusing answer kept for the dead-letter list."""

MIN_SECRET: Final = 16
MAX_SECRET: Final = 4_096
MAKE_ONE: Final = "Make one with: umask 077; openssl rand -hex 32 > FILE"


def sign_webhook(secret: bytes, timestamp: int, body: bytes) -> str:
    """The value of `Bearing-Signature` (RFC 2104 with SHA-256). `timestamp` is in seconds since the epoch."""
    digest = hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256)
    return f"v1={digest.hexdigest()}"


def read_secret(path: Path) -> bytes:
    """The secret shared with the receiver: the file's content without the newline at its end.

    Raises `OpenPermissions` if others may read the file, `BadConfig` if it is missing or of a wrong size.
    """
    try:
        secret = read_private(path, max_size=MAX_SECRET, what="webhook secret").removesuffix(b"\n")
    except NotFound as error:
        raise BadConfig(error.message, hint=MAKE_ONE) from error
    if len(secret) < MIN_SECRET:
        raise BadConfig(f"the webhook's secret in {path} has fewer than {MIN_SECRET} bytes", hint=MAKE_ONE)
    return secret


class WebhookHandler:
    """POSTs each delivery to `settings.url`; a 2xx answer within the timeout means the alert was taken over.

    `now` gives milliseconds since the epoch. Raises as `read_secret` does when it is made.
    """

    def __init__(self, settings: WebhookSettings, *, now: Callable[[], int]) -> None:
        self._settings = settings
        self._secret = read_secret(settings.secret_file)
        self._tls = _trust(settings.ca)
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, delivery: Delivery) -> None:
        """POST the alert. Raises `HandlerFailed` for any answer but 2xx, redirects included, and for none."""
        timestamp = self._now() // 1_000
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": delivery.key,
            "Bearing-Attempt": str(delivery.attempt),
            "Bearing-Timestamp": str(timestamp),
            "Bearing-Signature": sign_webhook(self._secret, timestamp, delivery.payload),
        }
        try:
            async with self._client().post(
                self._settings.url,
                data=delivery.payload,
                headers=headers,
                allow_redirects=False,  # an opened alert goes where the configuration says and nowhere else
            ) as response:
                if not 200 <= response.status < 300:
                    raise await self._refused(response)
        except TimeoutError as error:
            raise HandlerFailed(
                f"{self._settings.url} did not answer within {self._settings.timeout} seconds",
                hint="Let the receiver store the alert and work on it later, or raise the handler's timeout.",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise HandlerFailed(
                f"{self._settings.url} could not be reached: {error}",
                hint="Check that the receiver runs and that its certificate is trusted.",
            ) from error

    async def close(self) -> None:
        """Close the connections kept for the next delivery."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=1),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    async def _refused(self, response: aiohttp.ClientResponse) -> CrossbearingError:
        if 300 <= response.status < 400:
            return HandlerFailed(
                f"{self._settings.url} answered with a redirect ({response.status}), which is not followed",
                hint="Put the final address into the handler's url.",
            )
        said = (await response.content.read(ANSWER_KEPT)).decode("utf-8", "replace").strip()
        answered = f"{self._settings.url} answered with status {response.status}"
        return HandlerFailed(f"{answered}: {said}" if said else answered)


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(f"the webhook's ca file {ca} cannot be read: {error}", hint="Give a PEM file.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
