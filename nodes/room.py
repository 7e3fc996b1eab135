"""Places for so many at once; who finds none is told when to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import Overloaded

__all__ = ["Room"]

AGAIN_MS = 1_000
"""When to come again: requests take some ms, those with files a second."""


class Room:
    """`places` for what `what` names in the plural."""

    def __init__(self, places: int, what: str) -> None:
        self._places = places
        self._what = what
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises `Overloaded` when all are taken."""
        if self._taken >= self._places:
            raise Overloaded(
                f"the node serves {self._taken} {self._what} already",
                hint="End those that are not used, or try again in a moment.",
                retry_after=AGAIN_MS,
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
