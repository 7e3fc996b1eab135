"""Cost against the length of the log: what an alert, a delivery and a receipt take at the hub on 10^3 to 10^7 entries.

Each round begins with the log as it was filled, and none of it in the system's memory.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from benchmarks import usage
from benchmarks.scale.flow import Flow, measure_flow
from benchmarks.scale.hub import HubFiles, make_files, running
from benchmarks.usage import Memory
from broker.config import load_config

AGENCIES = 31
COPIED_UP_TO = 1_000_000
"""Entries up to which each round has a copy of its own; beyond, what a round adds is no thousandth of it."""


@dataclass(frozen=True, slots=True)
class LogRound:
    """One round at one size. Start-up in seconds of processor time, memory in bytes before and after the load."""

    size: int
    file: int
    start: float
    ready: Memory
    loaded: Memory
    flow: Flow


def measure_log_size(
    size: int, *, rounds: int, alerts: int, say: Callable[[str], None], agencies: int = AGENCIES
) -> list[LogRound]:
    """Fill a log of about `size` entries and measure so many rounds on it. What it takes on disk is deleted."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir="/var/tmp") as folder:
        filled = make_files(Path(folder) / "filled", agencies, size)
        say(f"filled {size:,} entries, {filled.config.log.stat().st_size / 1e6:,.0f} MB")
        made = []
        for number in range(rounds):
            files = _copy(filled, Path(folder) / f"round-{number}") if size <= COPIED_UP_TO else filled
            made.append(_round(files, size, alerts, agencies - 1))
            say(f"{size:,} entries, round {number + 1}: {made[-1].flow}")
            if files is not filled:
                shutil.rmtree(files.folder)
        return made


def _copy(files: HubFiles, folder: Path) -> HubFiles:
    shutil.copytree(files.folder, folder)
    return replace(files, folder=folder, config=load_config(folder / "hub"))


def _round(files: HubFiles, size: int, alerts: int, recipients: int) -> LogRound:
    usage.forget_file_pages(files.config.log)
    length = files.config.log.stat().st_size
    with running(files) as hub:
        ready = usage.memory(hub.pid)
        flow = uvloop.run(measure_flow(hub, alerts=alerts, recipients=recipients))
        return LogRound(size, length, hub.start_seconds, ready, usage.memory(hub.pid), flow)
