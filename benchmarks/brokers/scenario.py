"""What every broker has to do: one sender, many recipients, signed and sealed alerts, signed receipts, all durable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = CHECKOUT / "certs" / "example"
PATIENCE: Final = 240.0
"""Seconds for one round, then it has failed: the slowest peer takes 25."""


def shares(count: int, processes: int) -> list[range]:
    """Which of so many recipients each process plays: as many as the others, or one more; no process has none."""
    ends = [count * number // processes for number in range(processes + 1)]
    return [range(start, end) for start, end in pairwise(ends) if start < end]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`alerts` of `body` bytes to `recipients` each; `rate` alerts a second, or with 0 as fast as `in_flight` allow.

    At a rate each alert counts as sent when its turn came, not when the sender got round to it. `first` is the number
    of the first one, so that several scenarios can follow each other on one broker. Of the recipients `listening` are
    there at all: every alert is sealed for the others too, but nobody fetches it for them.
    """

    alerts: int
    recipients: int = 30
    listening: int = 30
    body: int = 1_024
    in_flight: int = 32
    rate: float = 0.0
    first: int = 0

    @property
    def deliveries(self) -> int:
        """How many receipts end it."""
        return self.alerts * self.listening

    def as_json(self) -> dict[str, Any]:
        """For a worker's standard input."""
        return asdict(self)
