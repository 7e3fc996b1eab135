"""Crossbearing in the same scenario, with everything it does besides: routing, a log with proofs, witnesses, stores.

The hub is a process, the sender's node is one, and all recipients' nodes share one. Alerts go in through the local API
as a system's would; a delivery counts when the sender's node has verified the receipt in the log, so that a latency
holds the whole way there and back.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Semaphore

from benchmarks.brokers import processes
from benchmarks.brokers.measure import PATIENCE, Figures
from benchmarks.brokers.receipted import await_receipts, receipt_times
from benchmarks.brokers.scenario import CHECKOUT, Scenario
from benchmarks.directory import SENDER, create_exchange
from deploy.demo.exchange import Exchange

NAME = "Crossbearing"
DURABILITY = "SQLite, synchronous FULL, at the hub and at every node"


def measure_crossbearing(scenario: Scenario) -> Figures:
    """Run the scenario once on a fresh exchange. Raises RuntimeError when a receipt does not come."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        exchange = create_exchange(Path(folder), scenario.recipients)
        others = exchange.agencies[1:]
        hub = exchange.start_broker().pid
        try:
            with _nodes(exchange, others) as recipients, _nodes(exchange, [SENDER]) as sender:
                _wait(lambda: all(map(exchange.connected, exchange.agencies)))
                exchange.wait_quorum()
                pids = (hub, sender, recipients)
                before = [processes.usage(pid) for pid in pids]
                started = time.time()
                due = _send(exchange, scenario, others)
                count = scenario.alerts * scenario.recipients
                await_receipts(exchange, count, seconds=PATIENCE)
                after = [processes.usage(pid) for pid in pids]
                times = receipt_times(exchange, due, count, seconds=PATIENCE)
        finally:
            exchange.stop()
        broker, sending, receiving = ((b.cpu - a.cpu) / count * 1e6 for a, b in zip(before, after, strict=True))
        return Figures(
            broker=NAME,
            deliveries=count,
            seconds=max(receipted for _, receipted in times) - started,
            broker_cpu=broker,
            sender_cpu=sending,
            recipient_cpu=receiving,
            latencies=tuple((receipted - asked) * 1000 for asked, receipted in times),
            memory=after[0].memory,
            disk=processes.disk(exchange.broker_data),
        )


@contextmanager
def _nodes(exchange: Exchange, agencies: list[str]) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.brokers.nodes", str(exchange.root), *agencies]
    process = subprocess.Popen(command, cwd=CHECKOUT)  # noqa: S603 -- our own module
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError("the nodes did not connect")
        time.sleep(0.2)


def _send(exchange: Exchange, scenario: Scenario, to: list[str]) -> dict[str, float]:
    """Hand all alerts to the sender's node; when each was due, by its id."""
    client, started = exchange.client(SENDER), time.time()
    window = Semaphore(scenario.in_flight if not scenario.rate else scenario.alerts)

    def one(number: int, due: float) -> tuple[str, float]:
        try:
            document = {
                "kind": "watch",
                "marking": "green",
                "to": to,
                "title": f"alert {number}",
                "narrative": os.urandom(scenario.body // 2).hex(),
                "subjects": [{"type": "container", "number": "CSQU3054383"}],
            }
            return client.send(document)["id"], due
        finally:
            window.release()

    with ThreadPoolExecutor(scenario.in_flight) as pool:
        sent = []
        for number in range(scenario.alerts):
            window.acquire()
            due = time.time()
            if scenario.rate:
                due = started + number / scenario.rate
                time.sleep(max(0.0, due - time.time()))
            sent.append(pool.submit(one, number, due))
        return dict(future.result() for future in sent)
