"""Surveying a log with as many processes as there are cores: the surveys come in the order of the log all the same.

Each process establishes the directories by itself from the same files, so nothing that is trusted passes between them
but the surveys. Memory is bounded: only a few bundles are under way at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

from nodes.auditor.bundles import bundles_of
from nodes.auditor.directories import Directories, establish
from nodes.auditor.mirror import LogFolder
from nodes.auditor.survey import Survey, survey_bundle
from schemas.directory.history import DirectoryHistory
from schemas.errors import NotReady
from schemas.log.entry import DirectoryEntry

WORTH_IT = 16_384
"""Entries below which starting processes takes longer than it saves."""
AHEAD = 4
"""Bundles under way for each process, so that none waits while the surveys of another are judged."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a process needs to judge entries by themselves."""

    folder: LogFolder
    trusted_root: bytes
    entries: Sequence[tuple[int, DirectoryEntry]]
    """The undamaged directory entries."""
    damaged: frozenset[int]

    def establish(self) -> Directories:
        """Establish the directories; every process comes to the same."""
        return establish(self.folder, self.entries, trusted_root=self.trusted_root, damaged=self.damaged)


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def survey_all(
    grounds: Grounds, history: DirectoryHistory, size: int, workers: int
) -> Iterator[tuple[int, int, list[Survey] | None]]:
    """Yield index, width and surveys of every bundle of a log of `size` entries; None where a bundle cannot be read.

    Raises `NotReady` if a process was ended from outside.
    """
    if workers < 2 or size < WORTH_IT:
        for index, width in bundles_of(size):
            yield index, width, survey_bundle(grounds.folder, history, index, width)
        return
    waiting: deque[tuple[int, int, Future[list[Survey] | None]]] = deque()
    # Processes are started afresh, not forked: this one may have threads that draw its progress.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (grounds,))
    try:
        for index, width in bundles_of(size):
            waiting.append((index, width, pool.submit(_survey, index, width)))
            if len(waiting) > AHEAD * workers:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    except BrokenProcessPool as error:
        raise NotReady("a process of the audit was ended", hint="Verify again, or with --workers 1.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _next(waiting: deque[tuple[int, int, Future[list[Survey] | None]]]) -> tuple[int, int, list[Survey] | None]:
    index, width, future = waiting.popleft()
    return index, width, future.result()


# -- in the processes --------------------------------------------------------------------------------------------------

_held: list[tuple[LogFolder, DirectoryHistory]] = []


def _start(grounds: Grounds) -> None:
    """Establish the directories, once in each process."""
    _held.append((grounds.folder, grounds.establish().history))


def _survey(index: int, width: int) -> list[Survey] | None:
    folder, history = _held[0]
    return survey_bundle(folder, history, index, width)
