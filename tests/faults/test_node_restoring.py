"""The disk fails under a node's backup and restoration: nothing passes for one, and doing it again finishes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import apsw
import pytest

from nodes.backup import read_backup, restore_home
from nodes.config import DATABASE, NodeConfig, load_config
from schemas.errors import CrossbearingError, StorageFailed, StorageFull
from tests.support.failing_files import failing_files, failure_of, killed
from tests.support.faulty_vfs import BROKEN, Broken, FaultyVfs, faulty_vfs
from tests.unit.nodes.test_backup import PASSPHRASE, back_up, config, fill, opened

__all__ = ["config"]

SWALLOWED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""SQLite passes over some failures while it closes a file: it can do later what it could not do then."""


@pytest.fixture
def vfs(request: pytest.FixtureRequest) -> Iterator[FaultyVfs]:
    with faulty_vfs(f"node-restoring-{os.getpid()}-{id(request)}", everywhere=True) as layer:
        yield layer


def check_home(home: Path) -> None:
    """All that was backed up, marked as older, under the same keys."""
    store = opened(load_config(home))
    try:
        assert store.read(lambda t: (t.receipts.count(), t.held.recovering)) == (1, (0, 0))
    finally:
        store.close()


async def backed_up(config: NodeConfig, target: Path) -> Path:
    store = opened(config)
    store.write(fill)
    store.close()
    await back_up(config, target)
    return target


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_copy_of_the_store_that_fails_at_any_operation_leaves_no_backup(
    config: NodeConfig, tmp_path: Path, vfs: FaultyVfs, broken: Broken
) -> None:
    store = opened(config)
    store.write(fill)
    store.close()
    for after in count(0, 4):  # every fourth page
        vfs.fault = fault = broken.at(f".b.part/{DATABASE}", after)
        failure = await failure_of_backup(config, tmp_path / "b")
        if failure is None:
            break
        assert isinstance(failure, StorageFull) == (broken.error is apsw.FullError)
        assert fault.met
        assert not (tmp_path / "b").exists()
        assert not (tmp_path / ".b.part").exists()
    assert after
    assert not fault.met
    vfs.fault = None
    read_backup(tmp_path / "b")
    restore_home(tmp_path / "b", tmp_path / "again", PASSPHRASE)
    check_home(tmp_path / "again")


async def failure_of_backup(config: NodeConfig, target: Path) -> CrossbearingError | None:
    try:
        await back_up(config, target)
    except CrossbearingError as failure:
        return failure
    return None


@pytest.mark.parametrize("how", ["lost", "kept", "full"])
async def test_a_backup_whose_files_fail_leaves_nothing_and_is_done_again(
    config: NodeConfig, tmp_path: Path, how: str
) -> None:
    for at in count(1):
        with failing_files(how, at) as files:
            failure = await failure_of_backup(config, tmp_path / "b")
        if not files.met:
            break
        assert isinstance(failure, StorageFull if how == "full" else StorageFailed)
        assert not (tmp_path / "b").exists()
        assert not (tmp_path / ".b.part").exists()
    assert at > 10
    read_backup(tmp_path / "b")


@pytest.mark.parametrize("how", ["lost", "kept", "full"])
async def test_a_restoration_whose_files_fail_leaves_nothing_and_is_done_again(
    config: NodeConfig, tmp_path: Path, how: str
) -> None:
    backup, home = await backed_up(config, tmp_path / "b"), tmp_path / "again"
    for at in count(1):
        with failing_files(how, at) as files:
            failure = failure_of(partial(restore_home, backup, home, PASSPHRASE))
        if not files.met:
            break
        assert isinstance(failure, StorageFull if how == "full" else StorageFailed)
        assert not home.exists()
        assert not home.with_name("again.new").exists()
    assert at > 10
    check_home(home)


async def test_a_restoration_that_is_killed_on_its_way_is_done_again(config: NodeConfig, tmp_path: Path) -> None:
    backup, home = await backed_up(config, tmp_path / "b"), tmp_path / "again"
    restore = partial(restore_home, backup, home, PASSPHRASE)
    for at in count(1, 3):  # opening the keystore takes its time
        died = killed(restore, at)
        if not home.exists():
            restore()
        check_home(home)
        shutil.rmtree(home)
        if not died:
            break
    assert at > 10


@SWALLOWED
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("suffix", [DATABASE, DATABASE + "-wal"])
async def test_a_mark_that_is_not_surely_written_restores_nothing(
    config: NodeConfig, tmp_path: Path, vfs: FaultyVfs, suffix: str, broken: Broken
) -> None:
    backup, home = await backed_up(config, tmp_path / "b"), tmp_path / "again"
    for after in count():
        vfs.fault = fault = broken.at(f"again.new/{suffix}", after)
        if failure_of(partial(restore_home, backup, home, PASSPHRASE)) is not None:
            assert not home.exists()
        vfs.fault = None
        if home.exists():
            check_home(home)
            shutil.rmtree(home)
        if not fault.met:
            break
    assert after
