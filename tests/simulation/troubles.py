"""Makes go wrong what the plan says, and puts it right again when its time is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.disk import STRIKES, Disk, Fault
from tests.simulation.plan import Trouble

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.node import NodeHost
    from tests.simulation.world import Simulation

LONGEST_JUMP_MS = 20 * 60_000


class Troubles:
    """Carries troubles out in `sim`."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    async def happen(self, trouble: Trouble) -> None:
        """Carry out one trouble from beginning to end."""
        self._sim.record.event(f"trouble: {trouble.kind} {trouble.agency} for {trouble.seconds:.1f} s")
        kind, host = trouble.kind, self._sim.hosts[trouble.agency]
        match kind:
            case "delay" | "stall" | "down" | "away" | "slow" | "cut" | "half-open" | "dark":
                await self._line(trouble)
            case "kill-node" | "power-node":
                host.die(kind, power=kind == "power-node")
            case "kill-hub" | "power-hub":
                self._sim.hub.die(kind, power=kind == "power-hub")
            case "restart-node":
                await host.stop()
            case "restart-hub":
                await self._sim.hub.stop()
            case "strike-node":
                self._strike(trouble, host.disk)
            case "strike-hub":
                self._strike(trouble, self._sim.hub.disk)
            case "full-node":
                await self._full(trouble, host.disk)
            case "full-hub":
                await self._full(trouble, self._sim.hub.disk)
            case "slow-disk":
                await self._slow_disk(trouble, self._sim.hub if trouble.chance % 2 else host)
            case "clock-node":
                await self._clock(trouble, host)
            case "clock-hub":
                await self._clock(trouble, self._sim.hub)
            case "suspend":
                await self._sim.governance.suspend(trouble.agency, suspended=True)
                await asyncio.sleep(trouble.seconds)
                await self._sim.governance.suspend(trouble.agency, suspended=False)
            case "rotate":
                await self._sim.governance.rotate(trouble.agency, trouble.random())
            case "rules":
                await self._sim.governance.change_rules(trouble.random())
            case "flood":
                await self._flood(trouble, host)
            case "rogue":
                if self._sim.rogue is not None:
                    await self._sim.rogue.act(trouble)

    async def _line(self, trouble: Trouble) -> None:
        line, random = self._sim.network.line(trouble.agency), trouble.random()
        match trouble.kind:
            case "delay":
                line.delay = random.choice((0.2, 2.0, 8.0))
                await asyncio.sleep(trouble.seconds)
                line.delay = 0.02
            case "stall":
                line.stalled_until = max(line.stalled_until, self._sim.loop.time() + trouble.seconds)
            case "down" | "away":
                line.down = True
                for wire in list(line.wires):
                    wire.go_dark() if random.random() < 0.5 else wire.cut()
                await asyncio.sleep(trouble.seconds if trouble.kind == "down" else random.uniform(3_000, 6_000))
                line.down = False
            case "slow":
                line.slow_reader = random.choice((0.5, 3.0))
                await asyncio.sleep(trouble.seconds)
                line.slow_reader = 0.0
            case "cut":
                for wire in list(line.wires):
                    wire.cut()
            case "half-open":
                for wire in list(line.wires):
                    wire.leave_half_open(random.choice(("node", "hub")))
            case "dark":
                for wire in list(line.wires):
                    wire.go_dark()

    def _strike(self, trouble: Trouble, disk: Disk) -> None:
        random = trouble.random()
        fault = Fault(
            random.choice(STRIKES),
            after=random.choice((0, 1, 2, 5, 10, 30, 100)),
            operation=random.choice(("write", "sync", "any")),
            suffix=random.choice(("", "", "log.db", "anchor.db")) if disk is self._sim.hub.disk else "",
            lasting=random.random() < 0.3,
        )
        disk.faults.append(fault)

    @staticmethod
    async def _full(trouble: Trouble, disk: Disk) -> None:
        disk.full = True
        await asyncio.sleep(trouble.seconds)
        disk.full = False

    @staticmethod
    async def _slow_disk(trouble: Trouble, host: Machine) -> None:
        process = host.process
        if process is None:
            return
        process.disk_seconds = trouble.random().choice((0.05, 0.5))
        await asyncio.sleep(trouble.seconds)
        process.disk_seconds = 0.001

    @staticmethod
    async def _clock(trouble: Trouble, host: Machine) -> None:
        host.offset = trouble.random().randint(-LONGEST_JUMP_MS, LONGEST_JUMP_MS)
        await asyncio.sleep(trouble.seconds)
        host.offset = 0

    async def _flood(self, trouble: Trouble, host: NodeHost) -> None:
        first = 10_000 + trouble.chance % 1_000_000 * 100
        count = trouble.random().choice((20, 50))
        numbers = range(first, first + count)
        await asyncio.gather(*(self._sim.desk.send(host, number, precedence="routine") for number in numbers))
