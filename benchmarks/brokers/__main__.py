"""Run the scenario with every broker in turn, several rounds, and write what came out.

python -m benchmarks.brokers [--rounds 3] [--alerts 1000] [--rate 20] [--only redis,crossbearing] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import os
import platform
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.brokers import report
from benchmarks.brokers.crossbearing import DURABILITY, NAME, measure_crossbearing
from benchmarks.brokers.measure import Figures, measure_peer
from benchmarks.brokers.mosquitto_qos1 import MosquittoServer
from benchmarks.brokers.nats_jetstream import NatsServer
from benchmarks.brokers.peer import Server
from benchmarks.brokers.rabbitmq import RabbitServer
from benchmarks.brokers.redis_streams import RedisServer
from benchmarks.brokers.scenario import Scenario

SERVERS: dict[str, Server] = {
    "redis": RedisServer(),
    "nats": NatsServer(),
    "mosquitto": MosquittoServer(),
    "rabbitmq": RabbitServer(),
}
LATENCY_SECONDS = 10


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alerts", type=int, default=1_000)
    parser.add_argument("--recipients", type=int, default=30)
    parser.add_argument("--rate", type=float, default=20.0, help="alerts a second of the latency rounds")
    parser.add_argument("--only", default="", help="names of brokers, with commas between them")
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    measures: dict[str, Callable[[Scenario], Figures]] = {
        **{key: partial(measure_peer, server, key) for key, server in SERVERS.items()},
        "crossbearing": measure_crossbearing,
    }
    chosen = options.only.split(",") if options.only else list(measures)
    fast: dict[str, list[Figures]] = defaultdict(list)
    paced: dict[str, list[Figures]] = defaultdict(list)
    for number in range(options.rounds):
        for key in chosen:
            for rounds, scenario in (
                (fast, Scenario(options.alerts, options.recipients)),
                (paced, Scenario(int(options.rate * LATENCY_SECONDS), options.recipients, rate=options.rate)),
            ):
                figures = measures[key](scenario)
                rounds[figures.broker].append(figures)
                print(
                    f"round {number + 1}: {figures.broker:16} rate {scenario.rate or 'max'}: {figures.rate:8,.0f}/s "
                    f"broker {figures.broker_cpu:5,.0f} µs, p99 {figures.latency(0.99):8,.1f} ms",
                    flush=True,
                )
    durability = {NAME: DURABILITY, **{server.name: server.durability for server in SERVERS.values()}}
    options.to.mkdir(parents=True, exist_ok=True)
    text = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, mutual TLS 1.3 on loopback; "
        f"{options.alerts} alerts of 1 KiB to {options.recipients} recipients, {options.rounds} rounds in turn. "
        "Medians (least–most); µs are processor time of one delivery.\n\n"
        + report.throughput(fast, durability)
        + f"\nLatency at {options.rate:g} alerts a second, from when an alert was due to its durable receipt:\n\n"
        + report.latency(paced)
    )
    (options.to / "brokers.md").write_text(text, encoding="utf-8")
    report.plot(fast, options.to)
    print("\n" + text)


if __name__ == "__main__":
    main()
