"""RabbitMQ: a fanout exchange, a quorum queue for each recipient, publisher confirms, receipts in another queue."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aio_pika

from benchmarks.brokers import processes
from benchmarks.brokers.peer import AUTHORITY, CLIENT_CERTIFICATE, CLIENT_KEY, HUB_CERTIFICATE, HUB_KEY, Message

BATCH = 32
_GUEST = "guest"


class RabbitServer:
    """Debian's rabbitmq-server."""

    name = "RabbitMQ"
    durability = "quorum queues (one member), publisher confirms"

    def start(self, home: Path, port: int) -> int:
        """See `Server`."""
        path = home / "rabbitmq.conf"
        path.write_text(
            f"""
listeners.tcp = none
listeners.ssl.default = 127.0.0.1:{port}
ssl_options.cacertfile = {AUTHORITY}
ssl_options.certfile = {HUB_CERTIFICATE}
ssl_options.keyfile = {HUB_KEY}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
loopback_users.guest = true
log.file.level = error
""",
            encoding="utf-8",
        )
        environment = {
            "RABBITMQ_CONFIG_FILE": str(path),
            "RABBITMQ_MNESIA_BASE": str(home / "db"),
            "RABBITMQ_LOG_BASE": str(home),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_NODENAME": f"bench{port}@localhost",
            "RABBITMQ_DIST_PORT": str(port + 1),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "HOME": str(home),
        }
        return processes.start(["/usr/lib/rabbitmq/bin/rabbitmq-server"], home, port, environment, seconds=90)


class RabbitClient:
    """aio-pika."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect(self, name: str) -> None:
        """See `Client`."""
        context = ssl.create_default_context(cafile=str(AUTHORITY))
        context.load_cert_chain(str(CLIENT_CERTIFICATE), str(CLIENT_KEY))
        self._connection: Any = await aio_pika.connect(
            host="localhost", port=self._port, ssl=True, ssl_context=context, login=_GUEST, password=_GUEST
        )
        self._channel = await self._connection.channel(publisher_confirms=True)
        await self._channel.set_qos(prefetch_count=256)
        self._fanout = await self._channel.declare_exchange("alerts", aio_pika.ExchangeType.FANOUT, durable=True)

    async def prepare(self, recipients: int) -> None:
        """See `Client`."""
        quorum = {"x-queue-type": "quorum"}
        for number in range(recipients):
            queue = await self._channel.declare_queue(f"r{number}", durable=True, arguments=quorum)
            await queue.bind(self._fanout)
        await self._channel.declare_queue("receipts", durable=True, arguments=quorum)

    async def publish(self, data: bytes) -> None:
        """See `Client`."""
        await self._fanout.publish(_durable(data), routing_key="")

    async def deliveries(self, number: int) -> AsyncIterator[Sequence[Message]]:
        """See `Client`."""
        queue = await self._channel.get_queue(f"r{number}")
        arrived: asyncio.Queue[Any] = asyncio.Queue()
        await queue.consume(arrived.put)
        while True:
            messages = [await arrived.get()]
            while len(messages) < BATCH and not arrived.empty():
                messages.append(arrived.get_nowait())
            yield [Message(message.body, message) for message in messages]

    async def settle(self, receipts: Sequence[bytes], done: Sequence[Message]) -> None:
        """See `Client`."""
        await asyncio.gather(
            *(self._channel.default_exchange.publish(_durable(receipt), "receipts") for receipt in receipts)
        )
        await done[-1].handle.ack(multiple=True)

    async def receipts(self) -> int:
        """See `Client`."""
        queue = await self._channel.declare_queue("receipts", passive=True)
        return int(queue.declaration_result.message_count or 0)

    async def close(self) -> None:
        """See `Client`."""
        await self._connection.close()


def _durable(data: bytes) -> Any:
    return aio_pika.Message(data, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
