"""Timing one call: the least of several runs, in microseconds; of processor time where nothing has to be waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

REPEATS = 7
RUN = 0.02  # seconds of one run
Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Floor:
    """One call's cost in µs, under the name that the sum of floors uses; `real` is true of time that passed."""

    name: str
    what: str
    cost: float
    real: bool = False


def processor(name: str, what: str, work: Work, *, parts: int = 1) -> Floor:
    """Processor time of `work`, or of one of the `parts` that it consists of."""
    count = 1
    while (spent := _run(work, count)) < RUN / 4:
        count *= 4
    count = max(1, int(count * RUN / spent))
    return Floor(name, what, min(_run(work, count) for _ in range(REPEATS)) / count / parts * 1e6)


def real(name: str, what: str, work: Work, *, count: int = 200) -> Floor:
    """The median of the time that passes during `work`: waiting for a disk is most of it."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return Floor(name, what, median(times) * 1e6, real=True)


def _run(work: Work, count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        work()
    return time.process_time() - started
