"""The disk fails while a hub is restored, completed and resumed: nothing counts, or doing it again finishes it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from broker.backup import make_backup
from broker.completing import complete
from broker.config import Config, load_config
from broker.engines.sqlite_anchor import SqliteAnchor, read_anchor
from broker.hub import open_storage
from broker.recovery import recover
from broker.restore import restore_hub
from schemas.errors import BadConfig, LogRestored, StorageFailed, StorageFull, StorageInDoubt
from tests.support.directory import World, make_world
from tests.support.failing_files import failing_files, failure_of, killed
from tests.support.faulty_vfs import BROKEN, Broken, FaultyVfs, faulty_vfs
from tests.support.hub import new_hub, running_hub
from tests.unit.broker.test_backup import CLOCK, alert, grow, keys_of
from tests.unit.broker.test_restored import AGENCIES, again, catch_up, greet, mirror, put

FAULTS = pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def config(world: World, tmp_path: Path) -> Config:
    return new_hub(world, tmp_path)


@pytest.fixture
def vfs(request: pytest.FixtureRequest) -> Iterator[FaultyVfs]:
    with faulty_vfs(f"restoring-{os.getpid()}-{id(request)}", everywhere=True) as layer:
        yield layer


def with_anchor_elsewhere(config: Config, elsewhere: Path) -> Config:
    elsewhere.parent.mkdir()
    settings = config.data / "broker.toml"
    settings.write_text(settings.read_text().replace('"anchor.db"', json.dumps(str(elsewhere))))
    config.anchor.rename(elsewhere)
    return load_config(config.data)


def check_restored(data: Path, backup: Path) -> None:
    """A whole data directory, that listens and signs nothing."""
    config = load_config(data)
    assert read_anchor(config.anchor) == (backup / "checkpoint").read_bytes()
    with open_storage(config) as storage:
        assert not storage.anchor.restorations()[-1].settled
        assert recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root).head.size == 6


@pytest.mark.parametrize("how", ["lost", "kept", "full"])
def test_a_restoration_whose_files_fail_leaves_nothing_and_is_done_again(
    config: Config, world: World, tmp_path: Path, how: str
) -> None:
    config = with_anchor_elsewhere(config, tmp_path / "disk" / "anchor.db")
    grow(config, world, 1)
    make_backup(config, tmp_path / "b", CLOCK)
    grow(config, world, 2)
    newest = read_anchor(config.anchor)
    data = tmp_path / "again"
    restore = partial(restore_hub, tmp_path / "b", data, CLOCK, keys=keys_of(config))
    for at in count(1):
        with failing_files(how, at) as files:
            failure = failure_of(restore)
        if not files.met:
            break
        assert isinstance(failure, StorageFull if how == "full" else StorageFailed)
        assert not data.exists()
        assert not data.with_name("again.new").exists()
        assert read_anchor(config.anchor) == newest, "the anchor that survived is where it was"
        assert [path.name for path in config.anchor.parent.glob("before-*.db")] == []
    assert at > 10
    check_restored(data, tmp_path / "b")
    assert (data / "heard" / "anchor").read_bytes() == newest


def test_a_restoration_that_is_killed_at_any_step_is_done_again(config: Config, world: World, tmp_path: Path) -> None:
    config = with_anchor_elsewhere(config, tmp_path / "disk" / "anchor.db")
    grow(config, world, 1)
    make_backup(config, tmp_path / "b", CLOCK)
    grow(config, world, 2)
    newest, survived = read_anchor(config.anchor), tmp_path / "survived"
    shutil.copytree(config.anchor.parent, survived)
    data, keys = tmp_path / "again", keys_of(config)
    restore = partial(restore_hub, tmp_path / "b", data, CLOCK, keys=keys)
    for at in count(1):
        died = killed(restore, at)
        if not data.exists():
            restore()
        check_restored(data, tmp_path / "b")
        assert newest in [file.read_bytes() for file in (data / "heard").iterdir()], "what survived is listened to"
        shutil.rmtree(data)
        shutil.rmtree(config.anchor.parent)
        shutil.copytree(survived, config.anchor.parent)
        if not died:
            break
    assert at > 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # SQLite passes over some while closing
@FAULTS
@pytest.mark.parametrize("suffix", ["anchor.db", "anchor.db-wal"])
def test_a_new_anchor_that_is_not_surely_written_restores_nothing(
    config: Config,
    world: World,
    tmp_path: Path,
    vfs: FaultyVfs,
    suffix: str,
    broken: Broken,
) -> None:
    grow(config, world, 1)
    make_backup(config, tmp_path / "b", CLOCK)
    data, failures = tmp_path / "again", 0
    restore = partial(restore_hub, tmp_path / "b", data, CLOCK, keys=keys_of(config))
    for after in count():
        vfs.fault = fault = broken.at(suffix, after)
        if failure_of(restore) is not None:
            assert not data.exists()
            failures += 1
        vfs.fault = None
        if data.exists():  # the last of all is folding the write-ahead log into the file: it can be done later
            check_restored(data, tmp_path / "b")
            shutil.rmtree(data)
        if not fault.met:
            break
    assert failures
    restore()
    check_restored(data, tmp_path / "b")


@FAULTS
@pytest.mark.parametrize("suffix", ["log.db-wal", "anchor.db-wal"])
def test_completing_on_a_disk_that_fails_is_finished_by_doing_it_again(
    config: Config,
    world: World,
    tmp_path: Path,
    vfs: FaultyVfs,
    suffix: str,
    broken: Broken,
) -> None:
    fresh = again(config, tmp_path, world, 1, 2)
    copy, failures = mirror(config, world, tmp_path / "m"), 0
    for after in count():
        shutil.copytree(fresh.data, tmp_path / f"try{after}")
        attempt = load_config(tmp_path / f"try{after}")
        vfs.fault = fault = broken.at(suffix, after)
        failures += failure_of(partial(complete, attempt, copy)) is not None
        vfs.fault = None
        refused = failure_of(partial(complete, attempt, copy))
        assert refused is None or isinstance(refused, BadConfig), "it is complete already"
        check_completed(attempt, config, world)
        if not fault.met:
            break
    assert failures


def check_completed(attempt: Config, lost: Config, world: World) -> None:
    assert read_anchor(attempt.anchor) == read_anchor(lost.anchor)
    with open_storage(attempt) as storage:
        assert recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root).head.size == 7
    with pytest.raises(LogRestored):
        grow(attempt, world, 3)


@FAULTS
async def test_settling_that_is_not_surely_written_signs_nothing_until_it_is(
    config: Config, world: World, tmp_path: Path, vfs: FaultyVfs, broken: Broken
) -> None:
    grow(config, world, 1)
    hellos = await catch_up(config, world, tmp_path / "tls")
    fresh = again(config, tmp_path, world)
    resume = partial(put, fresh, {"command": "resume", "despite": [], "fewer": False})
    async with running_hub(fresh) as hub:
        for agency in AGENCIES:
            await greet(hub.server.address, world, hellos[agency], tmp_path / "tls")
        vfs.fault = broken.at("anchor.db-wal")
        with pytest.raises(StorageInDoubt):
            await resume()
        assert vfs.fault.met
        assert not hub.exchange.ready
        assert isinstance(await hub.exchange.submit(alert(world, 2)), LogRestored)
        vfs.fault = None
    anchor = SqliteAnchor(fresh.anchor)
    settled = anchor.restorations()[-1].settled
    anchor.close()
    async with running_hub(fresh) as hub:
        assert hub.exchange.ready == settled, "what the disk has counts"
        if not settled:
            for agency in AGENCIES:
                await greet(hub.server.address, world, hellos[agency], tmp_path / "tls")
            await resume()
        assert await hub.exchange.submit(alert(world, 2)) == 6
