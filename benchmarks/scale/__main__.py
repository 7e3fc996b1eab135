"""Measure how cost grows, and write tables, a file `scale-SUBJECT.md` for each subject, and a plot.

python -m benchmarks.scale [log recipients body memory catch-up idle] [--rounds 3] [--alerts 300] [--largest N]
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from benchmarks.logs import keep_silent
from benchmarks.scale import report
from benchmarks.scale.catch_up import measure_catch_up
from benchmarks.scale.flow import Flow
from benchmarks.scale.hub_costs import measure_body, measure_recipients
from benchmarks.scale.idle import measure_idle
from benchmarks.scale.log_size import measure_log_size
from benchmarks.scale.memory import measure_memory
from benchmarks.scale.node_costs import NodeCosts, measure_node_body, measure_node_recipients
from benchmarks.scale.report import Series

LOG_SIZES = tuple(10**power for power in range(3, 8))
RECIPIENTS = [1, 3, 10, 30, 100, 300]
BODIES = [1_024 << power for power in (0, 2, 4, 6, 8)]
MEMORY_SIZE = 1_000_000
MEMORY_ALERTS = 4_000
WAITING = (1_000, 10_000)
IDLE_SECONDS = 30.0
_FLOW = ("alert taken in, µs", "delivery, µs", "receipt of one, µs", "alert, all together, µs")
_NODES = ("sender's node: alert, µs", "sender's node: one receipt, µs", "recipient's node: delivery, µs")
_ALONE = "Each alert comes alone, and all its receipts in one frame."


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("subjects", nargs="*", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alerts", type=int, default=300)
    parser.add_argument("--largest", type=int, default=LOG_SIZES[-1], help="entries of the longest log")
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    keep_silent()
    options.to.mkdir(parents=True, exist_ok=True)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    plotted: list[Series] = []
    for name in options.subjects or SUBJECTS:
        made = SUBJECTS[name](options)
        text = report.page(made, machine)
        (options.to / f"scale-{name}.md").write_text(text, encoding="utf-8")
        print("\n" + text)
        plotted += [series for series in made if series.plotted]
    if plotted:
        report.plot(plotted, options.to)


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
        Series(
            "The log: the hub itself",
            "entries",
            columns,
            own,
            "Loaded: after the load above, its nodes gone.",
            plotted=False,
        ),
    ]


def _recipients(options: argparse.Namespace) -> list[Series]:
    found = measure_recipients(RECIPIENTS, rounds=options.rounds, alerts=options.alerts, say=_say)
    rows: dict[float, list[tuple[float, ...]]] = {
        count: [_costs(flow) for flow in rounds] for count, rounds in found.items()
    }
    nodes = measure_node_recipients(RECIPIENTS, rounds=options.rounds, say=_say)
    theirs: dict[float, list[tuple[float, ...]]] = {
        count: [_node_costs(costs) for costs in rounds] for count, rounds in nodes.items()
    }
    return [
        Series("Recipients: processor time at the hub", "recipients", _FLOW, rows, "Bodies of 1 KiB."),
        Series("Recipients: processor time at the nodes", "recipients", _NODES, theirs, f"1 KiB. {_ALONE}"),
    ]


def _body(options: argparse.Namespace) -> list[Series]:
    found = measure_body(BODIES, rounds=options.rounds, alerts=options.alerts, say=_say)
    rows = {size / 1_024: [_costs(flow) for flow in rounds] for size, rounds in found.items()}
    nodes = measure_node_body(BODIES, rounds=options.rounds, say=_say)
    theirs = {size / 1_024: [_node_costs(costs) for costs in rounds] for size, rounds in nodes.items()}
    return [
        Series("Bodies: processor time at the hub", "KiB", _FLOW, rows, "One sender, 30 recipients."),
        Series("Bodies: processor time at the nodes", "KiB", _NODES, theirs, f"To 30. {_ALONE}"),
    ]


def _memory(options: argparse.Namespace) -> list[Series]:
    sizes = [size for size in (LOG_SIZES[0], MEMORY_SIZE) if size <= options.largest]
    found = {size: measure_memory(size, alerts=MEMORY_ALERTS, say=_say) for size in sizes}
    rows: dict[float, list[tuple[float, ...]]] = {
        size: [tuple(each / 1e6 for part in made.parts for each in (part.rss, part.pss))]
        for size, made in found.items()
    }
    stages = ("started", "31 nodes", "loaded", "one caught up")
    columns = tuple(f"{stage}, {kind} MB" for stage in stages for kind in ("RSS", "PSS"))
    note = (
        f"Loaded: after {MEMORY_ALERTS:,} alerts of 1 KiB to 30 recipients, all of which then waited for one of them."
    )
    return [Series("Memory of the hub", "entries", columns, rows, note, plotted=False)]


def _catch_up(options: argparse.Namespace) -> list[Series]:
    rows: dict[float, list[tuple[float, ...]]] = {
        count: [
            (each.seconds, each.hub, each.alerts / each.frames, each.before / 1e6, each.peak / 1e6)
            for each in measure_catch_up(count, rounds=options.rounds, say=_say)
        ]
        for count in WAITING
    }
    columns = ("seconds", "hub, µs per alert", "alerts in a frame", "RSS before, MB", "RSS at most, MB")
    note = "A light client takes and receipts them; each of them has 30 recipients and 1 KiB."
    return [Series("Catching up: the hub's part", "alerts that wait", columns, rows, note, plotted=False)]


def _idle(options: argparse.Namespace) -> list[Series]:
    del options
    rows: dict[float, list[tuple[float, ...]]] = {
        each.nodes: [(each.cpu, each.wakes, each.rss / 1e6, each.pss / 1e6)]
        for each in measure_idle(IDLE_SECONDS, say=_say)
    }
    columns = ("CPU, ms a second", "wake-ups a second", "RSS, MB", "PSS, MB")
    note = "In one process each: 31 at the hub that serves them, 1 and 30 where production nodes themselves run."
    return [Series("Idle", "nodes", columns, dict(sorted(rows.items())), note, plotted=False)]


SUBJECTS = {
    "log": _log,
    "recipients": _recipients,
    "body": _body,
    "memory": _memory,
    "catch-up": _catch_up,
    "idle": _idle,
}


def _costs(flow: Flow) -> tuple[float, ...]:
    return flow.alert, flow.delivery, flow.receipt, flow.live


def _node_costs(costs: NodeCosts) -> tuple[float, ...]:
    return costs.alert, costs.receipt, costs.delivery


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
