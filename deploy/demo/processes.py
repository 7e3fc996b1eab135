"""Daemons started in the background, remembered in a file, and ended by process id and start time only."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TICK = 0.05
"""Seconds between two looks at a daemon that is starting or ending."""


class DaemonFailed(Exception):
    """A daemon ended, or did not become ready in its time; carries the end of its log."""


@dataclass(frozen=True)
class Daemon:
    """One running process; its start time (clock ticks) tells it from a later one with the same id."""

    name: str
    pid: int
    started: int
    log: Path

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send the signal, if the process is still this one."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def start(name: str, command: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None) -> Daemon:
    """Start a daemon in a session of its own, its output appended to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own commands, no shell
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    _CHILDREN[process.pid] = process
    return Daemon(name, process.pid, _start_time(process.pid) or 0, log)


def wait_ready(daemon: Daemon, ready: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Return when `ready()`; raise `DaemonFailed` if the daemon ends first or takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not daemon.alive:
            raise DaemonFailed(f"{daemon.name} ended while starting:\n{daemon.tail()}")
        if time.monotonic() > deadline:
            raise DaemonFailed(f"{daemon.name} was not ready after {seconds:g} s:\n{daemon.tail()}")
        wait_end(daemon, seconds=TICK)


def wait_end(daemon: Daemon, *, seconds: float) -> bool:
    """Wait until the process has ended, at most `seconds`; whether it has."""
    deadline = time.monotonic() + seconds
    while daemon.alive:
        if (left := deadline - time.monotonic()) <= 0:
            return False
        child = _CHILDREN.get(daemon.pid)
        if child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(min(TICK, left))
        else:
            time.sleep(min(TICK, left))  # not our child: an earlier command started it
    if (child := _CHILDREN.pop(daemon.pid, None)) is not None:
        child.wait()  # it has ended; a run of hours must not leave thousands of zombies
    return True


def stop(daemon: Daemon, *, seconds: float = 15.0) -> None:
    """End the daemon in good order; kill it if it has not ended after `seconds`."""
    daemon.signal(signal.SIGTERM)
    if not wait_end(daemon, seconds=seconds):
        kill(daemon)


def kill(daemon: Daemon) -> None:
    """End the daemon the hard way and wait until it is gone."""
    daemon.signal(signal.SIGKILL)
    wait_end(daemon, seconds=10.0)


def remember(daemons: Sequence[Daemon], file: Path) -> None:
    """Write down what runs, so that a later command can end it."""
    rows = [{"name": d.name, "pid": d.pid, "started": d.started, "log": str(d.log)} for d in daemons]
    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def recall(file: Path) -> list[Daemon]:
    """What an earlier command wrote down and still runs."""
    if not file.exists():
        return []
    rows = json.loads(file.read_text(encoding="utf-8"))
    daemons = [Daemon(row["name"], row["pid"], row["started"], Path(row["log"])) for row in rows]
    return [daemon for daemon in daemons if daemon.alive]


_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc(5)); None when there is no such process, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
