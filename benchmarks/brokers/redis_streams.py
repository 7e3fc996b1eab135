"""Redis Streams: one stream, a consumer group for each recipient, receipts in a second stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from benchmarks.brokers import processes
from benchmarks.brokers.peer import AUTHORITY, CLIENT_CERTIFICATE, CLIENT_KEY, HUB_CERTIFICATE, HUB_KEY, Message

BATCH = 32


class RedisServer:
    """Debian's redis-server."""

    name = "Redis Streams"
    durability = "appendonly, appendfsync always (one fsync for what came together)"

    def start(self, home: Path, port: int) -> int:
        """See `Server`."""
        options = {
            "port": "0",
            "tls-port": str(port),
            "bind": "127.0.0.1",
            "tls-cert-file": str(HUB_CERTIFICATE),
            "tls-key-file": str(HUB_KEY),
            "tls-ca-cert-file": str(AUTHORITY),
            "tls-auth-clients": "yes",
            "tls-protocols": "TLSv1.3",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "dir": str(home),
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return processes.start(["redis-server", *arguments], home, port)


class RedisClient:
    """redis-py."""

    def __init__(self, port: int) -> None:
        self._redis = Redis(
            host="127.0.0.1",
            port=port,
            ssl=True,
            ssl_ca_certs=str(AUTHORITY),
            ssl_certfile=str(CLIENT_CERTIFICATE),
            ssl_keyfile=str(CLIENT_KEY),
            max_connections=64,
        )

    async def connect(self, name: str) -> None:
        """See `Client`."""
        await self._redis.ping()

    async def prepare(self, recipients: int) -> None:
        """See `Client`."""
        for number in range(recipients):
            await self._redis.xgroup_create("alerts", f"r{number}", id="0", mkstream=True)

    async def publish(self, data: bytes) -> None:
        """See `Client`."""
        await self._redis.xadd("alerts", {b"d": data})

    async def deliveries(self, number: int) -> AsyncIterator[Sequence[Message]]:
        """See `Client`."""
        self._group = f"r{number}"
        while True:
            found = await self._redis.xreadgroup(self._group, "c", {"alerts": ">"}, count=BATCH, block=5_000)
            rows = found.get(b"alerts", [[]])[0] if isinstance(found, dict) else (found[0][1] if found else [])
            if rows:
                yield [Message(fields[b"d"], identity) for identity, fields in rows]

    async def settle(self, receipts: Sequence[bytes], done: Sequence[Message]) -> None:
        """See `Client`. Redis answers neither before its fsync, and runs them in order."""
        pipeline = self._redis.pipeline(transaction=False)
        for receipt in receipts:
            pipeline.xadd("receipts", {b"r": receipt})
        pipeline.xack("alerts", self._group, *(message.handle for message in done))
        await pipeline.execute()

    async def receipts(self) -> int:
        """See `Client`."""
        try:
            return int(await self._redis.xlen("receipts"))
        except ResponseError:
            return 0

    async def close(self) -> None:
        """See `Client`."""
        await self._redis.aclose()
