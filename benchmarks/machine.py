"""What a figure was measured on, in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path

QUIET = 0.5
"""The load of the last minute that a machine may have which does nothing else."""


def machine() -> str:
    """Processor, cores, Python, and whether others are at work: to be asked before the measuring begins."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    where = f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, Python {platform.python_version()}"
    load = os.getloadavg()[0]
    others = f", **with other work at the time (load {load:.1f} before the run): read ratios, and those with care**"
    return where + (others if load > QUIET else "")
