"""What a call takes of memory, in bytes: bombs are judged by that, since time on a shared machine says nothing."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from schemas.errors import CrossbearingError


def peak(call: Callable[[], object]) -> int:
    """The most that Python held while `call` ran, above what it held before."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    """The code with which a call is refused, and what it took; fails the test when it is not."""
    codes = []

    def refused() -> None:
        try:
            call()
        except CrossbearingError as error:
            codes.append(error.code)

    taken = peak(refused)
    assert codes, "what should have been refused was taken"
    return codes[0], taken
