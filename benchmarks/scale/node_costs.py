"""What an alert that comes alone costs a production node, its sender's and a recipient's (`benchmarks.node`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from benchmarks.node.receiving import Arrival, measure_receiving
from benchmarks.node.sending import EVERYBODY, Departure, measure_sending
from benchmarks.world import Parties, parties_of

ALERTS = 30
RECEIPTS = 3_000
"""Of one round about, so that three hundred recipients take no longer than a hundred."""


@dataclass(frozen=True, slots=True)
class NodeCosts:
    """µs of all threads: of an alert at its sender's node, of one of its receipts there when all come in one frame, and
    of a delivery at a recipient's."""

    alert: float
    receipt: float
    delivery: float


def measure_node_recipients(
    counts: list[int], *, rounds: int, say: Callable[[str], None]
) -> dict[int, list[NodeCosts]]:
    """The rounds for each number of recipients, in a directory of one agency more."""
    parties = {count: parties_of(count) for count in counts}
    found: dict[int, list[NodeCosts]] = {count: [] for count in counts}
    for number in range(rounds):
        for count in counts:
            found[count].append(measure_nodes(parties[count], size=1_024))
            say(f"nodes, {count} recipients, round {number + 1}: {found[count][-1]}")
    return found


def measure_node_body(sizes: list[int], *, rounds: int, say: Callable[[str], None]) -> dict[int, list[NodeCosts]]:
    """The rounds for each size of an alert in bytes, to thirty recipients."""
    parties = parties_of(30)
    found: dict[int, list[NodeCosts]] = {size: [] for size in sizes}
    for number in range(rounds):
        for size in sizes:
            found[size].append(measure_nodes(parties, size=size))
            say(f"nodes, {size} bytes, round {number + 1}: {found[size][-1]}")
    return found


def measure_nodes(parties: Parties, *, size: int) -> NodeCosts:
    """One round, of alerts with so many bytes of text."""
    return uvloop.run(_measure(parties, size))


async def _measure(parties: Parties, size: int) -> NodeCosts:
    departure = Departure(1, max(10, min(ALERTS, RECEIPTS // len(parties.recipients))), EVERYBODY)
    arrival = Arrival(1, 1, ALERTS)
    sent = (await measure_sending(parties, [departure], rounds=1, size=size))[departure]
    received = (await measure_receiving(parties, [arrival], rounds=1, size=size)).arrivals[arrival]
    return NodeCosts(sent.alert[0].cpu, sent.said[0].cpu, received[0].cpu)
