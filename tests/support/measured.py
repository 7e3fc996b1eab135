"""Figures made up for tests."""

from __future__ import annotations

from benchmarks.brokers.figures import Figures
from benchmarks.brokers.processes import Usage
from benchmarks.brokers.traffic import Traffic


def figures(
    *, deliveries: int, seconds: float = 1.0, broker: float = 0.0, sender: float = 0.0, recipients: float = 0.0
) -> Figures:
    """A round with these processor times (s)."""
    return Figures(
        alerts=max(1, deliveries // 30),
        deliveries=deliveries,
        seconds=seconds,
        broker=Usage(broker, 1_000),
        sender=Usage(sender, 1_000),
        recipients=Usage(recipients, 1_000),
        latencies=(1.0,),
        wire=Traffic(deliveries * 10, deliveries),
        receipts=deliveries,
    )
