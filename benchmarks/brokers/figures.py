"""What was measured: one round's figures, and percentiles of its latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.brokers.processes import Usage
from benchmarks.brokers.traffic import Traffic


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed (nearest rank, no interpolation)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * round(share * 1_000_000) // 1_000_000)
    return ordered[max(0, rank - 1)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round cost. Times in seconds, latencies in ms, sizes in bytes; the times of a processor in µs."""

    alerts: int
    deliveries: int
    seconds: float
    broker: Usage
    sender: Usage
    recipients: Usage
    latencies: tuple[float, ...]
    wire: Traffic
    receipts: int
    """Receipts signed; each may cover several alerts."""
    blocks: int = 0
    """Times that the broker made several things durable together, where it tells."""

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.deliveries / self.seconds

    @property
    def broker_cpu(self) -> float:
        """Processor time of the broker for one delivery, receipts included."""
        return self.broker.cpu / self.deliveries * 1e6

    @property
    def sender_cpu(self) -> float:
        """The sender's share of one delivery."""
        return self.sender.cpu / self.deliveries * 1e6

    @property
    def recipient_cpu(self) -> float:
        """What a recipient needs for one delivery."""
        return self.recipients.cpu / self.deliveries * 1e6

    @property
    def cpu(self) -> float:
        """All parties together, for one delivery."""
        return self.broker_cpu + self.sender_cpu + self.recipient_cpu

    def latency(self, share: float) -> float:
        """The latency that this share of the deliveries did not exceed, in ms."""
        return percentile(self.latencies, share)


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes that the files of broker and recipients take."""

    broker: int
    recipients: int

    def __sub__(self, before: Disk) -> Disk:
        return Disk(self.broker - before.broker, self.recipients - before.recipients)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """How long one recipient took for the alerts that waited, from connecting until its receipts were durable."""

    waiting: int
    seconds: float
