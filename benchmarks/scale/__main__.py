"""Measure how cost grows, and write tables and a plot.

python -m benchmarks.scale [log recipients body …] [--rounds 3] [--alerts 300] [--largest 10000000] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from benchmarks.scale import report
from benchmarks.scale.flow import Flow
from benchmarks.scale.hub_costs import measure_body, measure_recipients
from benchmarks.scale.log_size import measure_log_size
from benchmarks.scale.report import Series

LOG_SIZES = tuple(10**power for power in range(3, 8))
RECIPIENTS = [1, 3, 10, 30, 100, 300]
BODIES = [1_024 << power for power in (0, 2, 4, 6, 8)]
_FLOW = ("alert taken in, µs", "delivery, µs", "receipt of one, µs", "alert, all together, µs")


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("subjects", nargs="*", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alerts", type=int, default=300)
    parser.add_argument("--largest", type=int, default=LOG_SIZES[-1], help="entries of the longest log")
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    made = [series for name in options.subjects or SUBJECTS for series in SUBJECTS[name](options)]
    options.to.mkdir(parents=True, exist_ok=True)
    head = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}; medians (least–most) of {options.rounds} rounds."
    )
    text = "\n".join([head + "\n", *map(report.table, made)])
    (options.to / "scale.md").write_text(text, encoding="utf-8")
    report.plot(made, options.to)
    print("\n" + text)


def _log(options: argparse.Namespace) -> list[Series]:
    sizes = [size for size in LOG_SIZES if size <= options.largest]
    rounds = {size: measure_log_size(size, rounds=options.rounds, alerts=options.alerts, say=_say) for size in sizes}
    costs: dict[float, list[tuple[float, ...]]] = {
        size: [_costs(each.flow) for each in found] for size, found in rounds.items()
    }
    own: dict[float, list[tuple[float, ...]]] = {
        size: [
            (r.file / 1e6, r.start * 1e3, r.ready.rss / 1e6, r.ready.pss / 1e6, r.loaded.rss / 1e6, r.loaded.pss / 1e6)
            for r in found
        ]
        for size, found in rounds.items()
    }
    columns = ("log, MB", "start, CPU ms", "RSS at start, MB", "PSS at start, MB", "RSS loaded, MB", "PSS loaded, MB")
    return [
        Series("The log: processor time at the hub", "entries", _FLOW, costs, "One sender, 30 recipients, 1 KiB."),
        Series("The log: the hub itself", "entries", columns, own, "Loaded: with 31 nodes, after the load above."),
    ]


def _recipients(options: argparse.Namespace) -> list[Series]:
    found = measure_recipients(RECIPIENTS, rounds=options.rounds, alerts=options.alerts, say=_say)
    rows: dict[float, list[tuple[float, ...]]] = {
        count: [_costs(flow) for flow in rounds] for count, rounds in found.items()
    }
    return [Series("Recipients: processor time at the hub", "recipients", _FLOW, rows, "Bodies of 1 KiB.")]


def _body(options: argparse.Namespace) -> list[Series]:
    found = measure_body(BODIES, rounds=options.rounds, alerts=options.alerts, say=_say)
    rows = {size / 1_024: [_costs(flow) for flow in rounds] for size, rounds in found.items()}
    return [Series("Bodies: processor time at the hub", "KiB", _FLOW, rows, "One sender, 30 recipients.")]


SUBJECTS = {"log": _log, "recipients": _recipients, "body": _body}


def _costs(flow: Flow) -> tuple[float, ...]:
    return flow.alert, flow.delivery, flow.receipt, flow.live


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
