"""Which rounds are run, in turn, and how long each may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.brokers.contender import Contender
from benchmarks.brokers.results import Results, as_load, as_paced
from benchmarks.brokers.scenario import Scenario

WARM_UP = 64
"""Alerts before the measured ones, for keys to be exchanged and code to be loaded; they tell how many fit a round."""
FEWEST = 4
"""Alerts of a round, however slow its rate: 120 deliveries."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. Rates are alerts a second, `seconds` what one round takes about."""

    rounds: int = 3
    latency_rounds: int = 2
    alerts: int = 2_000
    recipients: int = 30
    seconds: float = 8.0
    rate: float = 20.0
    shares: tuple[float, ...] = (0.01, 0.05, 0.2, 0.5, 0.8)
    waiting: int = 10_000


def alerts_for(rate: float, seconds: float, most: int) -> int:
    """How many alerts take about so many seconds at so many a second, within bounds."""
    return max(FEWEST, min(most, round(rate * seconds)))


def measure(plan: Plan, contenders: Mapping[str, Contender], say: Callable[[str], None]) -> Results:
    """Run everything: throughput, then latencies at shares of it, then catching up. Raises RuntimeError."""
    durability = {each.name: each.durability for each in contenders.values()}
    results = Results(durability=durability, waiting=plan.waiting, recipients=plan.recipients)
    for number in range(plan.rounds):
        for contender in contenders.values():
            _throughput(plan, contender, results)
            load = results.load[contender.name][-1]
            say(f"round {number + 1}: {contender.name:16} {load.rate:8,.0f} deliveries/s, {load.cpu:6,.0f} µs of each")
    for _ in range(plan.latency_rounds):
        for contender in contenders.values():
            _latencies(plan, contender, results, say)
    if plan.waiting:
        for contender in contenders.values():
            caught_up = contender.catch_up(Scenario(plan.waiting, plan.recipients, listening=1))
            results.caught_up.setdefault(contender.name, []).append(caught_up.seconds)
            say(f"{contender.name}: caught up with {plan.waiting:,} alerts in {caught_up.seconds:.1f} s")
    return results


def _throughput(plan: Plan, contender: Contender, results: Results) -> None:
    scenario = Scenario(WARM_UP, plan.recipients, plan.recipients)
    with contender.running(plan.recipients) as running:
        pilot = running.run(scenario)
        alerts = alerts_for(pilot.rate / plan.recipients, plan.seconds, plan.alerts)
        figures = running.run(replace(scenario, alerts=alerts, first=WARM_UP))
        load = as_load(figures, running.stop(), pilot.deliveries + figures.deliveries)
    results.load.setdefault(contender.name, []).append(load)


def _latencies(plan: Plan, contender: Contender, results: Results, say: Callable[[str], None]) -> None:
    """At the given rate, and at each share of the capacity that the throughput rounds found, on one running broker."""
    capacity = median(load.rate for load in results.load[contender.name]) / plan.recipients if plan.rounds else 0.0
    rates = [(0.0, plan.rate), *((share, share * capacity) for share in plan.shares if capacity)]
    with contender.running(plan.recipients) as running:
        first = WARM_UP
        running.run(Scenario(first, plan.recipients, plan.recipients))
        for share, rate in rates:
            alerts = alerts_for(rate, plan.seconds, plan.alerts)
            scenario = Scenario(alerts, plan.recipients, plan.recipients, rate=rate, first=first)
            paced = as_paced(running.run(scenario), share, rate)
            first += alerts
            results.paced.setdefault(contender.name, []).append(paced)
            say(f"{contender.name:16} at {rate:6.1f} alerts/s: p50 {paced.p50:7,.1f} ms, p99 {paced.p99:7,.1f} ms")
        running.stop()
