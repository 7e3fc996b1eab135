"""What a flood of routine alerts, and a node that takes nothing in, cost a flash alert: ratios, on one machine.

    python -m benchmarks.flood [FLASHES]

A real hub on loopback with eight agencies, mutual TLS and an SQLite log. One agency sends a flash now and then; its
latency is taken until its answer, and until it arrives at another agency: first on a quiet hub, then while four others
keep their windows full of routine alerts to everybody, then with one recipient in addition that reads nothing. All
run in one process, clients included, so the clients' work slows the hub too: compare the lines with each other.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import structlog

from broker.hub import Hub
from schemas.envelope.peek import peek
from schemas.envelope.seal import seal
from schemas.log.entry import AlertEntry, decode_entry
from schemas.routing.query import query_of_alert
from schemas.routing.resolve import resolve
from schemas.session.frames import Block, Credit, Result, Submit
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import counting_random, make_alert, make_pairs
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import HubClient, HubClosedError, connect
from tests.support.hub_core import submission

AGENCIES = ("au-abf", "cn-customs", "hk-customs", "jp-customs", "kr-customs", "nz-customs", "sg-cnb", "th-customs")
SENDER, WATCHER, STALLED = "hk-customs", "jp-customs", "kr-customs"
FLOODERS = ("au-abf", "nz-customs", "sg-cnb", "th-customs")
WINDOW = 48
ALERTS = 1_600  # of each flooder


class Party:
    """A client that takes everything in without opening it."""

    def __init__(self, client: HubClient) -> None:
        self.client = client
        self.sent: dict[bytes, float] = {}
        self.answered: dict[bytes, float] = {}
        self.arrived: dict[bytes, float] = {}
        self.news = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled, and give back the credit that was used."""
        with suppress(HubClosedError, TimeoutError):
            while True:
                frame = await self._next()
                now = time.perf_counter()
                if isinstance(frame, Result):
                    self.answered |= {item.ref: now for item in frame.items if item.accepted}
                if isinstance(frame, Block):
                    alerts = [item for item in frame.items if item.is_alert]
                    for item in alerts:
                        entry = decode_entry(item.entry)
                        if isinstance(entry, AlertEntry) and (glance := peek(entry.header)).id is not None:
                            self.arrived[glance.id] = now
                    if alerts:
                        await self.client.send(Credit(len(alerts)))
                self.news.set()

    async def until(self, identity: bytes, times: dict[bytes, float]) -> None:
        """Wait until that alert has a time there."""
        while identity not in times:
            self.news.clear()
            await self.news.wait()

    async def _next(self) -> object:
        message = await self.client.socket.receive()
        if not isinstance(message.data, bytes):
            raise HubClosedError(None)  # type: ignore[arg-type]  # the connection ended
        return self.client.machine.receive(message.data)


def alerts(world: World, sender: str, count: int, precedence: str, first: int) -> list[tuple[bytes, Submit]]:
    """Sealed alerts to everybody, with their ids."""
    made = []
    pairs = make_pairs(world, sender, [agency for agency in AGENCIES if agency != sender], label=f"{sender} {first}")
    for number in range(first, first + count):
        alert = make_alert(world, sender, number=number, precedence=precedence, to=["all"])
        sealed = seal(
            alert,
            resolution=resolve(world.directory, query_of_alert(alert, at=NOW)),
            directory_version=world.directory.version,
            signing=world.signing[sender],
            pairs=pairs,
            now=NOW,
            random=counting_random(f"{sender} {number}"),
        )
        made.append((sealed.id, submission(sealed, pairs if number == first else {})))
    return made


async def flood(party: Party, made: list[tuple[bytes, Submit]], stop: asyncio.Event) -> int:
    """Keep a window full until told to stop; returns how many were sent."""
    sent = 0
    for identity, submit in made:
        while sent - len(party.answered) >= WINDOW and not stop.is_set():
            party.news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(party.news.wait(), 1)
        if stop.is_set():
            break
        party.sent[identity] = time.perf_counter()
        await party.client.send(submit)
        sent += 1
    return sent


async def measure(
    hub: Hub, world: World, folder: Path, given: dict[str, list[tuple[bytes, Submit]]], *, busy: bool, stalled: bool
) -> list[str]:
    """One line of the table."""
    async with AsyncExitStack() as stack:
        parties, tasks = {}, []
        for agency in AGENCIES:
            client = await stack.enter_async_context(connect(world, agency, hub.server.address, folder))
            await client.hello()
            parties[agency] = Party(client)
            if agency == STALLED and stalled:
                continue  # nobody reads for it
            tasks.append(asyncio.create_task(parties[agency].run()))
        stop = asyncio.Event()
        floods = [asyncio.create_task(flood(parties[name], given[name], stop)) for name in FLOODERS if busy]
        await asyncio.sleep(0.5)
        accepted, arrived = [], []
        for identity, submit in given[f"flash-{busy}-{stalled}"]:
            started = time.perf_counter()
            await parties[SENDER].client.send(submit)
            async with asyncio.timeout(30):
                await parties[SENDER].until(identity, parties[SENDER].answered)
                await parties[WATCHER].until(identity, parties[WATCHER].arrived)
            accepted.append(parties[SENDER].answered[identity] - started)
            arrived.append(parties[WATCHER].arrived[identity] - started)
            await asyncio.sleep(0.02)
        under_way = not all(task.done() for task in floods)
        stop.set()
        sent = sum(await asyncio.gather(*floods))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    name = "quiet" if not busy else "flood" + (" and a stalled node" if stalled else "")
    note = "" if under_way or not busy else " (the flood ended early)"
    others = [
        party.answered[identity] - at
        for party in parties.values()
        for identity, at in party.sent.items()
        if identity in party.answered
    ]
    return [f"{name}{note}", *figures(accepted), *figures(arrived), *(figures(others) if others else "--"), str(sent)]


def figures(seconds: list[float]) -> Iterator[str]:
    """Median and 99th percentile in ms."""
    ordered = sorted(seconds)
    for share in (0.5, 0.99):
        yield f"{1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.1f}"


async def main(flashes: int) -> None:
    """Run all three and print a table."""
    world = make_world(AGENCIES)
    given = {name: alerts(world, name, ALERTS, "routine", 1_000 * place) for place, name in enumerate(FLOODERS, 1)}
    halves = {name: (made[: ALERTS // 2], made[ALERTS // 2 :]) for name, made in given.items()}
    for place, (busy, stalled) in enumerate(((False, False), (True, False), (True, True))):
        given[f"flash-{busy}-{stalled}"] = alerts(world, SENDER, flashes, "flash", 10_000 * (place + 1))
    with tempfile.TemporaryDirectory() as folder:
        async with running_hub(new_hub(world, Path(folder))) as hub:
            sys.stdout.write(
                "what\taccepted p50\tp99\tarrived p50\tp99\troutine accepted p50\tp99 (ms)\troutine sent\n"
            )
            for place, (busy, stalled) in enumerate(((False, False), (True, False), (True, True))):
                part = {**given, **{name: both[max(0, place - 1)] for name, both in halves.items()}}
                line = await measure(hub, world, Path(folder), part, busy=busy, stalled=stalled)
                sys.stdout.write("\t".join(line) + "\n")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40))
