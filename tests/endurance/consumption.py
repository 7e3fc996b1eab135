"""What processes take of a machine: memory, descriptors, threads, disk, from /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.processes import Daemon


@dataclass(frozen=True, slots=True)
class Consumption:
    """At one moment. `rss` counts every page that a process has in memory, `pss` shares what several have; bytes."""

    rss: int
    pss: int
    descriptors: int
    threads: int

    def __add__(self, other: Consumption) -> Consumption:
        return Consumption(
            self.rss + other.rss,
            self.pss + other.pss,
            self.descriptors + other.descriptors,
            self.threads + other.threads,
        )


NOTHING = Consumption(0, 0, 0, 0)


def of_process(pid: int) -> Consumption:
    """What one process takes. Raises OSError when it has ended."""
    folder = Path("/proc") / str(pid)
    sizes = _numbers((folder / "smaps_rollup").read_text(encoding="ascii", errors="replace"))
    threads = _numbers((folder / "status").read_text(encoding="utf-8", errors="replace"))["Threads"]
    return Consumption(sizes["Rss"] * 1024, sizes["Pss"] * 1024, len(os.listdir(folder / "fd")), threads)  # noqa: PTH208  # names only


def of_all(daemons: Iterable[Daemon]) -> Consumption:
    """What several take together."""
    return sum((of_process(daemon.pid) for daemon in daemons), NOTHING)


def on_disk(folder: Path) -> int:
    """Bytes that the files below a folder take."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def _numbers(text: str) -> dict[str, int]:
    """The lines of the form `Name:   123 kB` or `Name: 123`."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0])
    return found
