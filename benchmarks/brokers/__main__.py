"""Run the scenario with every broker in turn, several rounds, and keep what came out.

python -m benchmarks.brokers [--rounds 3] [--alerts 2000] [--seconds 5] [--only redis,crossbearing] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from dataclasses import fields
from pathlib import Path

from benchmarks.brokers.contender import Contender
from benchmarks.brokers.crossbearing import Crossbearing
from benchmarks.brokers.mosquitto_qos1 import MosquittoServer
from benchmarks.brokers.nats_jetstream import NatsServer
from benchmarks.brokers.peers import Peer
from benchmarks.brokers.plan import Plan, measure
from benchmarks.brokers.processes import end_in_order
from benchmarks.brokers.rabbitmq import RabbitServer
from benchmarks.brokers.redis_streams import RedisServer
from benchmarks.brokers.results import Results, load_results
from benchmarks.machine import machine

CONTENDERS: dict[str, Contender] = {
    "redis": Peer("redis", RedisServer()),
    "nats": Peer("nats", NatsServer()),
    "mosquitto": Peer("mosquitto", MosquittoServer()),
    "rabbitmq": Peer("rabbitmq", RabbitServer()),
    "crossbearing": Crossbearing(),
}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def main() -> None:
    """Parse the command line, measure, keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    usual = Plan()
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="throughput rounds of each broker")
    parser.add_argument("--latency-rounds", type=int, default=usual.latency_rounds)
    parser.add_argument("--alerts", type=int, default=usual.alerts, help="of one round at most")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of one round, about")
    parser.add_argument("--recipients", type=int, default=usual.recipients)
    parser.add_argument(
        "--rate", type=float, default=usual.rate, help="alerts a second of the latency that is compared"
    )
    parser.add_argument("--waiting", type=int, default=usual.waiting, help="alerts to catch up with; 0: leave that out")
    parser.add_argument(
        "--processes",
        type=_numbers,
        default=usual.processes,
        help="in how many processes the recipients are; more numbers, as in 1,2: one more round of each with these",
    )
    parser.add_argument("--only", default=",".join(CONTENDERS), help="names of brokers, with commas between them")
    parser.add_argument("--keep", action="store_true", help="keep the results of other brokers that are there")
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    end_in_order()
    logging.disable(logging.WARNING)  # of the peers' libraries
    plan = Plan(**{each.name: getattr(options, each.name) for each in fields(Plan) if hasattr(options, each.name)})
    options.to.mkdir(parents=True, exist_ok=True)
    contenders = [CONTENDERS[key] for key in options.only.split(",")]
    results = load_results(options.to) if options.keep else Results()
    results.waiting, results.recipients, results.machine = plan.waiting, plan.recipients, machine()
    results.cores, results.processes = os.cpu_count() or 1, plan.processes[0]
    among = f" in {plan.processes[0]} processes" if plan.processes[0] > 1 else ""
    results.alerts = (
        f"{plan.recipients} recipients{among}, alerts of 1 KiB, "
        f"{plan.rounds} rounds of about {plan.seconds:g} s in turn, {plan.latency_rounds} of each rate"
    )
    for contender in contenders:
        results.forget(contender.name)
        results.durability[contender.name] = contender.durability

    begun = time.monotonic()

    def say(text: str) -> None:
        results.save(options.to)
        print(f"{time.monotonic() - begun:5.0f} s  {text}", flush=True)

    measure(plan, contenders, results, say)
    if results.failed:
        raise SystemExit("not finished: " + "; ".join(f"{name}: {words}" for name, words in results.failed.items()))


if __name__ == "__main__":
    main()
