"""What a process used: processor time to the microsecond, and memory by how it is counted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: resident; the same with shared pages divided among those who share them; and what is its own alone."""

    rss: int
    pss: int
    own: int


def cpu(pid: int) -> float:
    """Seconds of processor time of a process, as the scheduler counts them for each of its threads.

    A thread that ended is not counted: the hub's and a node's live as long as they do.
    """
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def switches(pid: int) -> int:
    """How often the threads of a process went to sleep of their own accord: once for each time it woke up."""
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
    return found


def memory(pid: int) -> Memory:
    """What a process holds in memory."""
    return parse_memory(Path(f"/proc/{pid}/smaps_rollup").read_text())


def parse_memory(text: str) -> Memory:
    """The figures in an `smaps_rollup` (proc_pid_smaps(5))."""
    found = dict.fromkeys(("Rss", "Pss", "Private_Dirty"), 0)
    for line in text.splitlines()[1:]:
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0]) * 1024
    return Memory(found["Rss"], found["Pss"], found["Private_Dirty"])


def peak(pid: int) -> int:
    """The most bytes that were ever resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def forget_file_pages(path: Path) -> None:
    """Have the system write out and drop its own copy of a file, so that the next reader meets the disk."""
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
