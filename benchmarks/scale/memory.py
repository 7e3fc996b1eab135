"""Memory of the hub with 31 nodes on logs of different length: idle, after a load, and after one has caught up."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import usage
from benchmarks.scale.catch_up import catch_up
from benchmarks.scale.clients import connected
from benchmarks.scale.flow import send_live
from benchmarks.scale.hub import RunningHub, make_files, running
from benchmarks.usage import Memory

AGENCIES = 31
SETTLED_SECONDS = 3.0
"""After which rounds of cosigning have gone round."""
BODY = 1_024


@dataclass(frozen=True, slots=True)
class HubMemory:
    """Bytes of a hub that just started, with its nodes connected, after a load, and after one of them caught up."""

    started: Memory
    connected: Memory
    loaded: Memory
    caught_up: Memory
    peak: int

    @property
    def parts(self) -> tuple[Memory, ...]:
        """In the order in which they were measured."""
        return self.started, self.connected, self.loaded, self.caught_up


def measure_memory(size: int, *, alerts: int, say: Callable[[str], None]) -> HubMemory:
    """On a log of `size` entries: `alerts` to 30 recipients, one of which is away until the end."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir="/var/tmp") as folder:
        files = make_files(Path(folder), AGENCIES, size)
        usage.forget_file_pages(files.config.log)
        with running(files) as hub:
            found = uvloop.run(_measure(hub, alerts))
    say(f"{size:,} entries: {found}")
    return found


async def _measure(hub: RunningHub, alerts: int) -> HubMemory:
    started = usage.memory(hub.pid)
    sender, *others, away = hub.files.world.agencies
    async with connected(hub, [sender, *others, away]):
        await asyncio.sleep(SETTLED_SECONDS)
        idle = usage.memory(hub.pid)
    async with connected(hub, [sender, *others]) as (source, *targets):
        for start in range(0, alerts, 500):
            composed = source.compose(min(500, alerts - start), [*others, away], body=BODY)
            await send_live(source, targets, composed, 32)
        loaded = usage.memory(hub.pid)
        await catch_up(hub, away, alerts)
        caught_up = usage.memory(hub.pid)
    return HubMemory(started, idle, loaded, caught_up, usage.peak(hub.pid))
