"""What a connected node costs while nothing happens: processor time, wake-ups and memory, at the hub and at the node.

Production nodes, thirty of them in one process, so that what a process itself takes is told apart: one more node is
what the thirty take, divided by thirty.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import usage
from benchmarks.brokers.crossbearing import RunningExchange
from benchmarks.directory import SENDER, create_exchange

RECIPIENTS = 30
SETTLED_SECONDS = 10.0
"""After which the rounds of cosigning that the start caused are over."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Of one process over the time measured: ms of processor time and wake-ups a second, and resident bytes."""

    name: str
    nodes: int
    cpu: float
    wakes: float
    rss: int
    pss: int


def measure_idle(seconds: float, *, say: Callable[[str], None]) -> list[Idle]:
    """A hub with 31 nodes, the process of one of them, and that of the thirty others."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        running = RunningExchange(create_exchange(Path(folder), RECIPIENTS))
        exchange = running.exchange
        try:
            exchange.start_broker()
            others = [agency for agency in exchange.agencies if agency != SENDER]
            for role, agencies in (("sender", [SENDER]), ("recipients", others)):
                running.start_nodes(role, agencies)
                running.wait_connected(role, agencies)
            exchange.wait_quorum()
            time.sleep(SETTLED_SECONDS)
            named = zip(("hub", "one node", "thirty nodes"), running.pids, (31, 1, RECIPIENTS), strict=True)
            before = [(name, pid, nodes, usage.cpu(pid), usage.switches(pid)) for name, pid, nodes in named]
            time.sleep(seconds)
            found = []
            for name, pid, nodes, cpu, wakes in before:
                used, memory = usage.cpu(pid) - cpu, usage.memory(pid)
                woken = (usage.switches(pid) - wakes) / seconds
                found.append(Idle(name, nodes, used / seconds * 1e3, woken, memory.rss, memory.pss))
                say(str(found[-1]))
            return found
        finally:
            running.close()
