"""The results of the brokers in one picture, as SVG and PNG."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.brokers.results import Results
from benchmarks.brokers.tables import OURS

INK, OTHERS = "#b3261e", ("#16425b", "#2a9d8f", "#8a6d3b", "#6c5b7b")
PARTS = {"broker": "#16425b", "sender": "#81a4cd", "recipient": "#d9a441"}


def plot(results: Results, folder: Path) -> None:
    """Write `brokers.svg` and `brokers.png`: deliveries, processor time, latency against load, time to catch up."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "1"})
    figure, axes = pyplot.subplots(2, 2, figsize=(12, 8), layout="constrained")
    _deliveries(axes[0][0], results)
    _processor(axes[0][1], results)
    _latencies(axes[1][0], results)
    _catching_up(axes[1][1], results)
    for suffix in ("svg", "png"):
        figure.savefig(folder / f"brokers.{suffix}", dpi=130)
    pyplot.close(figure)


def _names(results: Results) -> list[str]:
    return sorted(results.load, key=lambda name: median(load.rate for load in results.load[name]))


def _colours(results: Results) -> dict[str, str]:
    peers = [name for name in results.durability if name != OURS]
    return {OURS: INK, **dict(zip(peers, OTHERS, strict=False))}


def _bars(axes: Any, names: list[str], values: list[float], colours: dict[str, str]) -> None:
    bars = axes.barh(names, values, color=[colours[name] for name in names])
    axes.bar_label(bars, [f" {value:,.0f}" if value >= 10 else f" {value:.1f}" for value in values])
    axes.set_xlim(0, max(values) * 1.18)


def _deliveries(axes: Any, results: Results) -> None:
    names = _names(results)
    rates = [median(load.rate for load in results.load[name]) for name in names]
    _bars(axes, names, rates, _colours(results))
    for place, (name, rate) in enumerate(zip(names, rates, strict=True)):
        low, high = (pick(load.rate for load in results.load[name]) for pick in (min, max))
        axes.errorbar(rate, place, xerr=[[rate - low], [high - rate]], color="black", capsize=3, linewidth=1)
    axes.set_title("Deliveries a second, end to end (median; line: least to most)", loc="left")


def _processor(axes: Any, results: Results) -> None:
    names = _names(results)
    start = [0.0] * len(names)
    for part, colour in PARTS.items():
        widths = [median(getattr(load, f"{part}_cpu") for load in results.load[name]) for name in names]
        bars = axes.barh(names, widths, left=start, label=part, color=colour)
        start = [a + b for a, b in zip(start, widths, strict=True)]
    axes.bar_label(bars, [f" {value:,.0f}" for value in start])
    axes.set_xlim(0, max(start) * 1.18)
    axes.legend(loc="best", frameon=False)
    axes.set_title("Processor time of one delivery, µs", loc="left")


def _latencies(axes: Any, results: Results) -> None:
    colours = _colours(results)
    for name, each in results.paced.items():
        shares = sorted({paced.share for paced in each if paced.share})
        for get, style, marker in (("p50", "-", "o"), ("p99", "--", "s")):
            values = [median(getattr(paced, get) for paced in each if paced.share == share) for share in shares]
            percent = [share * 100 for share in shares]
            axes.plot(percent, values, style, marker=marker, markersize=4, color=colours[name], label=f"{name} {get}")
    axes.set_xlabel("load, % of each one's own capacity")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=8, ncols=2)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 6)  # room for the legend
    axes.set_title("Latency from due to durable receipt, ms", loc="left")


def _catching_up(axes: Any, results: Results) -> None:
    names = [name for name in _names(results) if name in results.caught_up]
    if not names:
        axes.set_axis_off()
        return
    _bars(axes, names, [median(results.caught_up[name]) for name in names], _colours(results))
    axes.set_title(f"Seconds to catch up with {results.waiting:,} waiting alerts", loc="left")
