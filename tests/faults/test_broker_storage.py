"""The hub's storage under failing disks: each durable write, lost and kept; full disks; two hubs on one file.

The rule for every case: what was answered is in the log, what is signed is in the log, and a restart either goes on
from a signed head or refuses.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from broker.committer import Committer, LogSigner
from broker.draft import Work
from broker.engines.sqlite import SqliteEngine
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.engines.sqlite_files import create, open_connection
from broker.quota import Quotas
from broker.recovery import Recovered, recover
from schemas.errors import (
    BadConfig,
    CrossbearingError,
    Fork,
    StorageFailed,
    StorageFull,
    StorageInDoubt,
    StorageLocked,
    StorageTampered,
)
from schemas.ids import sha256
from schemas.log.checkpoint import verify_checkpoint
from schemas.session.frames import Submit
from tests.support.directory import World, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.faulty_vfs import Fault, FaultyVfs, faulty_vfs
from tests.support.hub import TestClock, new_hub
from tests.support.hub_core import submission, ticks

SENDER = "hk-customs"


@dataclass
class Disk:
    """A data directory, opened and closed as a hub would."""

    world: World
    folder: Path
    vfs: FaultyVfs

    def __post_init__(self) -> None:
        self.signer = LogSigner(self.world.origin, self.world.log_key)

    def open(self, *, reserve: int = 0) -> tuple[SqliteEngine, SqliteAnchor]:
        engine = SqliteEngine(self.folder / "log.db", reserve=reserve, vfs=self.vfs.name)
        try:
            return engine, SqliteAnchor(self.folder / "anchor.db", vfs=self.vfs.name)
        except BaseException:
            engine.close()
            raise

    def recover(self, engine: SqliteEngine, anchor: SqliteAnchor) -> Recovered:
        return recover(engine, anchor, self.signer, self.world.trusted_root)

    def committer(self, engine: SqliteEngine, anchor: SqliteAnchor) -> Committer:
        recovered = self.recover(engine, anchor)
        stopwatch = ticks()
        return Committer(
            engine=engine,
            anchor=anchor,
            tree=recovered.tree,
            history=recovered.history,
            head=recovered.head,
            signer=self.signer,
            trusted_root=self.world.trusted_root,
            quotas=Quotas(receipts_per_minute=99, refusals_per_minute=99),
            clock=TestClock(),
            stopwatch=lambda: next(stopwatch),
        )

    def alert(self, number: int) -> Submit:
        return submission(*seal_alert(self.world, make_alert(self.world, SENDER, number=number), label=str(number)))

    def signed_size(self, anchor: SqliteAnchor) -> int:
        note = anchor.read()
        assert note is not None
        return verify_checkpoint(note, self.world.origin, self.world.directory.log_keys()).size


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    world = make_world()
    config = new_hub(world, tmp_path)
    with faulty_vfs(f"faulty-{os.getpid()}-{id(world)}") as vfs:
        yield Disk(world, config.data, vfs)


LOG, ANCHOR = "log.db-wal", "anchor.db-wal"


@pytest.mark.parametrize("after", ["crash", "close"])
@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("operation", ["write", "sync"])
@pytest.mark.parametrize("suffix", [LOG, ANCHOR], ids=["log", "anchor"])
def test_a_write_that_fails_at_commit_is_doubt_and_a_restart_settles_it(
    disk: Disk, suffix: str, operation: str, kept: bool, after: str
) -> None:
    engine, anchor = disk.open()
    committer = disk.committer(engine, anchor)
    assert committer.commit([Work(SENDER, disk.alert(1))]).verdicts == (5,)
    doubtful = disk.alert(2)
    disk.vfs.fault = Fault(operation, suffix, apsw.IOError, kept)
    with pytest.raises(StorageInDoubt):
        committer.commit([Work(SENDER, doubtful)])
    assert disk.vfs.fault.met > 0
    crashed = Disk(disk.world, disk.folder.with_name("crashed"), disk.vfs)
    shutil.copytree(disk.folder, crashed.folder)  # what a crash at this moment would leave
    engine.close()
    anchor.close()
    disk.vfs.fault = None
    restarted = crashed if after == "crash" else disk
    engine, anchor = restarted.open()
    recovered = restarted.recover(engine, anchor)
    size = recovered.head.size
    assert size == engine.size() == disk.signed_size(anchor)
    # A sync that fails leaves what was written before it, and the anchor comes after the block.
    assert size == (7 if operation == "sync" or suffix == ANCHOR else 6)
    (again,) = restarted.committer(engine, anchor).commit([Work(SENDER, doubtful)]).verdicts
    assert again == 6, "submitted again, the alert stands in the log once, whatever became of the block"
    assert engine.size() == 7
    engine.close()
    anchor.close()


def test_a_full_disk_is_noticed_before_anything_is_in_doubt(disk: Disk) -> None:
    engine, anchor = disk.open(reserve=1 << 60)
    committer = disk.committer(engine, anchor)
    with pytest.raises(StorageFull):
        committer.commit([Work(SENDER, disk.alert(1))])
    with pytest.raises(StorageFull):
        engine.upload(SENDER, bytes(32), 0, 9, b"piece")
    assert engine.size() == disk.signed_size(anchor) == 5
    assert engine.entries(0, 1), "reading goes on"
    engine.close()
    anchor.close()


def test_a_full_disk_under_the_anchor_alone_is_noticed_before_a_block_is_begun(disk: Disk) -> None:
    nothing_free = Path("/proc/anchor.db")
    engine = SqliteEngine(disk.folder / "log.db", reserve=1, anchor=nothing_free, vfs=disk.vfs.name)
    try:
        with pytest.raises(StorageFull), engine.block(5):
            pass
        assert engine.free_bytes() == 0
    finally:
        engine.close()


@pytest.mark.parametrize("after", range(4))
def test_a_disk_that_fills_up_at_commit_loses_the_block_for_certain(disk: Disk, after: int) -> None:
    engine, anchor = disk.open()
    committer = disk.committer(engine, anchor)
    alert = disk.alert(1)
    disk.vfs.fault = Fault("write", LOG, apsw.FullError, kept=False, after=after)
    with pytest.raises(StorageFull):
        committer.commit([Work(SENDER, alert)])
    crashed = Disk(disk.world, disk.folder.with_name("crashed"), disk.vfs)
    shutil.copytree(disk.folder, crashed.folder)
    disk.vfs.fault = None
    assert committer.commit([Work(SENDER, alert)]).verdicts == (5,), "once there is room, work goes on"
    engine.close()
    anchor.close()
    engine, anchor = crashed.open()
    assert crashed.recover(engine, anchor).head.size == 5
    engine.close()
    anchor.close()


def test_a_database_that_cannot_grow_refuses_and_goes_on_when_it_can(disk: Disk) -> None:
    engine, anchor = disk.open()
    committer = disk.committer(engine, anchor)
    (pages,) = next(iter(engine._writer.execute("PRAGMA page_count")))
    engine._writer.execute(f"PRAGMA max_page_count = {pages}")
    alerts = [disk.alert(number) for number in range(20)]
    with pytest.raises(StorageFull):
        committer.commit([Work(SENDER, alert) for alert in alerts])
    assert engine.size() == disk.signed_size(anchor) == 5
    engine._writer.execute("PRAGMA max_page_count = 1000000")
    assert committer.commit([Work(SENDER, alerts[0])]).verdicts == (5,)
    engine.close()
    anchor.close()


def test_an_upload_that_fails_is_not_acknowledged(disk: Disk) -> None:
    engine, anchor = disk.open()
    disk.vfs.fault = Fault("sync", LOG, apsw.IOError, kept=False)
    with pytest.raises(CrossbearingError):
        engine.upload(SENDER, bytes(32), 0, 99, b"piece")
    disk.vfs.fault = None
    engine.close()
    anchor.close()
    engine, anchor = disk.open()
    assert engine.attachment(bytes(32)) is None
    engine.close()
    anchor.close()


@pytest.mark.parametrize("kept", [False, True])
def test_cleaning_up_that_fails_leaves_what_an_upload_can_go_on_from(disk: Disk, *, kept: bool) -> None:
    engine, anchor = disk.open()
    data = bytes(range(40))
    for offset in range(0, 40, 10):
        engine.upload(SENDER, sha256(data), offset, 40, data[offset : offset + 10], at=1)
    disk.vfs.fault = Fault("sync", LOG, apsw.IOError, kept=kept)
    with pytest.raises(CrossbearingError):
        engine.abandon(1, 2)
    disk.vfs.fault = None
    engine.close()
    anchor.close()
    engine, anchor = disk.open()
    held = engine.upload(SENDER, sha256(data), 0, 40, b"").have
    assert held in {20, 40}
    assert engine.upload(SENDER, sha256(data), held, 40, data[held:], at=2).have == 40
    assert b"".join(engine.piece(sha256(data), offset)[0] for offset in (0, 10, 20))[:20] == data[:20]
    assert engine.attachment(sha256(data)) == 40
    engine.close()
    anchor.close()


def test_a_second_hub_on_the_same_files_is_refused(disk: Disk) -> None:
    engine, anchor = disk.open()
    with pytest.raises(StorageLocked):
        SqliteEngine(disk.folder / "log.db")
    with pytest.raises(StorageLocked):
        SqliteAnchor(disk.folder / "anchor.db")
    engine.close()
    anchor.close()
    engine, anchor = disk.open()
    engine.close()
    anchor.close()


def test_an_anchor_swapped_by_another_is_a_fork(disk: Disk) -> None:
    engine, anchor = disk.open()
    with pytest.raises(Fork):
        anchor.swap(b"something else", b"note")
    with pytest.raises(Fork):
        anchor.swap(None, b"note")
    held = anchor.read()
    anchor.swap(held, b"note")
    assert anchor.read() == b"note"
    engine.close()
    anchor.close()


def change_log(disk: Disk, sql: str) -> None:
    """Change the stored log as an intruder would."""
    db = open_connection(disk.folder / "log.db")
    db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM entry WHERE idx = (SELECT max(idx) FROM entry)",
        "UPDATE entry SET data = zeroblob(40) WHERE idx = 3",
        "INSERT INTO entry SELECT max(idx) + 1, zeroblob(9) FROM entry",
        "UPDATE activation SET role = 'targets' WHERE version = 1; UPDATE activation SET digest = zeroblob(32)",
    ],
    ids=["truncated", "altered", "lengthened", "directory"],
)
def test_an_altered_log_is_refused(disk: Disk, sql: str) -> None:
    change_log(disk, sql)
    engine, anchor = disk.open()
    with pytest.raises(StorageTampered):
        disk.recover(engine, anchor)
    engine.close()
    anchor.close()


def test_a_log_restored_from_an_old_copy_is_refused(disk: Disk) -> None:
    old = (disk.folder / "log.db").read_bytes()
    engine, anchor = disk.open()
    disk.committer(engine, anchor).commit([Work(SENDER, disk.alert(1))])
    engine.close()
    anchor.close()
    for leftover in disk.folder.glob("log.db-*"):
        leftover.unlink()
    (disk.folder / "log.db").write_bytes(old)
    engine, anchor = disk.open()
    with pytest.raises(StorageTampered, match="signed for"):
        disk.recover(engine, anchor)
    engine.close()
    anchor.close()


def start(disk: Disk) -> None:
    """Start up and close again."""
    engine, anchor = disk.open()
    try:
        disk.recover(engine, anchor)
    finally:
        engine.close()
        anchor.close()


def test_a_damaged_file_is_named_as_such(disk: Disk) -> None:
    data = bytearray((disk.folder / "log.db").read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (disk.folder / "log.db").write_bytes(bytes(data))
    with pytest.raises((StorageTampered, StorageFailed)):
        start(disk)


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "log.db"))
    db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StorageTampered):
        SqliteEngine(tmp_path / "log.db")
    create(tmp_path / "anchor.db", "CREATE TABLE t (x);")
    with pytest.raises(BadConfig):
        SqliteAnchor(tmp_path / "anchor.db")
    (tmp_path / "noise.db").write_bytes(b"no database at all" * 500)
    with pytest.raises(StorageTampered):
        SqliteEngine(tmp_path / "noise.db")
    with pytest.raises(StorageFailed):
        SqliteEngine(tmp_path / "nothing.db")
    with pytest.raises(StorageFailed):
        SqliteAnchor(tmp_path / "nothing.db")
