"""What it costs a node to verify and keep a checkpoint that others cosigned, which the hub shows now and then."""

from __future__ import annotations

import asyncio

from benchmarks.node.feed import Feed
from benchmarks.node.line import connected
from benchmarks.node.meter import Cost
from benchmarks.world import Parties

HEADS = 20
"""Of a round."""
_TICK = 0.002
"""Seconds between two looks at whether the node is done: few, since they cost it a little."""


async def measure_witnessed(parties: Parties, *, rounds: int) -> list[Cost]:
    """The rounds of one checkpoint, each sent when the one before is kept."""
    feed, found = Feed(parties, parties.recipients[-1]), []
    async with connected(feed) as node:
        for _ in range(rounds):
            head, *shown = feed.witnessed(HEADS)
            node.line.give(head)
            await node.line.until(cosigned=node.line.cosigned + 1)
            before = await node.meter.read()
            for frame in shown:
                last = node.parts.standing.witnessed
                node.line.give(frame)
                while node.parts.standing.witnessed is last:  # noqa: ASYNC110 -- the store has no topic for it
                    await asyncio.sleep(_TICK)
            found.append(await node.meter.since(before, HEADS))
    return found
