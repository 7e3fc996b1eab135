"""The figures of all rounds as a table (Markdown) and a plot (SVG and PNG)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.brokers.measure import Figures

Rounds = Mapping[str, Sequence[Figures]]
"""What each broker's rounds gave, by its name."""

_COLUMNS: dict[str, Callable[[Figures], float]] = {
    "deliveries/s": lambda f: f.rate,
    "broker µs": lambda f: f.broker_cpu,
    "sender µs": lambda f: f.sender_cpu,
    "recipient µs": lambda f: f.recipient_cpu,
    "broker MB": lambda f: f.memory / 1e6,
    "disk bytes": lambda f: f.disk / f.deliveries,
}


def throughput(rounds: Rounds, durability: Mapping[str, str]) -> str:
    """Medians, with the least and the most of each in brackets; the rate also as a share of the best."""
    best = max(median(f.rate for f in each) for each in rounds.values())
    lines = [
        "| broker (durability) | " + " | ".join(_COLUMNS) + " | of the best |",
        "|---" * (len(_COLUMNS) + 2) + "|",
    ]
    for name, each in sorted(rounds.items(), key=lambda item: -median(f.rate for f in item[1])):
        cells = [_spread([column(f) for f in each]) for column in _COLUMNS.values()]
        share = median(f.rate for f in each) / best
        lines.append(f"| {name} ({durability[name]}) | " + " | ".join(cells) + f" | {share:.2f} |")
    return "\n".join(lines) + "\n"


def latency(rounds: Rounds) -> str:
    """Latencies at a fixed rate, in ms, from when an alert was due."""
    lines = ["| broker | p50 ms | p99 ms | p99.9 ms |", "|---|---|---|---|"]
    for name, each in sorted(rounds.items(), key=lambda item: median(f.latency(0.99) for f in item[1])):
        cells = [_spread([f.latency(share) for f in each]) for share in (0.5, 0.99, 0.999)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(rounds: Rounds, folder: Path) -> None:
    """Deliveries a second, and where the processor time of one goes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = sorted(rounds, key=lambda name: median(f.rate for f in rounds[name]))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 0.6 * len(names) + 2), layout="constrained", sharey=True)
    rates = [median(f.rate for f in rounds[name]) for name in names]
    low = [rate - min(f.rate for f in rounds[name]) for rate, name in zip(rates, names, strict=True)]
    high = [max(f.rate for f in rounds[name]) - rate for rate, name in zip(rates, names, strict=True)]
    left.barh(names, rates, xerr=(low, high), color="#2f6690", capsize=3)
    left.set_xlabel("deliveries a second (median, least to most)")
    start = [0.0] * len(names)
    parts = {"broker": "#16425b", "sender": "#81a4cd", "recipient": "#d9a441"}
    for part, colour in parts.items():
        widths = [median(getattr(f, f"{part}_cpu") for f in rounds[name]) for name in names]
        right.barh(names, widths, left=start, label=part, color=colour)
        start = [a + b for a, b in zip(start, widths, strict=True)]
    right.set_xlabel("processor time of one delivery, µs")
    right.legend(loc="lower right")
    for suffix in ("svg", "png"):
        figure.savefig(folder / f"brokers.{suffix}", dpi=140)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"
