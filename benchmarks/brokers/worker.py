"""The client processes of a peer: `sender`, and `recipients`, which plays all of them or a share.

    python -m benchmarks.brokers.worker sender PEER PORT RECIPIENTS
    python -m benchmarks.brokers.worker recipients PEER PORT RECIPIENTS FIRST COUNT

Each connects, answers with a line, and then with one for each scenario that it reads from its standard input, until
that ends. Recipients answer first when they are about to listen.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
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


async def send(peer: str, port: int, recipients: int) -> None:
    """Send the alerts of each scenario, `in_flight` at a time or at its rate, each sealed just before it goes."""
    client, sealer = make_client(peer, port), Sealer(recipients)
    await client.connect("sender")
    _say({"connected": True})
    async for scenario in _scenarios():
        body = os.urandom(scenario.body)
        window = asyncio.Semaphore(scenario.in_flight if not scenario.rate else scenario.alerts)
        started = time.monotonic_ns()

        async def one(number: int, due: int, body: bytes = body, window: asyncio.Semaphore = window) -> None:
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
                tasks.create_task(one(scenario.first + number, due))
        _say({"started": started, "confirmed": time.monotonic_ns()})
    await client.close()


class Recipients:
    """The recipients `mine` of one scenario after the other."""

    def __init__(self, peer: str, port: int, recipients: int, mine: range) -> None:
        self._recipients = recipients
        self._clients = {number: make_client(peer, port) for number in mine}
        self._seen: dict[int, set[int]] = {number: set() for number in mine}
        self._numbers = range(0)
        self._latencies: list[float] = []
        self._due = 0
        self._done = asyncio.Event()

    async def connect(self) -> None:
        """Connect all."""
        for number, client in self._clients.items():
            await client.connect(f"r{number}")

    def expect(self, scenario: Scenario) -> None:
        """Count from now on what belongs to that scenario."""
        self._numbers = range(scenario.first, scenario.first + scenario.alerts)
        self._latencies, self._due = [], scenario.alerts * len(self._clients)
        self._done.clear()

    async def finished(self) -> list[float]:
        """The latency of each delivery from due to receipted (ms), once there are all."""
        await self._done.wait()
        return self._latencies

    async def take(self, number: int) -> None:
        """Play one recipient, for ever."""
        opener, client, seen = Opener(number, self._recipients), self._clients[number], self._seen[number]
        async for messages in client.deliveries(number):
            opened = [opener.open(message.data) for message in messages]
            await client.settle(opener.receipts(opened), messages)
            now = time.monotonic_ns()
            for alert in opened:
                if alert.number in self._numbers and alert.number not in seen:
                    seen.add(alert.number)
                    self._latencies.append((now - alert.due) / 1e6)
            if len(self._latencies) >= self._due:
                self._done.set()


async def receive(peer: str, port: int, recipients: int, first_of_mine: int, count: int) -> None:
    """Play recipients."""
    scenarios = _scenarios()
    mine = range(first_of_mine, first_of_mine + count)
    everybody = Recipients(peer, port, recipients, mine)
    first = await anext(scenarios)
    everybody.expect(first)
    connecting = time.monotonic_ns()
    await everybody.connect()
    async with asyncio.TaskGroup() as tasks:
        works = [tasks.create_task(everybody.take(number)) for number in mine]
        if not first.alerts:
            await asyncio.sleep(1.0)  # subscriptions have no event of their own that all four libraries show
            _say({"connected": True})
        else:
            latencies = await everybody.finished()
            _say({"started": connecting, "done": time.monotonic_ns(), "latencies": latencies})
        async for scenario in scenarios:
            everybody.expect(scenario)
            _say({"listening": True})
            latencies = await everybody.finished()
            _say({"done": time.monotonic_ns(), "latencies": latencies})
        for work in works:
            work.cancel()


async def _scenarios() -> AsyncIterator[Scenario]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield Scenario(**json.loads(line))


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


def main() -> None:
    """Run one role."""
    role, peer, *numbers = sys.argv[1:]
    play: Mapping[str, Callable[..., Coroutine[Any, Any, None]]] = {"sender": send, "recipients": receive}
    logging.disable(logging.WARNING)  # MQTT's library counts what is in flight aloud
    uvloop.run(play[role](peer, *map(int, numbers)))


if __name__ == "__main__":
    main()
