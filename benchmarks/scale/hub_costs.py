"""Cost at the hub against the number of recipients of an alert, and against the size of its body."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import uvloop

from benchmarks.scale.flow import Flow, measure_flow
from benchmarks.scale.hub import make_files, running

DELIVERIES = 9_000
"""Of one round at most: about as long a round with three hundred recipients as with thirty."""


def measure_recipients(
    counts: list[int], *, rounds: int, alerts: int, say: Callable[[str], None]
) -> dict[int, list[Flow]]:
    """The rounds for each number of recipients, in a directory of one agency more."""
    found: dict[int, list[Flow]] = {count: [] for count in counts}
    for number in range(rounds):
        for count in counts:
            found[count].append(_round(count + 1, count, min(alerts, max(30, DELIVERIES // count)), 1_024))
            say(f"{count} recipients, round {number + 1}: {found[count][-1]}")
    return found


def measure_body(sizes: list[int], *, rounds: int, alerts: int, say: Callable[[str], None]) -> dict[int, list[Flow]]:
    """The rounds for each size of a body in bytes, to thirty recipients."""
    found: dict[int, list[Flow]] = {size: [] for size in sizes}
    for number in range(rounds):
        for size in sizes:
            found[size].append(_round(31, 30, alerts, size))
            say(f"{size} bytes, round {number + 1}: {found[size][-1]}")
    return found


def _round(agencies: int, recipients: int, alerts: int, body: int) -> Flow:
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, running(make_files(Path(folder), agencies)) as hub:
        return uvloop.run(measure_flow(hub, alerts=alerts, recipients=recipients, body=body))
