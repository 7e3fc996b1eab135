"""One simulated exchange: a hub, its agencies, their officers, and what goes wrong; from the start to the verdict."""

from __future__ import annotations

import asyncio
import gc
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import structlog

from broker.config import Settings
from schemas.directory.contacts import Contact
from schemas.directory.history import genesis_order
from schemas.directory.witnesses import Witnesses
from tests.simulation.chance import nothing_left_to_chance, stream
from tests.simulation.desk import Desk
from tests.simulation.disk import SimVfs
from tests.simulation.governance import Governance
from tests.simulation.hub import Beginning, HubHost, begin
from tests.simulation.judge import judge, settled
from tests.simulation.loop import PROCESS, SimLoop
from tests.simulation.machine import Machine
from tests.simulation.network import Network
from tests.simulation.node import NodeHost
from tests.simulation.plan import ROGUE, Plan
from tests.simulation.record import Record
from tests.simulation.rogue import Rogue
from tests.simulation.treason import BEGINS, SHOWS, Treason, greeting
from tests.simulation.troubles import Troubles
from tests.support.directory import NOW, World, make_world

SHM = Path("/dev/shm")
SETTLE_SECONDS = 3_600.0
"""From when all is put right until nothing may be under way any more: clocks that ran ahead must be caught up with."""
LOOK_SECONDS = 5.0
HOUSEKEEPING_SECONDS = 1_300.0
"""Two rounds of every node's housekeeping, in which it notes what expired."""
AFTER_SECONDS = 30.0
"""Otherwise: nothing more may happen."""

gc.freeze()  # what is imported need not be looked through after every seed


@dataclass(frozen=True)
class Outcome:
    """What came of a seed."""

    seed: int
    violations: tuple[str, ...]
    digest: str
    size: int
    seconds: float
    steps: int
    counts: dict[str, int]


def scratch() -> Path:
    """A folder in memory, if there is one."""
    return Path(tempfile.mkdtemp(prefix="crossbearing-sim-", dir=SHM if SHM.is_dir() else None))


@lru_cache(maxsize=64)
def _first_world(agencies: tuple[str, ...], witnessed: bool) -> World:  # a key of the cache
    world = make_world(agencies, witnesses=Witnesses() if witnessed else None, publish=False)
    for agency in agencies[::2]:  # the others have no desk that is called
        contact = Contact(f"desk-{agency[:2]}", "https://desk.example/", bytes(32))
        world.keys[agency] = replace(world.keys[agency], contacts=(contact,))
    world.publish(*genesis_order(list(agencies)))
    return world


def world_of(agencies: tuple[str, ...], *, witnessed: bool) -> World:
    """The directory as it begins, to be changed."""
    first = _first_world(agencies, witnessed)
    return replace(first, keys=dict(first.keys), versions=dict(first.versions), bundles=list(first.bundles))


@lru_cache(maxsize=64)
def beginning(agencies: tuple[str, ...], witnessed: bool) -> Beginning:  # a key of the cache
    """The hub's files as the log begins; the same for every seed with that world."""
    folder = scratch()
    try:
        return begin(world_of(agencies, witnessed=witnessed), folder)
    finally:
        shutil.rmtree(folder)


class Simulation:
    """A plan being carried out in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path, loop: SimLoop, vfs: SimVfs, record: Record) -> None:
        self.plan = plan
        self.folder = folder
        self.loop = loop
        self.vfs = vfs
        self.record = record
        self.world = world_of(plan.agencies, witnessed=plan.witnessed)
        self.network = Network(loop, stream(plan.seed, "network"))
        self.hub = self.make_hub("hub")
        first = beginning(plan.agencies, plan.witnessed)
        self.hub.disk.install(first.images)
        record.signed[first.checkpoint.size] = first.checkpoint.root
        self.hosts = {agency: self.make_node(agency) for agency in plan.honest}
        for agency in plan.agencies:
            self.network.doors[agency] = self.hub
        self.governance = Governance(self.world, self.hub, self.hosts, record, self.clock)
        self.desk = Desk(self.hosts, record, stream(plan.seed, "desk"), self.clock)
        self.rogue = Rogue(self) if ROGUE in plan.agencies else None
        self.troubles = Troubles(self)
        self.second: HubHost | None = None
        self.treason = Treason(self, plan.treason) if plan.treason else None

    @property
    def machines(self) -> list[Machine]:
        """All of them, the hub's first."""
        hubs = [self.hub] if self.second is None else [self.hub, self.second]
        return [*hubs, *self.hosts.values()]

    def clock(self) -> int:
        """The right time, in ms."""
        return NOW + int(self.loop.time() * 1000)

    def make_hub(self, name: str) -> HubHost:
        """A hub's machine."""
        hub = HubHost(
            name,
            loop=self.loop,
            world=self.world,
            record=self.record,
            vfs=self.vfs,
            folder=self.folder,
            random=stream(self.plan.seed, name),
            settings=Settings(**self.plan.settings),
        )
        hub.lie = greeting
        return hub

    def make_node(self, agency: str) -> NodeHost:
        """An agency's machine."""
        host = NodeHost(
            agency,
            loop=self.loop,
            world=self.world,
            record=self.record,
            vfs=self.vfs,
            network=self.network,
            folder=self.folder,
            random=stream(self.plan.seed, agency),
        )
        host.disk.install({})
        return host

    async def run(self) -> None:
        """Carry out the plan and judge, or end at the first violation that is seen meanwhile."""
        story = asyncio.ensure_future(self._story())
        failed = asyncio.ensure_future(self.record.failed.wait())
        await asyncio.wait([story, failed], return_when=asyncio.FIRST_COMPLETED)
        failed.cancel()
        if story.done():
            story.result()

    async def _story(self) -> None:
        """Begin, work with troubles, put everything right, wait until all is settled, and judge."""
        self.hub.start()
        for host in self.hosts.values():
            host.start()
        if self.rogue is not None:
            self.rogue.start()
        doings = [self._at(act.at, partial(self.desk.act, act)) for act in self.plan.acts]
        doings += [self._at(trouble.at, partial(self.troubles.happen, trouble)) for trouble in self.plan.troubles]
        if self.treason is not None:
            doings.append(self._at(self.plan.length * BEGINS, self.treason.begin))
            doings.append(self._at(self.plan.length * SHOWS, self.treason.show))
        await asyncio.gather(*(asyncio.create_task(doing) for doing in doings))
        self._heal()
        if self.treason is not None:
            await self.treason.end()
            return
        await self._settle()
        if self.rogue is not None:
            self.rogue.stop()
        for host in self.hosts.values():
            await host.stop(stay_down=True)
        await self.hub.stop(stay_down=True)
        judge(self)

    @staticmethod
    async def _at(when: float, doing: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await asyncio.sleep(when)
        await doing()

    def _heal(self) -> None:
        """All troubles are over: lines, disks and clocks are in order, and every process runs."""
        self.record.event("all is put right")
        for line in self.network.lines.values():
            line.down, line.delay, line.slow_reader, line.stalled_until = False, 0.02, 0.0, 0.0
        for host in self.machines:
            host.disk.faults.clear()
            host.disk.full = False
            host.offset = 0
            if host.process is not None:
                host.process.disk_seconds = 0.001
            host.start()

    async def _settle(self) -> None:
        until = self.loop.time() + SETTLE_SECONDS
        left: list[str] = []
        while self.loop.time() < until and not self.record.violations:
            await asyncio.sleep(LOOK_SECONDS)
            left = await settled(self)
            if not left:
                break
        for what in left:
            self.record.violation("everything-ends", what)
        if not left:
            await asyncio.sleep(HOUSEKEEPING_SECONDS if self.plan.away else AFTER_SECONDS)


def simulate(plan: Plan, *, trace: Callable[[str], None] | None = None) -> Outcome:
    """Carry out a plan. Nothing of it outlives this call."""
    folder, loop = scratch(), SimLoop(stream(plan.seed, "loop"))
    vfs = SimVfs(f"simulation-{plan.seed}")
    record = Record(loop.time, trace, scrub=str(folder))
    configured, hook = structlog.get_config(), sys.unraisablehook
    gc.collect()
    gc.disable()  # so that nothing of this seed is cleaned up at a moment that depends on others
    asyncio.set_event_loop(loop)
    try:
        structlog.configure(processors=[_tap(record)], cache_logger_on_first_use=False)
        loop.set_exception_handler(lambda _, context: record.violation("no-unforeseen-failure", _failure(context)))
        with nothing_left_to_chance():
            outcome = _carry_out(plan, folder, loop, vfs, record)
    finally:
        sys.unraisablehook = lambda _: None  # the clean-up of dead tasks, which is of no consequence any more
        gc.collect()
        gc.enable()
        sys.unraisablehook = hook
        structlog.configure(**configured)
        asyncio.set_event_loop(None)
        vfs.disks.clear()
        vfs.unregister()
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _carry_out(plan: Plan, folder: Path, loop: SimLoop, vfs: SimVfs, record: Record) -> Outcome:
    sim = Simulation(plan, folder, loop, vfs, record)
    try:
        loop.run_until_complete(sim.run())
    except Exception as error:
        record.violation("the-simulation-runs", repr(error))
        if record.trace is not None:
            raise
    size = max(record.signed, default=0)
    counts = counts_of(sim)
    record.closed = True
    for host in sim.machines:
        host.disk.frozen = True
        host.graveyard.clear()
    for task in asyncio.all_tasks(loop):
        loop.lay_to_rest(task)
    loop.close()
    loop.forget()
    return Outcome(plan.seed, tuple(record.violations), record.digest, size, loop.time(), loop.steps, counts)


def counts_of(sim: Simulation) -> dict[str, int]:
    """What happened how often."""
    return {
        "alerts": len(sim.record.promises),
        "shown": sum(sim.record.shown.values()),
        "hub restarts": sim.hub.restarts,
        "node restarts": sum(host.restarts for host in sim.hosts.values()),
        "strikes": sum(len(host.disk.struck) for host in sim.machines),
        "connections": sim.network.made,
    }


def _tap(record: Record) -> Any:
    def note(_: object, method: str, entry: dict[str, Any]) -> Any:
        process = PROCESS.get()
        if method == "exception":
            entry["exc_info"] = sys.exc_info()[1]
        record.log(process.name if process is not None else "-", entry)
        raise structlog.DropEvent

    return note


def _failure(context: dict[str, Any]) -> str:
    task = context.get("task")
    where = f" in {task.get_name()} {task.get_coro().__qualname__}" if task is not None else ""
    return f"{context.get('message')}{where}: {context.get('exception')!r}"
