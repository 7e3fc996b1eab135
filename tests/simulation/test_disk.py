"""The simulated disk under real SQLite: what survives a power cut, and what a fault does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from tests.simulation.disk import STRIKES, Disk, Fault, SimVfs, Strike

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"  # connections of the dead are closed when nobody listens
)


class Machine:
    """One machine with a database."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.deaths = 0
        self.vfs = SimVfs(f"test-{folder.name}")
        self.disk = Disk(folder, Random(seed), self.die)
        self.vfs.disks.append(self.disk)
        self.disk.install({})
        self.db = self.open()
        self.db.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)")

    def die(self) -> None:
        self.deaths += 1

    def open(self) -> apsw.Connection:
        db = apsw.Connection(str(self.disk.folder / "a.db"), vfs=self.vfs.name)
        db.execute("PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal; PRAGMA synchronous = full")
        return db

    def restart(self, *, power_cut: bool, whole: bool = True) -> list[int]:
        """What is there after a restart, on a file that is `whole`."""
        self.disk.restart(power_cut=power_cut)
        self.db = self.open()
        assert not whole or list(self.db.execute("PRAGMA integrity_check")) == [("ok",)]
        return [x for (x,) in self.db.execute("SELECT x FROM t ORDER BY x")]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.disk.frozen = True
    made.vfs.unregister()


@pytest.mark.parametrize("power_cut", [False, True])
def test_what_was_committed_survives(machine: Machine, *, power_cut: bool) -> None:
    for number in range(5):
        machine.db.execute("INSERT INTO t VALUES (?)", (number,))
    assert machine.restart(power_cut=power_cut) == [0, 1, 2, 3, 4]


def test_without_synchronisation_a_power_cut_loses_what_a_kill_does_not(tmp_path: Path) -> None:
    kept = set()
    for seed in range(12):
        machine = Machine(tmp_path / str(seed), seed)
        machine.db.execute("PRAGMA synchronous = off")
        machine.db.execute("INSERT INTO t VALUES (1)")
        assert machine.restart(power_cut=False) == [1]
        try:
            kept.add(len(machine.restart(power_cut=True, whole=False)))
        except apsw.Error:
            kept.add(-1)  # damaged beyond opening, as a disk may leave it
        machine.vfs.unregister()
    assert 1 in kept
    assert kept - {1}


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("after", range(6))
def test_a_transaction_struck_anywhere_is_there_whole_or_not_at_all(
    machine: Machine, strike: Strike, after: int
) -> None:
    machine.db.execute("INSERT INTO t VALUES (0)")
    fault = Fault(strike, after)
    machine.disk.faults.append(fault)
    told = True
    try:
        with machine.db:
            machine.db.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(1, 1_000)])
    except apsw.Error:
        told = False
    assert machine.deaths == (strike.startswith("die") and fault.struck == 1)
    assert len(machine.restart(power_cut=True)) in ((1_000,) if told else (1, 1_000))


def test_a_dead_process_writes_nothing(machine: Machine) -> None:
    before = machine.db
    machine.restart(power_cut=False)
    with pytest.raises(apsw.Error):
        before.execute("INSERT INTO t VALUES (1)")
    assert machine.restart(power_cut=False) == []


def test_a_full_disk_takes_nothing_until_there_is_room(machine: Machine) -> None:
    machine.disk.full = True
    with pytest.raises(apsw.FullError):
        machine.db.execute("INSERT INTO t VALUES (1)")
    machine.disk.full = False
    machine.db.execute("INSERT INTO t VALUES (2)")
    assert machine.restart(power_cut=True) == [2]


def test_a_write_may_be_torn(machine: Machine) -> None:
    machine.disk.install({"plain": bytes(4_096)})
    file = machine.disk.file("plain")
    seen = set()
    for seed in range(60):
        machine.disk._random = Random(seed)
        file.durable[:] = bytes(4_096)
        file.pending[:] = [("write", 0, b"\xff" * 4_096)]
        machine.disk.restart(power_cut=True)
        seen.add(machine.disk.images()["plain"].count(0xFF))
        file = machine.disk.file("plain")
    assert {0, 4_096} < seen
    assert all(size % 512 == 0 for size in seen)
