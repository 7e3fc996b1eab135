"""Deleting a body on failing disks: entry and deletion are there together or not at all, and a restart goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from broker.draft import DeleteBody, Work
from broker.engines.sqlite import SqliteEngine
from schemas.envelope.header import decode_header
from schemas.errors import Purged, StorageInDoubt
from schemas.log.entry import PurgeEntry, decode_entry
from tests.faults.test_broker_storage import LOG, SENDER, Disk
from tests.support.directory import make_world
from tests.support.faulty_vfs import Fault, faulty_vfs
from tests.support.hub import TestClock, new_hub


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    world = make_world()
    config = new_hub(world, tmp_path)
    with faulty_vfs(f"purging-{os.getpid()}-{id(world)}") as vfs:
        yield Disk(world, config.data, vfs)


def told_and_held(engine: SqliteEngine, alert: int) -> tuple[int, bool]:
    """How many deletions the log tells of, and whether the body is still there."""
    entries = map(decode_entry, engine.entries(0, engine.size()))
    return sum(isinstance(entry, PurgeEntry) for entry in entries), engine.has_body(alert)


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_deletion_that_fails_at_commit_is_whole_or_not_there(disk: Disk, operation: str, kept: bool) -> None:
    engine, anchor = disk.open()
    committer = disk.committer(engine, anchor)
    alert = disk.alert(1)
    header = decode_header(alert.header)
    (index,) = committer.commit([Work(SENDER, alert)]).verdicts
    assert isinstance(index, int)
    later = TestClock(header.expires + disk.world.document.limits.retention)
    committer._clock = later
    disk.vfs.fault = Fault(operation, LOG, apsw.IOError, kept)
    with pytest.raises(StorageInDoubt):
        committer.commit([Work("", DeleteBody(index))])
    crashed = Disk(disk.world, disk.folder.with_name("crashed"), disk.vfs)
    shutil.copytree(disk.folder, crashed.folder)  # what a crash at this moment would leave
    engine.close()
    anchor.close()
    disk.vfs.fault = None
    engine, anchor = crashed.open()
    again = crashed.committer(engine, anchor)
    again._clock = later
    assert told_and_held(engine, index) in {(0, True), (1, False)}
    (verdict,) = again.commit([Work("", DeleteBody(index))]).verdicts
    assert isinstance(verdict, int | Purged), "deleted now, or already"
    assert told_and_held(engine, index) == (1, False)
    assert crashed.recover(engine, anchor).head.size == engine.size()
    engine.close()
    anchor.close()


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_sweeping_up_again_after_a_failure_is_right(disk: Disk, kept: bool) -> None:
    engine, anchor = disk.open()
    committer = disk.committer(engine, anchor)
    committer.commit([Work(SENDER, disk.alert(1))])
    until = max(row[0] for row in engine._rows("SELECT until FROM opener"))
    disk.vfs.fault = Fault("write", LOG, apsw.IOError, kept)
    with pytest.raises(StorageInDoubt):
        engine.sweep(until, 99)
    engine.close()
    anchor.close()
    disk.vfs.fault = None
    engine, anchor = disk.open()
    engine.sweep(until, 99)
    assert engine._rows("SELECT 1 FROM opener") == []
    assert engine._rows("SELECT 1 FROM blob WHERE length(digest) = 16") == []
    assert disk.recover(engine, anchor).head.size == engine.size()
    engine.close()
    anchor.close()
