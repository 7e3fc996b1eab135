"""Catching up: an agency connects while ten thousand alerts wait for it, and takes and receipts them all.

Here a light client takes them, so that what is measured is the hub; a node's own part is in `benchmarks.brokers`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import usage
from benchmarks.scale.clients import connected
from benchmarks.scale.hub import RunningHub, make_files, running
from schemas.limits import DEFAULT_CREDIT

AGENCIES = 31
BODY = 1_024
COMPOSED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class CatchUp:
    """`seconds` from the connection until the last receipt is in the log; processor time of the hub in µs for each
    alert; frames it took; memory of the hub in bytes before, and the most of all."""

    alerts: int
    seconds: float
    hub: float
    frames: int
    before: int
    peak: int


def measure_catch_up(alerts: int, *, rounds: int, say: Callable[[str], None]) -> list[CatchUp]:
    """So many alerts to thirty recipients wait; each round another one of them connects."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, running(make_files(Path(folder), AGENCIES)) as hub:
        uvloop.run(_fill(hub, alerts))
        found = []
        for number in range(rounds):
            found.append(uvloop.run(catch_up(hub, hub.files.world.agencies[1 + number], alerts)))
            say(f"{alerts:,} waiting, round {number + 1}: {found[-1]}")
        return found


async def _fill(hub: RunningHub, alerts: int) -> None:
    sender, *others = hub.files.world.agencies
    async with connected(hub, [sender]) as (source,):
        for start in range(0, alerts, COMPOSED_AT_ONCE):
            composed = source.compose(min(COMPOSED_AT_ONCE, alerts - start), others, body=BODY)
            await source.submit(composed, in_flight=32)


async def catch_up(hub: RunningHub, agency: str, alerts: int) -> CatchUp:
    """Connect `agency`, for which so many alerts wait, and stay until all are receipted."""
    before, memory = usage.cpu(hub.pid), usage.memory(hub.pid).rss
    started = time.perf_counter()
    async with connected(hub, [agency], credit=DEFAULT_CREDIT) as (client,):
        client.receipting = client.granting = True
        await client.until(lambda: len(client.delivered) >= alerts)
        await client.until(lambda: client.answered)
        seconds = time.perf_counter() - started
        used = usage.cpu(hub.pid) - before
    return CatchUp(alerts, seconds, used / alerts * 1e6, client.frames, memory, usage.peak(hub.pid))
