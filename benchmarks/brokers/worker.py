"""The two client processes: `sender`, and `recipients`, which plays all of them. Each prints one line of JSON.

    python -m benchmarks.brokers.worker sender|recipients PEER PORT SCENARIO

The recipients print `ready` once all of them listen; the sender starts after that.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from typing import Any

import uvloop

from benchmarks.brokers.peer import Client
from benchmarks.brokers.scenario import Scenario
from benchmarks.brokers.sealing import Opener, Sealer

CLIENTS = {
    "redis": ("redis_streams", "RedisClient"),
    "nats": ("nats_jetstream", "NatsClient"),
    "mosquitto": ("mosquitto_qos1", "MosquittoClient"),
    "rabbitmq": ("rabbitmq", "RabbitClient"),
}


def make_client(peer: str, port: int) -> Client:
    """A client of that peer; its library is imported only now."""
    module, name = CLIENTS[peer]
    client: Client = getattr(import_module(f"benchmarks.brokers.{module}"), name)(port)
    return client


async def send(peer: str, port: int, scenario: Scenario) -> dict[str, Any]:
    """Send all alerts, `in_flight` at a time or at the rate, each sealed just before it goes."""
    client, sealer = make_client(peer, port), Sealer(scenario.recipients)
    await client.connect("sender")
    body = os.urandom(scenario.body)
    window = asyncio.Semaphore(scenario.in_flight if not scenario.rate else scenario.alerts)
    started = time.monotonic_ns()

    async def one(number: int, due: int) -> None:
        try:
            await client.publish(sealer.seal(number, due, body))
        finally:
            window.release()

    async with asyncio.TaskGroup() as tasks:
        for number in range(scenario.alerts):
            await window.acquire()
            due = time.monotonic_ns()
            if scenario.rate:
                due = started + int(number / scenario.rate * 1e9)
                await asyncio.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
            tasks.create_task(one(number, due))
    cpu = time.process_time()
    await client.close()
    return {"started": started, "confirmed": time.monotonic_ns(), "cpu": cpu}


async def receive(peer: str, port: int, scenario: Scenario) -> dict[str, Any]:
    """Play every recipient until each has had each alert; the time of each from due to receipted, in ms."""
    latencies: list[float] = []
    clients = [make_client(peer, port) for _ in range(scenario.recipients)]
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        opener, seen = Opener(number, scenario.recipients), set[int]()
        async for messages in clients[number].deliveries(number):
            opened = [opener.open(message.data) for message in messages]
            await clients[number].settle(opener.receipts(opened), messages)
            now = time.monotonic_ns()
            latencies.extend((now - alert.due) / 1e6 for alert in opened if alert.number not in seen)
            seen.update(alert.number for alert in opened)
            if len(seen) == scenario.alerts:
                return

    for number, client in enumerate(clients):
        await client.connect(f"r{number}")
    works = [loop.create_task(one(number)) for number in range(scenario.recipients)]
    await asyncio.sleep(1.0)  # subscriptions have no event of their own that all four libraries show
    print("ready", flush=True)
    cpu = time.process_time()
    await asyncio.gather(*works)
    done = time.monotonic_ns()
    return {"done": done, "cpu": time.process_time() - cpu, "latencies": latencies}


def main() -> None:
    """Run one role."""
    role, peer, port, scenario = sys.argv[1:]
    work = {"sender": send, "recipients": receive}[role]
    print(json.dumps(uvloop.run(work(peer, int(port), Scenario(**json.loads(scenario))))), flush=True)


if __name__ == "__main__":
    main()
