"""One round of the scenario with one broker, and its figures."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.brokers import processes
from benchmarks.brokers.peer import Server
from benchmarks.brokers.scenario import CHECKOUT, Scenario
from benchmarks.brokers.worker import make_client

PATIENCE = 300.0  # seconds for one round


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round cost. Times in seconds, latencies in ms, sizes in bytes; `cpu` is per delivery, in µs."""

    broker: str
    deliveries: int
    seconds: float
    broker_cpu: float
    sender_cpu: float
    recipient_cpu: float
    latencies: tuple[float, ...]
    memory: int
    disk: int

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.deliveries / self.seconds

    def latency(self, share: float) -> float:
        """The latency that this share of the deliveries stayed under, in ms."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure_peer(server: Server, key: str, scenario: Scenario) -> Figures:
    """Run the scenario once on a fresh server. Raises RuntimeError when a receipt is missing at its end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home, port = Path(folder), processes.free_port()
        home.chmod(0o755)
        pid = server.start(home, port)
        try:
            asyncio.run(_prepare(key, port, scenario))
            before = processes.usage(pid)
            recipients = _worker("recipients", key, port, scenario)
            try:
                _line(recipients, "ready")
                sent = _answer(_worker("sender", key, port, scenario))
                received = _answer(recipients)
            finally:
                recipients.kill()
            after = processes.usage(pid)
            held = asyncio.run(_held(key, port))
        finally:
            processes.stop(pid)
        due = scenario.alerts * scenario.recipients
        if held != due:
            raise RuntimeError(f"{server.name} holds {held} receipts of {due}")
        return Figures(
            broker=server.name,
            deliveries=due,
            seconds=(received["done"] - sent["started"]) / 1e9,
            broker_cpu=(after.cpu - before.cpu) / due * 1e6,
            sender_cpu=sent["cpu"] / due * 1e6,
            recipient_cpu=received["cpu"] / due * 1e6,
            latencies=tuple(received["latencies"]),
            memory=after.memory,
            disk=processes.disk(home),
        )


async def _prepare(key: str, port: int, scenario: Scenario) -> None:
    client = make_client(key, port)
    await client.connect("counter")
    await client.prepare(scenario.recipients)
    await client.close()


async def _held(key: str, port: int) -> int:
    client = make_client(key, port)
    await client.connect("counter")
    try:
        return await client.receipts()
    finally:
        await client.close()


def _worker(role: str, key: str, port: int, scenario: Scenario) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.brokers.worker", role, key, str(port), json.dumps(scenario.as_json())]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own module


def _line(worker: subprocess.Popen[str], expected: str) -> None:
    line = cast(IO[str], worker.stdout).readline().strip()
    if line != expected:
        raise RuntimeError(f"a worker said {line!r} where {expected!r} was due")


def _answer(worker: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = worker.communicate(timeout=PATIENCE)
    if worker.returncode != 0:
        raise RuntimeError(f"a worker ended with {worker.returncode}")
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer
