"""What every broker has to do: one sender, many recipients, signed and sealed alerts, signed receipts, all durable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = CHECKOUT / "certs" / "example"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`alerts` of `body` bytes to `recipients` each; `rate` alerts a second, or with 0 as fast as `in_flight` allow.

    At a rate each alert counts as sent when its turn came, not when the sender got round to it.
    """

    alerts: int
    recipients: int = 30
    body: int = 1_024
    in_flight: int = 32
    rate: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For a worker's command line."""
        return asdict(self)
