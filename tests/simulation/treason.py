"""A hub whose operator cheats: two histories for two halves of the agencies, or a log put back to an earlier day.

The hub's own checks are no help against its operator, so a treacherous hub hears every node say that it stands where
the hub would like it to stand. What must hold then: no node shows what is not in the one history it verified, every
node that meets the other raises the alarm, and the auditor who is given a checkpoint of the other finds the fork.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from broker.engines.sqlite import SqliteEngine
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.exchange import Exchange
from broker.recovery import recover
from nodes.auditor.findings import FORK
from nodes.store.alerts import AlertRow, Filter
from nodes.store.database import Database, Tables
from schemas.errors import CrossbearingError
from schemas.log.merkle import leaf_hash, root
from schemas.session.frames import Hello, decode_frame, encode_frame
from tests.simulation.auditing import findings
from tests.simulation.disk import BELOW
from tests.simulation.hub import ANCHOR, LOG, signer_of
from tests.simulation.node import DATABASE, KEY

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

BEGINS, SHOWS = 0.4, 0.7
"""When it begins, and when the other history is shown, as parts of the time in which officers work."""
REMAINS = 300.0
"""Seconds in which everybody must have noticed."""


def greeting(exchange: Exchange, data: bytes) -> bytes:
    """What a node says at first, as a hub hears it that will not hear that the node holds another history."""
    frame = decode_frame(data, sender="node")
    if not isinstance(frame, Hello):
        return data
    size = min(frame.size, exchange.head.size)
    directory = min(frame.directory, exchange.head.directory)
    return encode_frame(replace(frame, size=size, root=exchange.shipping.root_at(size), directory=directory))


class History:
    """One history of the log, from a hub's files."""

    def __init__(self, sim: Simulation, images: dict[str, bytes], folder: Path) -> None:
        folder.mkdir()
        for name, data in images.items():
            (folder / name).write_bytes(data)
        self.engine = SqliteEngine(folder / LOG, vfs=BELOW)
        self.anchor = SqliteAnchor(folder / ANCHOR, vfs=BELOW)
        self.recovered = recover(self.engine, self.anchor, signer_of(sim.world), sim.world.trusted_root)

    def has(self, size: int, held: bytes) -> bool:
        """Whether a checkpoint is of this history."""
        tree = self.recovered.tree
        return size <= tree.size and (root(size, tree.read) == held if size else True)

    def close(self) -> None:
        """Let go of the files."""
        self.engine.close()
        self.anchor.close()


class Treason:
    """Carried out in `sim`: `fork` or `rollback`."""

    def __init__(self, sim: Simulation, kind: str) -> None:
        self._sim = sim
        self._kind = kind
        self._other: dict[str, bytes] = {}
        sim.record.honest = False

    async def begin(self) -> None:
        """Copy the log; for two histories, start a second hub on the copy."""
        sim = self._sim
        await sim.hub.stop(stay_down=True)
        self._other = sim.hub.disk.images()
        sim.hub.treacherous = True
        sim.hub.rise()
        sim.record.event(f"treason: {self._kind} begins")
        if self._kind == "fork":
            second = sim.second = sim.make_hub("hub-2")
            second.disk.install(self._other)
            second.treacherous = True
            second.start()
            for agency in sim.plan.agencies[::2]:
                sim.network.doors[agency] = second

    async def show(self) -> None:
        """Every node meets the other history."""
        sim = self._sim
        sim.record.event(f"treason: {self._kind} is shown")
        if sim.second is not None:
            for agency in sim.plan.agencies:
                sim.network.doors[agency] = sim.hub if sim.network.doors[agency] is sim.second else sim.second
        else:
            await sim.hub.stop(stay_down=True)
            earlier, self._other = self._other, sim.hub.disk.images()
            sim.hub.disk.install(earlier)
            sim.hub.rise()
        for line in sim.network.lines.values():
            for wire in list(line.wires):
                wire.cut()

    async def end(self) -> None:
        """Wait, stop everything, and judge."""
        sim = self._sim
        await asyncio.sleep(REMAINS)
        for host in sim.hosts.values():
            await host.stop(stay_down=True)
        await sim.hub.stop(stay_down=True)
        if sim.second is not None:
            await sim.second.stop(stay_down=True)
            self._other = sim.second.disk.images()
        folder = sim.folder / "judged"
        folder.mkdir()
        histories = [
            History(sim, images, folder / str(n)) for n, images in enumerate((sim.hub.disk.images(), self._other))
        ]
        try:
            for agency in sim.hosts:
                self._judge(agency, histories)
            self._audit(histories, folder)
        except CrossbearingError as error:
            sim.record.violation("the-simulation-runs", f"{error.code}: {error.message}")
        for history in histories:
            history.close()

    def _judge(self, agency: str, histories: list[History]) -> None:
        sim = self._sim
        host = sim.hosts[agency]
        database = Database(host.disk.folder / DATABASE, KEY, vfs=host.vfs.name)
        held = database.read(lambda tables: tables.held.checkpoint)
        received = database.read(_received)
        database.close()
        if held is None:
            return
        mine = [history for history in histories if history.has(held.size, held.root)]
        if not mine:
            sim.record.violation("one-history", f"{agency} holds a checkpoint of {held.size} that is in no history")
            return
        for row in received:
            entries = [history.engine.entry(row.index or 0) for history in mine]
            if not any(entry is not None and leaf_hash(entry) == row.leaf for entry in entries):
                sim.record.violation("shown-is-logged", f"{agency} shows {row.id.hex()}, which is not in its history")
        met = histories[1 if sim.second is not None and sim.network.doors[agency] is sim.second else 0]
        alarms = {data["code"] for kind, data in sim.record.journals.get(agency, {}).values() if kind == "alarm"}  # type: ignore[index]
        if met not in mine and "fork" not in alarms:
            sim.record.violation(
                "treason-is-noticed", f"{agency} holds {held.size} of one history, met the other: {alarms}"
            )

    def _audit(self, histories: list[History], folder: Path) -> None:
        longer, shorter = sorted(histories, key=lambda history: -history.recovered.tree.size)
        head = shorter.recovered.head
        seen = (("another's", head.note),)
        recovered = longer.recovered
        found = findings(self._sim.world, longer.engine, recovered.tree, recovered.head, folder / "audit", seen)
        forked = not longer.has(head.size, head.checkpoint.root)
        if forked != any(finding.kind is FORK for finding in found):
            what = [finding.kind.code for finding in found]
            self._sim.record.violation("treason-is-noticed", f"forked: {forked}, and the auditor found {what}")


def _received(tables: Tables) -> list[AlertRow]:
    return tables.alerts.page(Filter("in", limit=1_000_000))
