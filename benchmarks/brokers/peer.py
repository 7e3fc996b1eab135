"""What the scenario asks of a broker: two small ports, one to run its server and one to use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.brokers.scenario import EXAMPLE
from benchmarks.directory import SENDER

HUB_CERTIFICATE = EXAMPLE / "keys" / "broker" / "tls.crt"
HUB_KEY = EXAMPLE / "keys" / "broker" / "tls.key"
AUTHORITY = EXAMPLE / "ca.crt"
CLIENT_CERTIFICATE = EXAMPLE / "keys" / SENDER / "tls.crt"
CLIENT_KEY = EXAMPLE / "keys" / SENDER / "tls.key"


@dataclass(frozen=True, slots=True)
class Message:
    """Something delivered; `handle` is what its broker wants back for an acknowledgement."""

    data: bytes
    handle: Any


class Server(Protocol):
    """A broker's server on loopback, with mutual TLS 1.3."""

    name: str
    durability: str

    def start(self, home: Path, port: int) -> int:
        """Start it on an empty `home`; its process id. It is ready when this returns."""


class Client(Protocol):
    """One connection, of a sender, a recipient, or whoever looks on; `name` is its own."""

    async def connect(self, name: str) -> None:
        """Connect, before anything else."""

    async def prepare(self, recipients: int) -> None:
        """Make the queues, before anybody uses them."""

    async def publish(self, data: bytes) -> None:
        """Send to every recipient; durable when this returns."""

    def deliveries(self, number: int) -> AsyncIterator[Sequence[Message]]:
        """What comes for that recipient, as many at once as there are."""

    async def settle(self, receipts: Sequence[bytes], done: Sequence[Message]) -> None:
        """Publish receipts durably, and only then acknowledge the messages."""

    async def receipts(self) -> int:
        """How many receipts the broker holds."""

    async def close(self) -> None:
        """Hang up."""
