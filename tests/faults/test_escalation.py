"""Escalating on failing disks: an entry is whole or not there; a restart neither forgets a call nor logs one twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from broker.draft import Work
from broker.engines.sqlite import SqliteEngine
from broker.escalating import Escalate
from schemas.errors import StorageInDoubt, WrongState
from schemas.limits import FLASH_SECONDS
from schemas.log.entry import EscalationEntry, Outcome, decode_entry
from tests.faults.test_broker_storage import LOG, SENDER, Disk
from tests.support.directory import NOW, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.faulty_vfs import Fault, faulty_vfs
from tests.support.hub import TestClock, new_hub
from tests.support.hub_core import submission

AGENCY = "sg-cnb"
DUE = NOW + FLASH_SECONDS * 1_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    world = make_world()
    config = new_hub(world, tmp_path)
    with faulty_vfs(f"escalating-{os.getpid()}-{id(world)}") as vfs:
        yield Disk(world, config.data, vfs)


def logged(engine: SqliteEngine) -> list[str]:
    entries = map(decode_entry, engine.entries(0, engine.size()))
    return [entry.outcome for entry in entries if isinstance(entry, EscalationEntry)]


def open_calls(engine: SqliteEngine) -> tuple[int, int]:
    """How many alerts are still to be logged as due, and how many to be called about."""
    return tuple(len(engine.escalations(AGENCY, DUE, 9, logged=logged)) for logged in (False, True))  # type: ignore[return-value]  # two


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("operation", ["write", "sync"])
@pytest.mark.parametrize("steps", [("due",), ("due", "unreachable")])
def test_an_escalation_that_fails_at_commit_is_whole_or_not_there(
    disk: Disk, steps: tuple[Outcome, ...], operation: str, kept: bool
) -> None:
    engine, anchor = disk.open()
    committer = disk.committer(engine, anchor)
    alert = make_alert(disk.world, SENDER, precedence="flash")
    (index,) = committer.commit([Work(SENDER, submission(*seal_alert(disk.world, alert)))]).verdicts
    assert isinstance(index, int)
    committer._clock = TestClock(DUE)
    *before, last = [Work("", Escalate(index, AGENCY, step)) for step in steps]
    for work in before:
        assert isinstance(committer.commit([work]).verdicts[0], int)
    disk.vfs.fault = Fault(operation, LOG, apsw.IOError, kept)
    with pytest.raises(StorageInDoubt):
        committer.commit([last])
    crashed = Disk(disk.world, disk.folder.with_name("crashed"), disk.vfs)
    shutil.copytree(disk.folder, crashed.folder)  # what a crash at this moment would leave
    engine.close()
    anchor.close()
    disk.vfs.fault = None
    engine, anchor = crashed.open()
    again = crashed.committer(engine, anchor)
    again._clock = TestClock(DUE)
    assert logged(engine) in (list(steps[:-1]), list(steps))
    assert open_calls(engine) == ((0, 1) if logged(engine) else (1, 0))
    (verdict,) = again.commit([last]).verdicts
    assert isinstance(verdict, int | WrongState), "logged now, or already"
    assert (logged(engine), open_calls(engine)) == (list(steps), (0, 1))
    assert crashed.recover(engine, anchor).head.size == engine.size()
    engine.close()
    anchor.close()
