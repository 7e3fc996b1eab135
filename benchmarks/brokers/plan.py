"""Which rounds are run, in turn, and how long each may be."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from benchmarks.brokers.contender import Contender, Running
from benchmarks.brokers.figures import Figures
from benchmarks.brokers.results import Divided, Results, as_load, as_paced
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
    seconds: float = 5.0
    rate: float = 20.0
    shares: tuple[float, ...] = (0.01, 0.05, 0.2, 0.5, 0.8)
    waiting: int = 10_000
    processes: tuple[int, ...] = (1,)
    """In how many processes the recipients are; for each number but the first one more round of each kind is run."""


def alerts_for(rate: float, seconds: float, most: int) -> int:
    """How many alerts take about so many seconds at so many a second, within bounds."""
    return max(FEWEST, min(most, round(rate * seconds)))


def measure(plan: Plan, contenders: Collection[Contender], results: Results, say: Callable[[str], None]) -> None:
    """Run everything: throughput, latencies at shares of it, catching up, and with other numbers of processes.

    `say` is called after each.

    What a broker does not finish is kept as a failure, and the others go on.
    """
    rounds: list[Callable[[Contender], str]] = [lambda each: _throughput(plan, each, results)] * plan.rounds
    rounds += [lambda each: _latencies(plan, each, results)] * plan.latency_rounds
    rounds += [lambda each: _catching_up(plan, each, results)] * bool(plan.waiting)
    rounds += [partial(_divided, plan, results, processes) for processes in plan.processes[1:]]
    for run in rounds:
        for contender in contenders:
            try:
                told = run(contender)
            except Exception as error:  # whatever it is: what the others did is worth keeping
                told = f"failed: {error}"
                results.failed.setdefault(contender.name, []).append(str(error) or repr(error))
            say(f"{contender.name}: {told}")


def _throughput(plan: Plan, contender: Contender, results: Results) -> str:
    with contender.running(plan.recipients, plan.processes[0]) as running:
        pilot, figures = _as_fast_as_it_goes(plan, running)
        load = as_load(figures, running.stop(), pilot.deliveries + figures.deliveries)
    results.load.setdefault(contender.name, []).append(load)
    return f"{load.rate:,.0f} deliveries/s, {load.cpu:,.0f} µs of each"


def _as_fast_as_it_goes(plan: Plan, running: Running) -> tuple[Figures, Figures]:
    """The alerts before the measured ones, and these."""
    scenario = Scenario(WARM_UP, plan.recipients, plan.recipients)
    pilot = running.run(scenario)
    alerts = alerts_for(pilot.rate / plan.recipients, plan.seconds, plan.alerts)
    return pilot, running.run(replace(scenario, alerts=alerts, first=WARM_UP))


def _divided(plan: Plan, results: Results, processes: int, contender: Contender) -> str:
    """As fast as it goes, and at the given rate, with the recipients in so many processes."""
    with contender.running(plan.recipients, processes) as running:
        pilot, fast = _as_fast_as_it_goes(plan, running)
        alerts = alerts_for(plan.rate, plan.seconds, plan.alerts)
        first = (pilot.deliveries + fast.deliveries) // plan.recipients
        slow = running.run(Scenario(alerts, plan.recipients, plan.recipients, rate=plan.rate, first=first))
        load = as_load(fast, running.stop(), pilot.deliveries + fast.deliveries + slow.deliveries)
    made = Divided(processes, load, as_paced(slow, 0.0, plan.rate))
    results.divided.setdefault(contender.name, []).append(made)
    told = f"{load.rate:,.0f} deliveries/s, {load.cpu:,.0f} µs of each, p99 {made.paced.p99:,.1f} ms"
    return f"in {processes} processes {told}"


def _latencies(plan: Plan, contender: Contender, results: Results) -> str:
    """At the given rate, and at each share of the capacity that the throughput rounds found, on one running broker."""
    loads = results.load.get(contender.name, [])
    capacity = median(load.rate for load in loads) / plan.recipients if loads else 0.0
    rates = [(0.0, plan.rate), *((share, share * capacity) for share in plan.shares if capacity)]
    told = []
    with contender.running(plan.recipients, plan.processes[0]) as running:
        first = WARM_UP
        running.run(Scenario(first, plan.recipients, plan.recipients))
        for share, rate in rates:
            alerts = alerts_for(rate, plan.seconds, plan.alerts)
            scenario = Scenario(alerts, plan.recipients, plan.recipients, rate=rate, first=first)
            paced = as_paced(running.run(scenario), share, rate)
            first += alerts
            results.paced.setdefault(contender.name, []).append(paced)
            told.append(f"{rate:.1f}/s {paced.p50:,.1f} {paced.p99:,.1f} ms")
        running.stop()
    return "p50 and p99 at " + ", ".join(told)


def _catching_up(plan: Plan, contender: Contender, results: Results) -> str:
    caught_up = contender.catch_up(Scenario(plan.waiting, plan.recipients, listening=1))
    results.caught_up.setdefault(contender.name, []).append(caught_up.seconds)
    return f"caught up with {plan.waiting:,} alerts in {caught_up.seconds:.1f} s"
