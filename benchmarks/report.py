"""Make tables and plots of what was measured, and put them into a page.

    python -m benchmarks.report [--to build/bench] [--page docs/performance.md]

Each table is a file `NAME.md` beside the results. In the page, what stands between `<!-- begin NAME -->` and
`<!-- end NAME -->` is replaced by it, or by a `NAME.md` that another benchmark wrote there; the plot is copied beside
the page. What was not measured stays as it was.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.brokers import plot, results, tables
from benchmarks.floors import __main__ as floors
from benchmarks.floors.tables import floor_table, sharing_of, sum_table
from benchmarks.floors.timing import Floor
from benchmarks.node import results as node
from benchmarks.profile import __main__ as profile
from benchmarks.profile.tables import stage_table

_BLOCK = re.compile(r"(<!-- begin ([a-z0-9-]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def make_tables(folder: Path) -> dict[str, str]:
    """Every table that the results in `folder` allow, by name."""
    made: dict[str, str] = {}
    measured = results.load_results(folder) if (folder / results.FILE).exists() else None
    if measured is not None:
        made["machine"] = f"{measured.machine}; {measured.alerts}.\n"
        each: Mapping[str, Callable[[results.Results], str]] = {
            "throughput": tables.throughput,
            "resources": tables.resources,
            "durability": tables.durability,
            "latency": tables.latency,
            "latency-processor": tables.latency_processor,
            "latency-by-load": tables.latency_by_load,
        }
        made |= {name: write(measured) for name, write in each.items()}
        if measured.divided:
            made["processes"] = tables.by_processes(measured)
        for name, words in measured.failed.items():
            made["machine"] += f"\n{name} did not finish: {'; '.join(words)}\n"
    costs: list[Floor] = []
    if (folder / floors.FILE).exists():
        costs = [Floor(**floor) for floor in _read(folder / floors.FILE)["floors"]]
        made["floors"] = floor_table(costs)
    sharing = sharing_of(measured, tables.OURS) if measured is not None else None
    if costs and measured is not None and sharing is not None:
        made["floor-sum"] = sum_table(costs, sharing, measured.load[tables.OURS])
    if (folder / node.FILE).exists():
        made["node"] = node.node_table(node.load(folder))
    if (folder / profile.FILE).exists():
        profiled = _read(folder / profile.FILE)
        made["profile"] = stage_table(profiled["stages"], profiled["collections"])
    if measured is not None and tables.OURS in measured.load and len(measured.load) > 1:
        made["targets"] = targets.table_of(measured, costs, sharing)
    return made


def places(page: str) -> set[str]:
    """The names of the tables that a page has places for."""
    return {match[2] for match in _BLOCK.finditer(page)}


def put_in(page: str, made: Mapping[str, str]) -> str:
    """The page with each table in its place. Raises KeyError for a table that has none."""
    for name in made.keys() - places(page):
        raise KeyError(f"the page has no place for {name}")
    return _BLOCK.sub(lambda match: f"{match[1]}{made[match[2]]}{match[3]}" if match[2] in made else match[0], page)


def _read(file: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return value


def main() -> None:
    """Parse the command line, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=Path("build/bench"), help="where the results are")
    parser.add_argument("--page", type=Path, help="a page to put the tables into")
    options = parser.parse_args()
    made = make_tables(options.to)
    for name, text in made.items():
        (options.to / f"{name}.md").write_text(text, encoding="utf-8")
    if (options.to / results.FILE).exists():
        plot.plot(results.load_results(options.to), options.to)
    if options.page is not None:
        page = options.page.read_text(encoding="utf-8")
        for name in places(page):
            if name not in made and (options.to / f"{name}.md").exists():
                made[name] = (options.to / f"{name}.md").read_text(encoding="utf-8")
        options.page.write_text(put_in(page, made), encoding="utf-8")
        for suffix in ("svg", "png"):
            drawn = options.to / f"brokers.{suffix}"
            if drawn.exists():
                shutil.copy(drawn, options.page.with_suffix(f".{suffix}"))
    for name in ("throughput", "latency", "targets"):
        print(made.get(name, ""))


if __name__ == "__main__":
    main()
