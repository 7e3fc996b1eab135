"""What it costs a recipient's node to take alerts in: proven, opened, kept, receipted; later made findable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.documents import alert_document
from benchmarks.node.feed import Feed
from benchmarks.node.line import Node, connected
from benchmarks.node.meter import Cost
from benchmarks.world import Parties
from nodes.indexing import TOGETHER


@dataclass(frozen=True, slots=True)
class Arrival:
    """How alerts come: `alerts` in a frame, `frames` at once, so many `times` in a round, one after the other.

    With a `head` a tree head to be cosigned follows them, on the same checkpoint.
    """

    alerts: int
    frames: int
    times: int
    head: bool = False

    @property
    def total(self) -> int:
        """Alerts of a round."""
        return self.alerts * self.frames * self.times


WARM_UP = Arrival(1, 1, 8)
"""Frames before the measured ones: pair keys are opened, pages and code are loaded."""


@dataclass(frozen=True, slots=True)
class Received:
    """The rounds of each arrival, and of entering all of its round's alerts into the search index."""

    arrivals: dict[Arrival, list[Cost]]
    indexed: list[Cost]


async def measure_receiving(parties: Parties, arrivals: Sequence[Arrival], *, rounds: int, size: int) -> Received:
    """Alerts with so many bytes of text, the next when the node has receipted those before and has its answer.

    Raises RuntimeError when the node does not hold them all in the end.
    """
    feed = Feed(parties, parties.recipients[-1])
    found = Received(defaultdict(list), [])
    async with connected(feed) as node:
        await _take(node, WARM_UP, _frames(feed, parties, WARM_UP, size))
        for _ in range(rounds):
            for arrival in arrivals:
                frames = _frames(feed, parties, arrival, size)
                before = await node.meter.read()
                await _take(node, arrival, frames)
                found.arrivals[arrival].append(await node.meter.since(before, arrival.total))
            before = await node.meter.read()
            count = await _index(node)
            found.indexed.append(await node.meter.since(before, count))
        held = await node.parts.store.read(lambda tables: tables.alerts.count("in"))
    if held != node.line.receipted:
        raise RuntimeError(f"the node receipted {node.line.receipted} alerts and holds {held}")
    return found


def _frames(feed: Feed, parties: Parties, arrival: Arrival, size: int) -> list[list[bytes]]:
    documents = [alert_document(n, parties.recipients, size) for n in range(arrival.alerts)]
    return [
        [*[feed.alerts(documents) for _ in range(arrival.frames)], *[feed.head()] * arrival.head]
        for _ in range(arrival.times)
    ]


async def _take(node: Node, arrival: Arrival, groups: Sequence[Sequence[bytes]]) -> None:
    for group in groups:
        line = node.line
        line.give(*group)
        expected = line.receipted + arrival.alerts * arrival.frames
        await line.until(receipted=expected, cosigned=line.cosigned + arrival.head)


async def _index(node: Node) -> int:
    """As `nodes.indexing` does every ten seconds; how many alerts."""
    count, some = 0, TOGETHER
    while some == TOGETHER:
        some = await node.parts.store.write(lambda tables: tables.search.extend(TOGETHER))
        count += some
    return count
