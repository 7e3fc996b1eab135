"""What a flood of routine alerts, and a node that takes nothing in, cost a flash alert: ratios, on one machine.

    python -m benchmarks.flood [FLASHES [ROUNDS]]

A real hub on loopback with eight agencies, mutual TLS and an SQLite log. One agency sends a flash now and then; its
latency is taken until its answer, and until it arrives at another agency: on a quiet hub, while four others keep their
windows full of routine alerts to everybody, and with one recipient in addition that reads nothing; in turn, so many
rounds. The hub, those who flood and those who are measured are three processes, so that the hub's own delay is what
counts as far as the machine has cores for them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.logs import keep_silent
from broker.config import Address, Config
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
OTHERS = ("cn-customs", STALLED)
WINDOW = 48
ALERTS = 500  # of each flooder, in one part of a round
PARTS = (("quiet", False, False), ("flood", True, False), ("flood and a stalled node", True, True))

Made = list[tuple[bytes, Submit]]


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


def alerts(world: World, sender: str, count: int, precedence: str, first: int) -> Made:
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


async def flood(party: Party, made: Made, stop: asyncio.Event) -> int:
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


@asynccontextmanager
async def parties(place: Place, names: Iterable[str], *, deaf: str | None = None) -> AsyncIterator[dict[str, Party]]:
    """Clients that greeted the hub and read; nobody reads for `deaf`."""
    async with AsyncExitStack() as stack:
        found, tasks = {}, []
        for name in names:
            client = await stack.enter_async_context(connect(place.world, name, place.address, place.folder))
            await client.hello()
            found[name] = Party(client)
            if name != deaf:
                tasks.append(asyncio.create_task(found[name].run()))
        yield found
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True)
class Place:
    """Where a client finds the hub, and what it needs to get in."""

    world: World
    address: Address
    folder: Path


@dataclass
class Figures:
    """Seconds, of all rounds."""

    accepted: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    routine: list[float] = field(default_factory=list)
    sent: int = 0
    early: bool = False


def serve(config: Config, line: Connection) -> None:
    """The hub's process: says its address, and goes on until it hears anything."""

    async def run() -> None:
        async with running_hub(config) as hub:
            line.send(hub.server.address)
            await asyncio.to_thread(line.recv)

    asyncio.run(run())


def crowd(place: Place, given: dict[str, list[Made]], line: Connection) -> None:
    """The process of those who flood: hears `(part, busy, stalled)`, begins, and tells how it went when told to end."""

    async def one(part: int, busy: bool, stalled: bool) -> None:
        async with parties(place, (*FLOODERS, *OTHERS), deaf=STALLED if stalled else None) as found:
            stop = asyncio.Event()
            tasks = [asyncio.create_task(flood(found[name], given[name][part], stop)) for name in FLOODERS if busy]
            await asyncio.sleep(0.5)
            line.send("under way")
            await asyncio.to_thread(line.recv)
            early = any(task.done() for task in tasks)
            stop.set()
            sent = sum(await asyncio.gather(*tasks))
        taken = [
            party.answered[identity] - at
            for party in found.values()
            for identity, at in party.sent.items()
            if identity in party.answered
        ]
        line.send((taken, sent, early))

    async def run() -> None:
        while (order := await asyncio.to_thread(line.recv)) is not None:
            await one(*order)

    asyncio.run(run())


async def measure(place: Place, made: Made, figures: Figures) -> None:
    """Send flashes one after the other, and note how long each took."""
    async with parties(place, (SENDER, WATCHER)) as found:
        sender, watcher = found[SENDER], found[WATCHER]
        for identity, submit in made:
            started = time.perf_counter()
            await sender.client.send(submit)
            async with asyncio.timeout(30):
                await sender.until(identity, sender.answered)
                await watcher.until(identity, watcher.arrived)
            figures.accepted.append(sender.answered[identity] - started)
            figures.arrived.append(watcher.arrived[identity] - started)
            await asyncio.sleep(0.02)


def shown(seconds: list[float]) -> Iterator[str]:
    """Median and 95th percentile in ms."""
    ordered = sorted(seconds)
    for share in (0.5, 0.95):
        yield f"{1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.1f}" if ordered else "-"


def main(flashes: int, rounds: int) -> None:
    """Run all and print a table."""
    world = make_world(AGENCIES)
    floods = {
        name: [alerts(world, name, ALERTS, "routine", 100_000 * place + ALERTS * part) for part in range(2 * rounds)]
        for place, name in enumerate(FLOODERS, 1)
    }
    flash = [alerts(world, SENDER, flashes, "flash", flashes * part) for part in range(3 * rounds)]
    results: defaultdict[str, Figures] = defaultdict(Figures)
    processes = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hub_line, other = processes.Pipe()
        hub = processes.Process(target=serve, args=(new_hub(world, folder), other))
        hub.start()
        place = Place(world, hub_line.recv(), folder)
        line, other = processes.Pipe()
        flooders = processes.Process(target=crowd, args=(place, floods, other))
        flooders.start()
        for number in range(rounds):
            for part, (label, busy, stalled) in enumerate(PARTS):
                figures = results[label]
                line.send((2 * number + max(0, part - 1), busy, stalled))
                line.recv()
                asyncio.run(measure(place, flash[3 * number + part], figures))
                line.send("stop")
                taken, sent, early = line.recv()
                figures.routine += taken
                figures.sent += sent
                figures.early |= early
        line.send(None)
        flooders.join()
        hub_line.send("stop")
        hub.join()
    sys.stdout.write("what\taccepted p50\tp95\tarrived p50\tp95\troutine accepted p50\tp95 (ms)\troutine sent\n")
    for label, figures in results.items():
        note = " (the flood ended early)" if figures.early else ""
        cells = [*shown(figures.accepted), *shown(figures.arrived), *shown(figures.routine), str(figures.sent)]
        sys.stdout.write("\t".join([label + note, *cells]) + "\n")


if __name__ == "__main__":
    keep_silent()
    given = [int(word) for word in sys.argv[1:]]
    main(*(*given, *(20, 3)[len(given) :]))
