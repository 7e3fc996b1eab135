"""What was measured, as Markdown tables and as plots (SVG and PNG)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Series:
    """Rounds at growing places on one axis: `rows` has, for each place, the values of each column in every round.

    `plotted` are those whose growth is worth a look.
    """

    title: str
    axis: str
    columns: tuple[str, ...]
    rows: Mapping[float, Sequence[Sequence[float]]]
    note: str = ""
    plotted: bool = True


def table(series: Series) -> str:
    """Medians with the least and most of the rounds, and for each column the ratio of the last place to the first."""
    lines = [f"| {series.axis} | " + " | ".join(series.columns) + " |", "|---" * (len(series.columns) + 1) + "|"]
    for place, rounds in series.rows.items():
        lines.append(f"| {place:,.10g} | " + " | ".join(_spread(values) for values in zip(*rounds, strict=True)) + " |")
    if len(series.rows) > 1:
        first, *_, last = (_medians(rounds) for rounds in series.rows.values())
        ratios = [f"{b / a:.2f}" if a else "–" for a, b in zip(first, last, strict=True)]
        lines.append("| last ÷ first | " + " | ".join(ratios) + " |")
    return f"### {series.title}\n\n{series.note}\n\n" + "\n".join(lines) + "\n"


def page(made: Sequence[Series], machine: str) -> str:
    """The tables of one subject, and under each where and how often it was measured."""
    return "\n".join(f"{table(series)}\n{machine}; {_often(series)}.\n" for series in made)


def _often(series: Series) -> str:
    rounds = max(map(len, series.rows.values()))
    return f"medians (least–most) of {rounds} rounds" if rounds > 1 else "one round"


def plot(every: Sequence[Series], folder: Path) -> None:
    """One panel for each series, each column as a share of what it is at the first place."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(every), figsize=(5 * len(every), 4), layout="constrained", squeeze=False)
    for panel, series in zip(panels[0], every, strict=True):
        places = list(series.rows)
        medians = [_medians(rounds) for rounds in series.rows.values()]
        for number, column in enumerate(series.columns):
            if medians[0][number]:
                panel.plot(places, [each[number] / medians[0][number] for each in medians], marker="o", label=column)
        panel.set_xscale("log")
        panel.set_ylim(bottom=0)
        panel.set_xlabel(series.axis)
        panel.set_ylabel("of the cost at the first")
        panel.set_title(series.title)
        panel.legend(fontsize="small")
    for suffix in ("svg", "png"):
        figure.savefig(folder / f"scale.{suffix}", dpi=140)


def _medians(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [median(values) for values in zip(*rounds, strict=True)]


def _spread(values: Sequence[float]) -> str:
    middle, low, high = median(values), min(values), max(values)
    if len(values) == 1:
        return _number(middle)
    return f"{_number(middle)} ({_number(low)}–{_number(high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
