"""Sampling a process from outside with py-spy, and the processor time of its threads."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers.processes import TICKS, installed

RATE = 100  # samples a second: more would take too much of two cores


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor seconds of a process: its main thread, and all others."""

    main: float
    others: float

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.main - before.main, self.others - before.others)


def spent(pid: int) -> Spent:
    """Until now. Raises OSError when the process is gone."""
    main, everything = (_seconds(Path(f"/proc/{pid}{thread}/stat")) for thread in (f"/task/{pid}", ""))
    return Spent(main, everything - main)


@contextmanager
def sampled(pids: Mapping[str, int], folder: Path) -> Iterator[dict[str, Path]]:
    """Sample the processes meanwhile; afterwards the files hold what was seen. Raises RuntimeError if it cannot."""
    spies: dict[str, subprocess.Popen[str]] = {}
    files = {name: folder / f"{name}.raw" for name in pids}
    try:
        for name, pid in pids.items():
            command = [str(installed("py-spy")), "record", "--pid", str(pid), "--format", "raw"]
            command += ["--output", str(files[name]), "--rate", str(RATE), "--duration", "3600"]
            spies[name] = subprocess.Popen(  # noqa: S603 -- fixed command
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        yield files
    finally:
        words = {name: _end(spy) for name, spy in spies.items()}
    for name, file in files.items():
        if not file.exists():
            raise RuntimeError(f"{name} was not sampled; py-spy needs the right to trace it: {words[name]}")


def _end(spy: subprocess.Popen[str]) -> str:
    spy.send_signal(signal.SIGINT)
    try:
        return spy.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        spy.kill()
        return spy.communicate()[0]


def _seconds(stat: Path) -> float:
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
