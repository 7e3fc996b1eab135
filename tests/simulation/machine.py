"""A machine of the simulation: its clock, its disk, and the one process that is started on it again and again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

from schemas.errors import CrossbearingError
from tests.simulation.disk import Disk, SimVfs
from tests.simulation.loop import Process, SimLoop
from tests.simulation.record import Record
from tests.support.directory import NOW, World

RESTART_SECONDS = 3.0


class Machine:
    """What hub and node have in common; `work` is what the process does, `hang_up` what becomes of its connections."""

    def __init__(
        self, name: str, *, loop: SimLoop, world: World, record: Record, vfs: SimVfs, folder: Path, random: Random
    ) -> None:
        self.name = name
        self.loop = loop
        self.world = world
        self.record = record
        self.vfs = vfs
        self.random = random
        self.offset = 0  # of its clock, in ms
        self.disk = Disk(folder / name, random, lambda: self.die("a fault of the disk"))
        vfs.disks.append(self.disk)
        self.evidence = folder / f"{name}-evidence"
        self.process: Process | None = None
        self.refused: CrossbearingError | None = None  # why it does not start any more
        self.restarts = 0
        self.graveyard: list[Any] = []  # what dead processes held: nothing of it may be cleaned up before the end
        self.stopping = asyncio.Event()
        self._stay_down = False

    def clock(self) -> int:
        """The machine's wall clock, in ms."""
        return NOW + int(self.loop.time() * 1000) + self.offset

    def start(self) -> None:
        """Start the process, unless it runs, or is to stay down."""
        if self.process is not None or self.refused is not None or self._stay_down:
            return
        self.process = Process(self.name)
        self.loop.spawn(self.process, self._run(self.process))

    def die(self, why: str, *, power: bool = False) -> None:
        """Kill the process now; with `power` the whole machine goes, and nobody is told."""
        if self.process is None:
            return
        self.record.event(f"{self.name} dies: {why}{', power cut' if power else ''}")
        self.disk.frozen = True
        self.loop.bury(self.process)
        self.hang_up(power=power)
        self._gone(power_cut=power or self.random.random() < 0.5)

    async def stop(self, *, stay_down: bool = False) -> None:
        """Stop the process in good order; it starts again unless it is to stay down."""
        self._stay_down = stay_down
        if self.process is not None:
            self.stopping.set()
        while self.process is not None:  # noqa: ASYNC110  # time is simulated, so that looking costs nothing
            await asyncio.sleep(0.1)

    def rise(self) -> None:
        """Start again after it was to stay down."""
        self._stay_down = False
        self.start()

    async def work(self) -> bool:
        """What the process does until `stopping` is set; True when it ended in doubt of its disk."""
        raise NotImplementedError

    def hang_up(self, *, power: bool) -> None:
        """What becomes of the connections of a process that is no more."""
        raise NotImplementedError

    def forget(self) -> None:
        """Let go of what belonged to the process."""
        raise NotImplementedError

    def fails(self, error: CrossbearingError) -> None:
        """The process ended with an error."""
        self.record.event(f"{self.name} ends: {error.code} {error.message}")

    async def _run(self, process: Process) -> None:
        self.stopping = asyncio.Event()
        doubt = True
        try:
            doubt = await self.work()
        except CrossbearingError as error:
            self.fails(error)
        except Exception as error:
            self.record.violation("no-unforeseen-failure", f"{self.name}: {error!r}")
        if not process.dead:
            self.loop.bury(process)
            self.hang_up(power=False)
            self._gone(power_cut=doubt)

    def _gone(self, *, power_cut: bool) -> None:
        self.process = None
        self.forget()
        survived = self.disk.restart(power_cut=power_cut)
        if survived:
            self.record.event(f"{self.name} disk keeps {survived}")
        self.restarts += 1
        self.loop.outside(RESTART_SECONDS, self.start)
