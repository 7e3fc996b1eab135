"""What a target is, and the promise most of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from schemas.errors import CrossbearingError

T = TypeVar("T")
Target = Callable[[bytes], bool]
"""Takes any bytes and says whether they were accepted. Fails with AssertionError where a promise breaks, and lets
through whatever the decoder should not have raised."""


def one_form(
    read: Callable[[bytes], T], write: Callable[[T], bytes], *refusals: type[CrossbearingError]
) -> Callable[[bytes], bool]:
    """The promise that `read` refuses with one of `refusals`, or gives what `write` would have written so."""

    def target(data: bytes) -> bool:
        try:
            value = read(data)
        except refusals:
            return False
        assert write(value) == data
        return True

    return target
