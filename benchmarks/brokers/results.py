"""What all rounds gave, in a form that is kept as JSON, so that tables and plots can be made again from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.brokers.figures import Disk, Figures

FILE = "brokers.json"


@dataclass(frozen=True, slots=True)
class Load:
    """One throughput round, as fast as it goes. Bytes are of one delivery: on disks, sent and received by the hub."""

    rate: float
    broker_cpu: float
    sender_cpu: float
    recipient_cpu: float
    broker_memory: int
    recipients_memory: int
    sent: float
    received: float
    broker_disk: float
    recipient_disk: float
    receipt_alerts: float
    """Alerts that one receipt covers."""
    block_deliveries: float
    """Deliveries that one block of the log leads to; 0: not told."""

    @property
    def wire(self) -> float:
        """Bytes that one delivery takes on the wire."""
        return self.sent + self.received

    @property
    def cpu(self) -> float:
        """µs of all parties for one delivery."""
        return self.broker_cpu + self.sender_cpu + self.recipient_cpu


@dataclass(frozen=True, slots=True)
class Paced:
    """One open-loop round: `rate` alerts a second, `share` of the capacity (0: none was asked for), latencies in ms.

    The processor time of one delivery is in µs; 0: not kept.
    """

    share: float
    rate: float
    deliveries: int
    p50: float
    p99: float
    p999: float
    broker_cpu: float = 0.0
    sender_cpu: float = 0.0
    recipient_cpu: float = 0.0

    @property
    def cpu(self) -> float:
        """µs of all parties for one delivery."""
        return self.broker_cpu + self.sender_cpu + self.recipient_cpu


@dataclass(frozen=True, slots=True)
class Divided:
    """One round of each kind with the recipients in so many processes: as fast as it goes, and at the given rate."""

    processes: int
    load: Load
    paced: Paced


@dataclass(slots=True)
class Results:
    """By the name of the broker."""

    machine: str = ""
    alerts: str = ""
    durability: dict[str, str] = field(default_factory=dict)
    load: dict[str, list[Load]] = field(default_factory=dict)
    paced: dict[str, list[Paced]] = field(default_factory=dict)
    caught_up: dict[str, list[float]] = field(default_factory=dict)
    divided: dict[str, list[Divided]] = field(default_factory=dict)
    waiting: int = 0
    recipients: int = 30
    processes: int = 1
    """In which all recipients are, of `load`, `paced` and `caught_up`."""
    cores: int = 2
    failed: dict[str, list[str]] = field(default_factory=dict)
    """What a broker did not finish, in words."""

    def forget(self, name: str) -> None:
        """Forget what is known of a broker, because it is measured again."""
        for made in (self.load, self.paced, self.caught_up, self.divided, self.failed):
            made.pop(name, None)

    def save(self, folder: Path) -> None:
        """Write `brokers.json`."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")


def load_results(folder: Path) -> Results:
    """Read what `Results.save` wrote."""
    value: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    rounds: Mapping[str, type[Load | Paced]] = {"load": Load, "paced": Paced}
    for name, kind in rounds.items():
        value[name] = {broker: [kind(**each) for each in made] for broker, made in value[name].items()}
    value["divided"] = {
        broker: [Divided(each["processes"], Load(**each["load"]), Paced(**each["paced"])) for each in made]
        for broker, made in value.get("divided", {}).items()
    }
    return Results(**value)


def as_load(figures: Figures, disk: Disk, deliveries: int) -> Load:
    """The figures of a throughput round; the disk holds `deliveries`, the ones before the measured ones too."""
    return Load(
        rate=figures.rate,
        broker_cpu=figures.broker_cpu,
        sender_cpu=figures.sender_cpu,
        recipient_cpu=figures.recipient_cpu,
        broker_memory=figures.broker.memory,
        recipients_memory=figures.recipients.memory,
        sent=figures.wire.sent / figures.deliveries,
        received=figures.wire.received / figures.deliveries,
        broker_disk=disk.broker / deliveries,
        recipient_disk=disk.recipients / deliveries,
        receipt_alerts=figures.deliveries / figures.receipts,
        block_deliveries=figures.deliveries / figures.blocks if figures.blocks else 0.0,
    )


def as_paced(figures: Figures, share: float, rate: float) -> Paced:
    """The figures of an open-loop round."""
    p50, p99, p999 = map(figures.latency, (0.5, 0.99, 0.999))
    cpu = (figures.broker_cpu, figures.sender_cpu, figures.recipient_cpu)
    return Paced(share, rate, figures.deliveries, p50, p99, p999, *cpu)
