"""Files on a disk that fails once: at the n-th flush or rename that a piece of work asks for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from schemas.errors import CrossbearingError

HOW: Final = ("lost", "kept", "full", "killed")
"""Not done and said so; done, and said not to be; no room; done, and the process is no more."""


class FailingFiles:
    """Counts the operations; `met` is whether the `at`-th was asked for."""

    def __init__(self, how: str, at: int) -> None:
        self.met = False
        self._how = how
        self._left = at

    def over(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The operation `real`, which fails when its turn has come."""

        def operation(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left:
                return real(*arguments, **named)
            self.met = True
            if self._how in ("kept", "killed"):
                real(*arguments, **named)
            if self._how == "killed":
                os._exit(9)
            raise OSError(errno.ENOSPC if self._how == "full" else errno.EIO, "as the test wants it")

        return operation


@contextmanager
def failing_files(how: str, at: int) -> Iterator[FailingFiles]:
    """Have the `at`-th operation inside fail, counted from 1; in a process of its own for `killed`."""
    files = FailingFiles(how, at)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "rename"):
            patch.setattr(os, name, files.over(getattr(os, name)))
        yield files


def failure_of(work: Callable[[], object]) -> CrossbearingError | None:
    """Why `work` could not be done, if it could not."""
    try:
        work()
    except CrossbearingError as failure:
        return failure
    return None


def killed(work: Callable[[], object], at: int) -> bool:
    """Do `work` in a process that ends right after its `at`-th operation; whether it came so far."""
    child = os.fork()
    if not child:
        try:
            with failing_files("killed", at):
                work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
