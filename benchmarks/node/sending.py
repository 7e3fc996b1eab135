"""What it costs a sender's node to bring alerts into the log, and to take in what their recipients say of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.documents import alert_document
from benchmarks.node.feed import Feed
from benchmarks.node.line import Node, connected
from benchmarks.node.meter import Cost
from benchmarks.world import Parties
from nodes.service.compose import Composer
from nodes.service.sending import Sending

EVERYBODY = 1_000
"""More receipts than come at once: all of an alert's do."""


@dataclass(frozen=True, slots=True)
class Departure:
    """How alerts go: so many `together` are handed in and accepted, `times` in a round; and how their receipts come: so
    many `receipts` in a frame, each for all that went together."""

    together: int
    times: int
    receipts: int

    @property
    def total(self) -> int:
        """Alerts of a round."""
        return self.together * self.times


WARM_UP = Departure(1, 8, EVERYBODY)
"""Before the measured ones: pair keys are made, pages and code are loaded."""


@dataclass(slots=True)
class Sent:
    """The rounds of a departure: of an alert, and of what one recipient's receipt says of one alert."""

    alert: list[Cost] = field(default_factory=list)
    said: list[Cost] = field(default_factory=list)


async def measure_sending(
    parties: Parties, departures: Sequence[Departure], *, rounds: int, size: int
) -> dict[Departure, Sent]:
    """Alerts with so many bytes of text, handed in when those before are accepted.

    Raises RuntimeError when the node does not hold every receipt in the end.
    """
    feed = Feed(parties, parties.sender)
    found: dict[Departure, Sent] = defaultdict(Sent)
    async with connected(feed) as node:
        for departure in (WARM_UP, *[*departures] * rounds):
            documents = [alert_document(n, parties.recipients, size) for n in range(departure.together)]
            known, before = len(node.line.accepted), await node.meter.read()
            await _hand_in(node, departure, documents)
            found[departure].alert.append(await node.meter.since(before, departure.total))
            frames = list(_receipts(feed, parties, departure, node.line.accepted[known:]))
            before = await node.meter.read()
            await _hear(node, frames)
            found[departure].said.append(await node.meter.since(before, departure.total * len(parties.recipients)))
        sent = len(node.line.accepted)
        counts = await node.parts.store.read(lambda tables: tables.alerts.counts(range(1, sent + 1)))
    if (stored := sum(count.get("stored", 0) for count in counts.values())) != sent * len(parties.recipients):
        raise RuntimeError(f"of {sent} alerts to {len(parties.recipients)} only {stored} receipts were taken in")
    del found[WARM_UP]
    return found


async def _hand_in(node: Node, departure: Departure, documents: Sequence[dict[str, object]]) -> None:
    parts, line = node.parts, node.line
    sending = Sending(parts.store, parts.standing, Composer(parts.standing, parts.clock), parts.clock, parts.random)
    line.together = departure.together
    for _ in range(departure.times):
        expected = len(line.accepted) + departure.together
        await asyncio.gather(*(sending.send(document) for document in documents))
        await line.until(accepted=expected)
    while True:  # the node notes what was accepted with whatever it writes next, or after a moment
        seen = parts.store.revision("events")
        if not await parts.store.read(lambda tables: tables.outbox.count_waiting()):
            break
        await parts.store.wait("events", seen)


def _receipts(feed: Feed, parties: Parties, departure: Departure, indexes: Sequence[int]) -> Iterator[bytes]:
    for first in range(0, len(indexes), departure.together):
        about = indexes[first : first + departure.together]
        for start in range(0, len(parties.recipients), departure.receipts):
            yield feed.receipts(parties.recipients[start : start + departure.receipts], about)


async def _hear(node: Node, frames: Sequence[bytes]) -> None:
    store = node.parts.store
    for frame in frames:
        seen = store.revision("events")
        node.line.give(frame)
        await store.wait("events", seen)
