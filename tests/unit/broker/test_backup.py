"""Backing a hub up and restoring it: whole, of one instant, and nothing that is not what it was passes for it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import pytest

from broker.backup import MANIFEST, Backup, make_backup, verify_backup
from broker.backup_check import check_log
from broker.config import Config, load_config
from broker.draft import Work
from broker.engines.sqlite_anchor import SqliteAnchor, read_anchor
from broker.engines.sqlite_files import open_connection
from broker.hub import make_committer, open_storage
from broker.recovery import recover
from broker.restore import restore_hub
from schemas.errors import (
    BadConfig,
    CrossbearingError,
    LogRestored,
    NotFound,
    NotReady,
    StorageFailed,
    StorageFull,
    StorageLocked,
    StorageTampered,
)
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.faulty_vfs import Fault, faulty_vfs
from tests.support.hub import TestClock, new_hub, running_hub
from tests.support.hub_core import submission

SENDER = "hk-customs"
CLOCK = TestClock()


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def config(world: World, tmp_path: Path) -> Config:
    return new_hub(world, tmp_path)


def alert(world: World, number: int) -> Work:
    sealed, pairs = seal_alert(world, make_alert(world, SENDER, number=number), label=str(number))
    return Work(SENDER, submission(sealed, pairs))


def grow(config: Config, world: World, *alerts: int | Work) -> None:
    """Log alerts, or those of these numbers, into a hub that does not run, one block each."""
    with open_storage(config) as storage:
        found = recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root)
        committer = make_committer(storage, config, CLOCK, tree=found.tree, history=found.history, head=found.head)
        for each in alerts:
            (verdict,) = committer.commit([alert(world, each) if isinstance(each, int) else each]).verdicts
            assert isinstance(verdict, int)


def keys_of(config: Config) -> dict[str, Path]:
    return {"log.key": config.log_key, "tls.key": config.tls_key}


def test_a_backup_is_whole_and_says_what_it_is(config: Config, world: World, tmp_path: Path) -> None:
    grow(config, world, 1, 2)
    made = make_backup(config, tmp_path / "b", CLOCK)
    assert (made.contents.checkpoint.size, made.contents.bodies, made.contents.missing) == (7, 2, 0)
    assert verify_backup(tmp_path / "b") == made
    told = json.loads((tmp_path / "b" / MANIFEST).read_text())
    assert told["without"] == ["tls.key", "log.key", "log-mldsa.key"]
    assert not list((tmp_path / "b").glob("*.key")), "private keys stay apart"
    assert made.as_dict()["size"] == told["size"] == 7
    assert oct((tmp_path / "b").stat().st_mode & 0o777) == "0o700"


async def test_a_hub_at_work_is_backed_up_at_an_instant_for_which_it_signed(
    config: Config, world: World, tmp_path: Path
) -> None:
    async with running_hub(config) as hub:
        over = asyncio.Event()

        async def load() -> int:
            number = 0
            while not over.is_set():
                number += 1
                assert isinstance(await hub.exchange.submit(alert(world, number)), int)
            return number

        loading = asyncio.create_task(load())
        sizes = []
        for name in "abc":
            made = await asyncio.to_thread(partial(make_backup, config, tmp_path / name, CLOCK))
            sizes.append(made.contents.checkpoint.size)
        over.set()
        logged = await loading
    assert sizes == sorted(set(sizes)), "each of a later instant"
    assert 5 < sizes[-1] <= 5 + logged
    assert [verify_backup(tmp_path / name).contents.bodies for name in "abc"] == [size - 5 for size in sizes]


def test_a_log_ahead_of_its_checkpoint_is_not_backed_up(config: Config, world: World, tmp_path: Path) -> None:
    note = read_anchor(config.anchor)
    grow(config, world, 1)
    anchor = SqliteAnchor(config.anchor)
    newest = anchor.read()
    assert note is not None
    anchor.swap(newest, note)
    anchor.close()
    with pytest.raises(NotReady):
        make_backup(config, tmp_path / "b", CLOCK)
    assert not (tmp_path / "b").exists()


def test_a_target_that_is_there_is_left_alone(config: Config, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    with pytest.raises(BadConfig):
        make_backup(config, tmp_path / "b", CLOCK)
    assert (tmp_path / "b" / "mine").exists()
    with pytest.raises(StorageFailed):
        make_backup(config, tmp_path / "hub" / "broker.toml" / "b", CLOCK)


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError], ids=["full", "broken"])
@pytest.mark.parametrize("operation", ["write", "sync"])
@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_a_disk_that_fails_under_the_copy_leaves_no_backup(
    config: Config, tmp_path: Path, error: type[apsw.Error], operation: str, kept: bool
) -> None:
    with faulty_vfs(f"backup-{os.getpid()}-{error.__name__}-{operation}-{kept}") as vfs:
        vfs.fault = Fault(operation, "log.db", error, kept)
        with pytest.raises(StorageFull if error is apsw.FullError else StorageFailed):
            make_backup(config, tmp_path / "b", CLOCK, vfs=vfs.name)
        assert vfs.fault.met
        assert [path.name for path in tmp_path.iterdir() if "b" in path.name and path.name.endswith(".part")] == []
        assert not (tmp_path / "b").exists()
        vfs.fault = None
        assert make_backup(config, tmp_path / "b", CLOCK, vfs=vfs.name)


@pytest.mark.parametrize("step", range(8))
def test_a_flush_that_fails_leaves_no_backup(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Each fsync that makes the backup durable fails in turn."""
    real, calls = os.fsync, 0

    def failing(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step + 1:
            raise OSError(5, "broken")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageFailed):
        make_backup(config, tmp_path / "b", CLOCK)
    assert not (tmp_path / "b").exists()


def test_what_a_killed_run_left_is_no_backup_and_in_nobodys_way(config: Config, tmp_path: Path) -> None:
    half = tmp_path / ".b.part"
    half.mkdir()
    (half / "log.db").write_bytes(b"half")
    with pytest.raises(NotFound):
        verify_backup(half)
    make_backup(config, tmp_path / "b", CLOCK)
    assert not half.exists()


def flip(path: Path, offset: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(bytes(data))


def forget(folder: Path, name: str) -> None:
    """Change the manifest so that a changed file passes for itself: only its contents tell."""
    import hashlib

    told = json.loads((folder / MANIFEST).read_text())
    data = (folder / name).read_bytes()
    told["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(told))


def change(folder: Path, sql: str) -> None:
    db = open_connection(folder / "log.db")
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute(sql)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    forget(folder, "log.db")


def forge(path: Path) -> None:
    flip(path, -8)
    forget(path.parent, path.name)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a file cut short": lambda b: (b / "log.db").write_bytes((b / "log.db").read_bytes()[:-4096]),
    "a bit of the log": lambda b: flip(b / "log.db", 9000),
    "a bit of the settings": lambda b: flip(b / "broker.toml"),
    "a file missing": lambda b: (b / "checkpoint").unlink(),
    "a manifest of nothing": lambda b: (b / MANIFEST).write_text("{}"),
    "a manifest cut short": lambda b: (b / MANIFEST).write_bytes((b / MANIFEST).read_bytes()[:40]),
    "an entry": lambda b: change(b, "UPDATE entry SET data = zeroblob(40) WHERE idx = 6"),
    "an entry missing": lambda b: change(b, "DELETE FROM entry WHERE idx = 6"),
    "a body": lambda b: change(b, "UPDATE body SET data = zeroblob(9)"),
    "a directory": lambda b: change(b, "DELETE FROM blob WHERE digest = (SELECT digest FROM activation LIMIT 1)"),
    "a signature": lambda b: forge(b / "checkpoint"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_backup_is_named_and_not_restored(config: Config, world: World, tmp_path: Path, what: str) -> None:
    grow(config, world, 1, 2)
    make_backup(config, tmp_path / "b", CLOCK)
    DAMAGE[what](tmp_path / "b")
    with pytest.raises(StorageTampered):
        verify_backup(tmp_path / "b")
    with pytest.raises(StorageTampered):
        restore_hub(tmp_path / "b", tmp_path / "again", CLOCK, keys=keys_of(config))
    assert not (tmp_path / "again").exists()


def test_another_format_is_named(config: Config, tmp_path: Path) -> None:
    make_backup(config, tmp_path / "b", CLOCK)
    told = json.loads((tmp_path / "b" / MANIFEST).read_text()) | {"format": "crossbearing-backup/9"}
    (tmp_path / "b" / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(BadConfig):
        verify_backup(tmp_path / "b")


def test_a_body_that_is_not_there_is_counted(config: Config, world: World, tmp_path: Path) -> None:
    grow(config, world, 1)
    made = make_backup(config, tmp_path / "b", CLOCK)
    change(tmp_path / "b", "DELETE FROM body")
    note = (tmp_path / "b" / "checkpoint").read_bytes()
    found = check_log(tmp_path / "b" / "log.db", note, (tmp_path / "b" / "root.json").read_bytes())
    assert (made.contents.missing, found.missing, found.bodies) == (0, 1, 0)


def restored(config: Config, tmp_path: Path, **given: Path) -> Config:
    """The hub restored from a backup made now."""
    make_backup(config, tmp_path / "b", CLOCK)
    restore_hub(tmp_path / "b", tmp_path / "again", CLOCK, keys=keys_of(config), **given)
    return load_config(tmp_path / "again")


def test_a_restored_hub_signs_nothing(config: Config, world: World, tmp_path: Path) -> None:
    grow(config, world, 1)
    again = restored(config, tmp_path)
    assert read_anchor(again.anchor) == read_anchor(config.anchor)
    with pytest.raises(LogRestored):
        grow(again, world, 2)
    with open_storage(again) as storage:
        assert storage.engine.size() == 6
        (only,) = storage.anchor.restorations()
        assert (only.size, only.time, only.settled) == (6, NOW, False)


def test_earlier_restorations_are_remembered(config: Config, world: World, tmp_path: Path) -> None:
    again = restored(config, tmp_path)
    anchor = SqliteAnchor(again.anchor)
    anchor.settle()
    anchor.close()
    grow(again, world, 1)
    make_backup(again, tmp_path / "second", CLOCK)
    restore_hub(tmp_path / "second", tmp_path / "third", CLOCK, keys=keys_of(config))
    anchor = SqliteAnchor(load_config(tmp_path / "third").anchor)
    assert [(each.size, each.settled) for each in anchor.restorations()] == [(5, True), (6, False)]
    assert anchor.restorations()[1].time > anchor.restorations()[0].time
    anchor.close()


def test_restoring_goes_into_an_empty_directory_only(config: Config, tmp_path: Path) -> None:
    make_backup(config, tmp_path / "b", CLOCK)
    with pytest.raises(BadConfig):
        restore_hub(tmp_path / "b", config.data, CLOCK, keys=keys_of(config))
    (tmp_path / "empty").mkdir()
    restore_hub(tmp_path / "b", tmp_path / "empty", CLOCK, keys=keys_of(config))
    assert (tmp_path / "empty" / "log.db").exists()


def test_a_backup_with_keys_needs_no_others(config: Config, tmp_path: Path) -> None:
    made: Backup = make_backup(config, tmp_path / "b", CLOCK, with_keys=True)
    assert made.keys == ("tls.key", "log.key")
    restore_hub(tmp_path / "b", tmp_path / "again", CLOCK)
    assert load_config(tmp_path / "again").log_key.stat().st_mode & 0o777 == 0o600


def test_the_keys_must_be_there_and_the_logs_own(config: Config, tmp_path: Path) -> None:
    make_backup(config, tmp_path / "b", CLOCK)
    with pytest.raises(BadConfig, match=r"tls\.key|log\.key"):
        restore_hub(tmp_path / "b", tmp_path / "again", CLOCK)
    other = tmp_path / "other.key"
    other.write_text("11" * 32 + "\n")
    other.chmod(0o600)
    with pytest.raises(CrossbearingError, match="does not list this log's own"):
        restore_hub(tmp_path / "b", tmp_path / "again", CLOCK, keys=keys_of(config) | {"log.key": other})
    assert not (tmp_path / "again").exists()


def test_an_anchor_that_survived_is_kept_and_listened_to(config: Config, world: World, tmp_path: Path) -> None:
    make_backup(config, tmp_path / "b", CLOCK)
    grow(config, world, 1, 2)
    made = restore_hub(tmp_path / "b", tmp_path / "again", CLOCK, keys=keys_of(config), anchor=config.anchor)
    assert made.anchor
    assert (tmp_path / "again" / "heard" / "anchor").read_bytes() == read_anchor(config.anchor)
    with pytest.raises(NotFound):
        restore_hub(tmp_path / "b", tmp_path / "third", CLOCK, keys=keys_of(config), anchor=tmp_path / "nothing")


def test_an_anchor_on_another_disk_is_moved_aside_not_overwritten(config: Config, world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other-disk" / "anchor.db"
    elsewhere.parent.mkdir()
    settings = config.data / "broker.toml"
    settings.write_text(settings.read_text().replace('"anchor.db"', json.dumps(str(elsewhere))))
    config.anchor.rename(elsewhere)
    config = load_config(config.data)
    make_backup(config, tmp_path / "b", CLOCK)
    grow(config, world, 1)
    newest = read_anchor(elsewhere)
    with open_storage(config), pytest.raises(StorageLocked):
        restore_hub(tmp_path / "b", tmp_path / "again", CLOCK, keys=keys_of(config))
    restore_hub(tmp_path / "b", tmp_path / "again", CLOCK, keys=keys_of(config))
    assert (tmp_path / "again" / "heard" / "anchor").read_bytes() == newest
    assert read_anchor(elsewhere.with_name("before-restore-1-anchor.db")) == newest
    assert read_anchor(elsewhere) != newest
    restore_hub(tmp_path / "b", tmp_path / "third", CLOCK, keys=keys_of(config))
    assert (tmp_path / "third" / "heard" / "anchor-1").read_bytes() == newest, "also what was moved aside before"
    assert read_anchor(elsewhere.with_name("before-restore-1-anchor.db")) == newest
    assert elsewhere.with_name("before-restore-2-anchor.db").exists()
