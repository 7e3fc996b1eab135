"""What the garbage collector takes of a process: counted inside it, and told when a signal asks.

A process counts only when the environment names a folder for the answer, for which `FOLDER` is the variable.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path

FOLDER = "CROSSBEARING_BENCH_COLLECTED"
_PATIENCE = 10.0  # seconds for an answer: the process may be in the middle of a collection


class Collections:
    """Processor seconds that collections took so far; goes into `gc.callbacks`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __call__(self, phase: str, _info: dict[str, int]) -> None:
        """Called at the start and at the end of each collection, by the thread that runs it."""
        now = time.thread_time()
        if phase == "start":
            self._started = now
        else:
            self.seconds += now - self._started


def tell_collections() -> None:
    """Count from now on, and answer SIGUSR1 with a file, if somebody wants that."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return
    collections = Collections()
    gc.callbacks.append(collections)

    def answer(*_: object) -> None:
        fresh = Path(folder) / f"{os.getpid()}.new"
        fresh.write_text(f"{collections.seconds}", encoding="utf-8")
        fresh.replace(fresh.with_suffix(""))

    signal.signal(signal.SIGUSR1, answer)


def collected(pid: int, folder: Path) -> float:
    """Processor seconds that collections took in that process so far. Raises RuntimeError when it does not answer."""
    file = folder / str(pid)
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + _PATIENCE
    while not file.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"process {pid} did not say what its collections took within {_PATIENCE:g} s")
        time.sleep(0.01)
    return float(file.read_text(encoding="utf-8"))
