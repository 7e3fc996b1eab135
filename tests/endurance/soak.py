"""`make soak`: 31 nodes under an even load for an hour or more: nothing may grow but the log, all counts be equal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from deploy.demo.exchange import Exchange, example_agencies
from deploy.demo.figures import percentile
from tests.endurance.balance import Balance, balance, wait_settled
from tests.endurance.consumption import Consumption, of_all, of_process, on_disk
from tests.endurance.load import Handed, Load

RATE = 0.2
"""Alerts a second and sender: 31 senders make six a second, which leaves two processors more than half idle."""
SAMPLES = 60
"""Looks at the processes in one run."""
MOST_LOOKED_UP = 40
"""Alerts whose latency is read for one sample."""
GROWTH = 0.10
"""What the last quarter may take more than the third: a leak of that size in a quarter of the time shows."""
SLACK = 2
"""Descriptors or threads that a process may have more at one moment than at another, for a call it just answers."""
SLOWER = 2.0
"""And how much longer an alert may take in the last quarter; a machine that does other things too varies by less."""
JUDGED_FROM = 3_600.0
"""Seconds: a shorter run is still filling its caches (the hub's take 96 MiB), so memory is shown and not judged."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `nodes` take this together; `p50` and `p99` are latencies (ms) of alerts since the look before."""

    at: float
    handed: int
    broker: Consumption
    nodes: Consumption
    disk: int
    p50: int
    p99: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a soak came to."""

    books: Balance
    samples: tuple[Sample, ...]
    growing: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing grows and every count is equal."""
        return self.books.even and not self.growing and not self.refused


def run(root: Path, *, seed: int, seconds: float, nodes: int, say: Say) -> Outcome:
    """One soak in the folder `root`, which is made anew."""
    exchange = Exchange(root, example_agencies()[:nodes])
    exchange.stop()
    exchange.create()
    exchange.start_broker()
    exchange.start_nodes()
    load, samples, never = Load(exchange, seed, rate=RATE, members=exchange.agencies), list[Sample](), threading.Event()
    try:
        load.start()
        began = time.monotonic()
        say(HEADING)
        for number in range(1, SAMPLES + 1):
            before = len(load.handed)
            never.wait(max(0.0, began + seconds * number / SAMPLES - time.monotonic()))
            samples.append(_sample(exchange, load.handed[before:], len(load.handed), time.monotonic() - began))
            if number % max(1, SAMPLES // 12) == 0:
                say(row(samples[-1], nodes))
        load.stop()
        wait_settled(exchange, load.handed)
        books = balance(exchange, load.handed, root / "audit")
    finally:
        exchange.stop()
    growing = growth(samples, nodes, long=seconds >= JUDGED_FROM)
    return Outcome(books, tuple(samples), tuple(growing), tuple(load.refused))


def growth(samples: Sequence[Sample], nodes: int, *, long: bool) -> list[str]:
    """What is more in the last quarter of a run than in the third, in words. The first half warms up."""
    quarter = len(samples) // 4
    third, last = samples[-2 * quarter : -quarter], samples[-quarter:]
    found = []
    for who, processes in (("broker", 1), ("nodes", nodes)):
        for what in ("descriptors", "threads"):
            was, is_ = (max(getattr(getattr(s, who), what) for s in part) for part in (third, last))
            if is_ > was + SLACK * processes:
                found.append(f"{what} of {who}: {was} to {is_}")
        was, is_ = (median(getattr(s, who).pss for s in part) for part in (third, last))
        if long and is_ > was * (1 + GROWTH):
            found.append(f"memory of {who}: {was / 1e6:.1f} to {is_ / 1e6:.1f} MB")
    was, is_ = (median(sample.p50 for sample in part) for part in (third, last))
    if long and is_ > SLOWER * max(was, 1):
        found.append(f"latency of half the alerts: {was:.0f} to {is_:.0f} ms")
    return found


HEADING = "  time  alerts | hub RSS/PSS fd th | node RSS/PSS fd th | p50  p99 ms | disk MB"


def row(sample: Sample, nodes: int) -> str:
    """A sample as a line under `HEADING`. Memory in MB; a node is the mean of all."""
    hub, node = _share(sample.broker, 1, 11), _share(sample.nodes, nodes, 12)
    latency = f"{sample.p50:3,} {sample.p99:7,}"
    return f"{sample.at:4.0f} s {sample.handed:7,} | {hub} | {node} | {latency} | {sample.disk / 1e6:7,.0f}"


def _share(taken: Consumption, processes: int, width: int) -> str:
    memory = f"{taken.rss / 1e6 / processes:.0f}/{taken.pss / 1e6 / processes:.1f}"
    return f"{memory:>{width}} {taken.descriptors / processes:2.0f} {taken.threads / processes:2.0f}"


def _sample(exchange: Exchange, fresh: Sequence[Handed], handed: int, at: float) -> Sample:
    broker = exchange.daemons["broker"]
    nodes = [daemon for name, daemon in exchange.daemons.items() if name != "broker"]
    step = max(1, len(fresh) // MOST_LOOKED_UP)
    times = sorted(ms for alert in fresh[::step] for ms in _latencies(exchange, alert))
    disk = on_disk(exchange.root)
    return Sample(
        at, handed, of_process(broker.pid), of_all(nodes), disk, percentile(times, 0.50), percentile(times, 0.99)
    )


def _latencies(exchange: Exchange, alert: Handed) -> list[int]:
    """From sealing to each recipient's signed `stored`, in ms; what is still on its way is left out."""
    shown = exchange.client(alert.sender).alert(alert.id)
    if shown["header"] is None:
        return []
    created = shown["header"]["created"]
    return [recipient["time"] - created for recipient in shown["recipients"] if recipient["state"] == "stored"]
