"""The results of the brokers as tables in Markdown, with our ratio to the best peer in the last row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

from benchmarks.brokers.crossbearing import Crossbearing
from benchmarks.brokers.results import Load, Paced, Results
from benchmarks.markdown import figure, spread, table

OURS = Crossbearing.name
T = TypeVar("T")
NOT_DURABLE = ("Mosquitto",)
"""Peers that confirm what a crash would lose: no measure of what durability costs a broker."""

PROCESSOR: Mapping[str, Callable[[Load | Paced], float]] = {
    "broker µs": lambda made: made.broker_cpu,
    "sender µs": lambda made: made.sender_cpu,
    "recipient µs": lambda made: made.recipient_cpu,
    "all µs": lambda made: made.cpu,
}
LOAD: Mapping[str, Callable[[Load], float]] = {"deliveries/s": lambda load: load.rate, **PROCESSOR}
KEPT: Mapping[str, Callable[[Load], float]] = {
    "broker MB": lambda load: load.broker_memory / 1e6,
    "all recipients MB": lambda load: load.recipients_memory / 1e6,
    "bytes on the wire": lambda load: load.wire,
    "bytes on the broker's disk": lambda load: load.broker_disk,
    "bytes on the recipient's": lambda load: load.recipient_disk,
}
LATENCY: Mapping[str, Callable[[Paced], float]] = {
    "p50 ms": lambda paced: paced.p50,
    "p99 ms": lambda paced: paced.p99,
    "p99.9 ms": lambda paced: paced.p999,
}


def throughput(results: Results) -> str:
    """Deliveries a second, and whose processor time one takes."""
    names = sorted(results.load, key=lambda name: -median(load.rate for load in results.load[name]))
    rows = [[name, *(spread([get(load) for load in results.load[name]]) for get in LOAD.values())] for name in names]
    return table(["broker", *LOAD], rows + _ratios(results.load, LOAD, highest={"deliveries/s"}))


def resources(results: Results) -> str:
    """Memory after the load, bytes of a delivery, and how long it takes to catch up."""
    last = f"s to catch up with {results.waiting:,} alerts"
    rows = [
        [
            name,
            *(spread([get(load) for load in results.load[name]]) for get in KEPT.values()),
            spread(results.caught_up[name]) if name in results.caught_up else "–",
        ]
        for name in results.load
    ]
    load = {name: each for name, each in results.load.items() if name not in NOT_DURABLE}
    caught_up = {name: each for name, each in results.caught_up.items() if name not in NOT_DURABLE}
    more = _ratios(caught_up, {last: float}, highest=set()) or [["", "–"]]
    ratios = _ratios(load, KEPT, highest=set())
    rows += [[row[0].replace("best peer", "best durable peer"), *row[1:], more[0][1]] for row in ratios]
    return table(["broker", *KEPT, last], rows)


def durability(results: Results) -> str:
    """What each does before it confirms."""
    return table(
        ["broker", "what is durable when it confirms"], [list(item) for item in results.durability.items()], words=2
    )


def latency(results: Results) -> str:
    """Latencies at the rate that is the same for all."""
    given = {name: [paced for paced in each if not paced.share] for name, each in results.paced.items()}
    names = sorted(given, key=lambda name: median(paced.p99 for paced in given[name]))
    rows = [[name, *(spread([get(paced) for paced in given[name]]) for get in LATENCY.values())] for name in names]
    return table(["broker", *LATENCY], rows + _ratios(given, LATENCY, highest=set()))


def latency_processor(results: Results) -> str:
    """Whose processor time one delivery takes at the rate that is the same for all."""
    given = {name: [paced for paced in each if not paced.share and paced.cpu] for name, each in results.paced.items()}
    names = sorted(filter(given.get, given), key=lambda name: median(paced.cpu for paced in given[name]))
    rows = [[name, *(spread([get(paced) for paced in given[name]]) for get in PROCESSOR.values())] for name in names]
    return table(["broker", *PROCESSOR], rows + _ratios(given, PROCESSOR, highest=set()))


def latency_by_load(results: Results) -> str:
    """Latencies at shares of each one's own capacity."""
    rows = []
    for name, each in results.paced.items():
        for share in sorted({paced.share for paced in each if paced.share}):
            rounds = [paced for paced in each if paced.share == share]
            rows.append(
                [
                    name,
                    f"{share:.0%}",
                    figure(rounds[0].rate),
                    str(sum(paced.deliveries for paced in rounds)),
                    *(spread([get(paced) for paced in rounds]) for get in LATENCY.values()),
                ]
            )
    return table(["broker", "of its capacity", "alerts/s", "deliveries", *LATENCY], rows)


def by_processes(results: Results) -> str:
    """What each does with the recipients in more processes, below what it does as in the other tables."""
    rows = []
    for name, each in results.divided.items():
        usual = [paced for paced in results.paced.get(name, []) if not paced.share]
        if results.load.get(name) and usual:
            rows.append(_division(name, results.processes, results.load[name], usual))
        numbers = sorted({made.processes for made in each})
        for number in numbers:
            made = [one for one in each if one.processes == number]
            rows.append(_division(name, number, [one.load for one in made], [one.paced for one in made]))
    return table(["broker", "processes", *LOAD, *LATENCY], rows)


def _division(name: str, processes: int, loads: Sequence[Load], paced: Sequence[Paced]) -> list[str]:
    fast = [spread([get(load) for load in loads]) for get in LOAD.values()]
    return [name, str(processes), *fast, *(spread([get(each) for each in paced]) for get in LATENCY.values())]


def best_peer(rounds: Mapping[str, Sequence[T]], get: Callable[[T], float], *, highest: bool) -> tuple[str, float]:
    """The best peer by the median of a figure, and that median. Raises ValueError when there is no peer."""
    medians = {name: median(map(get, each)) for name, each in rounds.items() if name != OURS and each}
    name = (max if highest else min)(medians, key=lambda each: medians[each])
    return name, medians[name]


def _ratios(
    rounds: Mapping[str, Sequence[T]], columns: Mapping[str, Callable[[T], float]], *, highest: set[str]
) -> list[list[str]]:
    if not rounds.get(OURS) or not any(each for name, each in rounds.items() if name != OURS):
        return []
    row = [f"{OURS} ÷ best peer"]
    for name, get in columns.items():
        _, best = best_peer(rounds, get, highest=name in highest)
        row.append(figure(median(map(get, rounds[OURS])) / best) if best else "–")
    return [row]
