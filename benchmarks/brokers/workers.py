"""The client processes of a peer, seen from outside: started, given scenarios one after the other, and ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Timer
from typing import IO, Any, cast

from benchmarks.brokers.scenario import CHECKOUT, PATIENCE


class Worker:
    """A process that reads a line of JSON, works, and answers with one, waited for no longer than `PATIENCE`."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._name = " ".join((module.rpartition(".")[2], *arguments))
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(  # noqa: S603 -- our own module
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, value: object) -> None:
        """Give it something to do."""
        stdin = cast(IO[str], self._process.stdin)
        stdin.write(json.dumps(value) + "\n")
        stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Its next line. Raises RuntimeError when it ended, or did not answer in time and so was ended."""
        late = Timer(PATIENCE, self._process.kill)
        late.start()
        try:
            line = cast(IO[str], self._process.stdout).readline()
        finally:
            late.cancel()
        if not line:
            code = self._process.wait()
            why = f"did not answer within {PATIENCE:g} s" if code == -9 else f"ended with {code}"
            raise RuntimeError(f"{self._name} {why}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it hang up and end; kill it if it does not."""
        with suppress(OSError):
            cast(IO[str], self._process.stdin).close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        cast(IO[str], self._process.stdout).close()


def end_all(workers: Sequence[Worker]) -> None:
    """End each of them."""
    for worker in workers:
        worker.end()
