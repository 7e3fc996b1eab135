"""Servers and workers as processes of their own: started, timed and ended by process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.usage import cpu as processor_time

TICKS = os.sysconf("SC_CLK_TCK")
_STARTED: dict[int, subprocess.Popen[bytes]] = {}


def end_in_order() -> None:
    """Let SIGTERM end this process as an exception does, so that what it started is ended too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def installed(name: str) -> Path:
    """A program that came with a package of this environment."""
    return Path(sys.executable).parent / name


def free_port() -> int:
    """A port that nobody listens on now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def start(
    command: Sequence[str], home: Path, port: int, environment: dict[str, str] | None = None, *, seconds: float = 30
) -> int:
    """Start a server and wait until it listens on `port`; its process id. Raises RuntimeError with its last words."""
    program = shutil.which(command[0])
    if program is None:
        raise RuntimeError(f"{command[0]} is not installed: see benchmarks/README.md")
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- fixed commands, no shell
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    _STARTED[process.pid] = process
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process.pid
    stop(process.pid)
    raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2_000:]}")


def stop(pid: int) -> None:
    """End a server and what it started."""
    process = _STARTED.pop(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, number)
            process.wait(15)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            continue
        return


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds and resident bytes of a process with its descendants."""

    cpu: float
    memory: int

    def since(self, before: Usage) -> Usage:
        """The processor time used since, and the memory now."""
        return Usage(self.cpu - before.cpu, self.memory)

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.cpu + other.cpu, self.memory + other.memory)


def usage(pid: int) -> Usage:
    """What a process and its descendants used until now; those that ended count where their parent waited for them."""
    cpu = memory = 0.0
    for each in [pid, *_descendants(pid)]:
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        own, children = (sum(map(int, fields[k : k + 2])) / TICKS for k in (11, 13))
        cpu += max(own, _threads(each)) + children
        memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return Usage(cpu, int(memory))


def _threads(pid: int) -> float:
    """The same to the microsecond, but without the threads that ended."""
    try:
        return processor_time(pid)
    except OSError:  # one ended this instant
        return 0.0


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)


def disk(home: Path) -> int:
    """Bytes that the files under `home` take; one that goes away meanwhile takes none."""
    total = 0
    for path in home.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_blocks * 512 if path.is_file() else 0
    return total
