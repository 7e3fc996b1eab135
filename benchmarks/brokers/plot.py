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

    pyplot.rcParams.update(
        {
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "1",
        }
    )
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


def _bars(axes: Any, names: list[str], values: list[list[float]], colours: dict[str, str]) -> None:
    """A bar for the median of each name's values, a line from the least to the most, and the figure beyond that."""
    for place, (name, each) in enumerate(zip(names, values, strict=True)):
        middle, low, high = median(each), min(each), max(each)
        axes.barh(name, middle, color=colours[name])
        if low < high:
            axes.errorbar(middle, place, xerr=[[middle - low], [high - middle]], color="black", capsize=3, linewidth=1)
        axes.text(high, place, f"  {middle:,.0f}" if middle >= 10 else f"  {middle:.1f}", va="center")
    axes.set_xlim(0, max(map(max, values)) * 1.18)


def _deliveries(axes: Any, results: Results) -> None:
    names = _names(results)
    _bars(axes, names, [[load.rate for load in results.load[name]] for name in names], _colours(results))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title("Deliveries a second, end to end (median; line: least to most)", loc="left", pad=12)


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
    axes.set_title("Processor time of one delivery, µs", loc="left", pad=12)


def _latencies(axes: Any, results: Results) -> None:
    colours = _colours(results)
    for name, each in results.paced.items():
        shares = sorted({paced.share for paced in each if paced.share})
        for get, style, marker in (("p50", "-", "o"), ("p99", "--", "s")):
            values = [median(getattr(paced, get) for paced in each if paced.share == share) for share in shares]
            percent = [share * 100 for share in shares]
            label = name if get == "p50" else None
            axes.plot(percent, values, style, marker=marker, markersize=4, color=colours[name], label=label)
    axes.set_xlabel("load, % of each one's own capacity")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=9, ncols=2)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 4)  # room for the legend
    axes.set_title("Latency from due to durable receipt, ms (solid: p50, dashed: p99)", loc="left", pad=12)


def _catching_up(axes: Any, results: Results) -> None:
    names = [name for name in _names(results) if name in results.caught_up]
    if not names:
        axes.set_axis_off()
        return
    _bars(axes, names, [results.caught_up[name] for name in names], _colours(results))
    axes.set_title(f"Seconds to catch up with {results.waiting:,} waiting alerts", loc="left", pad=12)
