"""What the exchange did, read from the senders' own nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from deploy.demo.cases import Sent
from deploy.demo.exchange import Exchange

DELIVERED = {"stored", "read", "actioned"}


@dataclass
class Figures:
    """Counts and latencies; a latency runs from sealing at the sender to the recipient's signed `stored`, in ms."""

    alerts: int = 0
    addressed: int = 0
    receipted: int = 0
    latencies: list[int] = field(default_factory=list)
    missing: list[tuple[str, str, str]] = field(default_factory=list)


def settled(exchange: Exchange, sent: Sequence[Sent]) -> int:
    """How many of the deliveries due have a receipt logged and known to the sender."""
    by_sender: dict[str, int] = {}
    for alert in sent:
        by_sender.setdefault(alert.case.sender, 0)
    done = 0
    for sender in by_sender:
        for summary in exchange.client(sender).sent(limit=500)["alerts"]:
            done += sum(summary["counts"].get(state, 0) for state in (*DELIVERED, "refused"))
    return done


def collect(exchange: Exchange, sent: Iterable[Sent]) -> Figures:
    """Read every alert's per-recipient state from its sender's node."""
    figures = Figures()
    for alert in sent:
        shown = exchange.client(alert.case.sender).alert(alert.id)
        figures.alerts += 1
        for recipient in shown["recipients"]:
            figures.addressed += 1
            if recipient["state"] in DELIVERED:
                figures.receipted += 1
                figures.latencies.append(recipient["time"] - shown["header"]["created"])
            else:
                figures.missing.append((alert.id, recipient["agency"], recipient["state"]))
    figures.latencies.sort()
    return figures


def percentile(values: Sequence[int], share: float) -> int:
    """The nearest-rank percentile of sorted values; 0 of none."""
    return values[min(len(values) - 1, max(0, round(share * len(values)) - 1))] if values else 0
