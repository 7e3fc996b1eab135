"""Numbered checks: whatever is refused within one bears its number."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from schemas.errors import CrossbearingError


class Step(NamedTuple):
    """A context that puts its number into whatever refusal is raised inside, unless one stands there already."""

    number: int

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CrossbearingError):
            error.context.setdefault("step", self.number)


step = cache(Step)
"""The step of that number: made once, as every alert passes through a dozen."""
