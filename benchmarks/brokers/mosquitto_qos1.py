"""Mosquitto: MQTT with QoS 1 and persistent sessions. It keeps its state in memory and writes it out now and then."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho

from benchmarks.brokers import processes
from benchmarks.brokers.peer import AUTHORITY, CLIENT_CERTIFICATE, CLIENT_KEY, HUB_CERTIFICATE, HUB_KEY, Message

BATCH = 32
QUEUED = 100_000


class MosquittoServer:
    """Debian's mosquitto."""

    name = "Mosquitto"
    durability = "QoS 1, persistence on; not durable for each message"

    def start(self, home: Path, port: int) -> int:
        """See `Server`."""
        path = home / "mosquitto.conf"
        path.write_text(
            f"""
listener {port} 127.0.0.1
certfile {HUB_CERTIFICATE}
keyfile {HUB_KEY}
cafile {AUTHORITY}
require_certificate true
tls_version tlsv1.3
allow_anonymous true
persistence true
persistence_location {home}/
autosave_on_changes true
autosave_interval 1000
max_inflight_messages 1024
max_queued_messages {QUEUED}
set_tcp_nodelay true
user root
""",
            encoding="utf-8",
        )
        return processes.start(["mosquitto", "-c", str(path)], home, port)


class MosquittoClient:
    """aiomqtt over paho."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._held = 0

    async def connect(self, name: str) -> None:
        """See `Client`."""
        context = ssl.create_default_context(cafile=str(AUTHORITY))
        context.load_cert_chain(str(CLIENT_CERTIFICATE), str(CLIENT_KEY))
        self._client = aiomqtt.Client(
            "localhost",
            self._port,
            identifier=name,
            clean_session=False,
            tls_context=context,
            max_inflight_messages=1_024,
            max_concurrent_outgoing_calls=4_096,
            timeout=60,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            protocol=aiomqtt.ProtocolVersion.V311,
        )
        self._client._client.manual_ack_set(on=True)
        await self._client.__aenter__()

    async def prepare(self, recipients: int) -> None:
        """See `Client`. A session that has subscribed once is kept; receipts are kept for whoever counts them."""
        await self._client.subscribe("receipts", qos=1)
        for number in range(recipients):
            recipient = MosquittoClient(self._port)
            await recipient.connect(f"r{number}")
            await recipient._client.subscribe("alerts", qos=1)
            await recipient.close()

    async def publish(self, data: bytes) -> None:
        """See `Client`."""
        await self._client.publish("alerts", data, qos=1)

    async def deliveries(self, number: int) -> AsyncIterator[Sequence[Message]]:
        """See `Client`."""
        await self._client.subscribe("alerts", qos=1)
        arrived = self._client.messages
        async for first in arrived:
            messages = [first]
            while len(messages) < BATCH and len(arrived):
                messages.append(await anext(arrived))
            yield [Message(message.payload, message) for message in messages]

    async def settle(self, receipts: Sequence[bytes], done: Sequence[Message]) -> None:
        """See `Client`."""
        await asyncio.gather(*(self._client.publish("receipts", receipt, qos=1) for receipt in receipts))
        raw: paho.Client = self._client._client
        for message in done:
            raw.ack(message.handle.mid, 1)

    async def receipts(self) -> int:
        """See `Client`. Counts what was kept for it, until nothing comes for a second."""
        raw: paho.Client = self._client._client
        with suppress(TimeoutError):
            messages = self._client.messages.__aiter__()
            while True:
                message = await asyncio.wait_for(anext(messages), 1.0)
                raw.ack(message.mid, 1)
                self._held += 1
        return self._held

    async def close(self) -> None:
        """See `Client`."""
        await self._client.__aexit__(None, None, None)
