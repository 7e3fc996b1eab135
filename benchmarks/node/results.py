"""What was measured of one node, in a form that is kept as JSON, and as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.markdown import figure, spread, table
from benchmarks.node.meter import Cost

FILE = "node.json"
COLUMNS: Mapping[str, Callable[[Cost], float]] = {
    "main thread µs": lambda cost: cost.main,
    "store's thread µs": lambda cost: cost.store,
    "both µs": lambda cost: cost.cpu,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a node does, its rounds, and the cryptography in it (µs); None where there is none."""

    what: str
    rounds: list[Cost]
    floor: float | None

    @property
    def least(self) -> float:
        """µs of all threads in the round that was disturbed least."""
        return min(cost.cpu for cost in self.rounds)


def save(rows: Sequence[Row], machine: str, folder: Path) -> None:
    """Write `node.json`."""
    value = {"machine": machine, "rows": [asdict(row) for row in rows]}
    (folder / FILE).write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> list[Row]:
    """Read what `save` wrote."""
    value: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return [Row(row["what"], [Cost(**cost) for cost in row["rounds"]], row["floor"]) for row in value["rows"]]


def node_table(rows: Sequence[Row]) -> str:
    """Medians of the rounds with the least and the most; how many times the floor the least is; pages and commits."""
    return table(["of one", *COLUMNS, "floor µs", "times the floor", "pages", "commits"], map(_cells, rows))


def _cells(row: Row) -> list[str]:
    costs = [spread([get(cost) for cost in row.rounds]) for get in COLUMNS.values()]
    beside = ["–", "–"] if row.floor is None else [figure(row.floor), figure(row.least / row.floor)]
    pages, commits = fmean(cost.pages for cost in row.rounds), fmean(cost.commits for cost in row.rounds)
    return [row.what, *costs, *beside, figure(pages), f"{commits:.3g}"]
