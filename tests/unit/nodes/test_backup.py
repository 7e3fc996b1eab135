"""Backing a node up and restoring it: all of its home, encrypted as it was, and marked as older than what was done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nodes.backup import MANIFEST, held_size, make_backup, read_backup, restore_home
from nodes.config import NodeConfig, load_config
from nodes.keystore import read_keystore
from nodes.store.database import Database, Tables
from nodes.store.pairs import PairRow
from schemas.errors import BadConfig, NotFound, StorageFailed, StorageTampered, WrongPassphrase
from schemas.limits import PAIR_KEY_ALERTS
from tests.unit.nodes.test_node_cli import arguments, call

PASSPHRASE = b"correct horse"
NOW = 1_800_000_000_000


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    (tmp_path / "made").mkdir()
    result = call(*arguments(tmp_path / "made", "--keys", str(tmp_path / "made" / "keys.json")))
    assert result.exit_code == 0, result.output
    return load_config(tmp_path / "made" / "home")


def opened(config: NodeConfig) -> Database:
    return Database(config.database, read_keystore(config.keystore, PASSPHRASE).database)


async def back_up(config: NodeConfig, target: Path) -> None:
    store = opened(config)

    async def copy(path: Path) -> int:
        store.read(lambda tables: tables.copy(path))
        return store.read(held_size)

    try:
        await make_backup(config, target, copy=copy, now=NOW)
    finally:
        store.close()


def fill(tables: Tables) -> None:
    tables.receipts.add(b"receipt", b"signature", now=1)
    tables.pairs.add(PairRow(bytes(16), "au-abf", b"s", b"o", b"k", b"k", NOW, 3, True))


async def test_a_home_comes_back_as_it_was_and_knows_that_it_is_older(config: NodeConfig, tmp_path: Path) -> None:
    store = opened(config)
    store.write(fill)
    store.close()
    await back_up(config, tmp_path / "b")
    assert (tmp_path / "b" / "node.db").read_bytes()[:6] != b"SQLite", "it stays encrypted"
    made = restore_home(tmp_path / "b", tmp_path / "again", PASSPHRASE)
    assert (made.agency, made.made, made.size) == ("sg-cnb", NOW, 0)
    again = load_config(tmp_path / "again")
    assert read_keystore(again.keystore, PASSPHRASE) == read_keystore(config.keystore, PASSPHRASE)
    assert again.hub.key.read_bytes() == config.hub.key.read_bytes()
    assert again.hub.key.stat().st_mode & 0o777 == 0o600
    store = opened(again)
    try:
        assert store.read(lambda t: (t.receipts.count(), t.held.recovering)) == (1, (0, 0))
        (pair,) = store.read(lambda t: t.pairs.get([bytes(16)]))
        assert pair.uses == PAIR_KEY_ALERTS, "nothing more is sealed with it"
    finally:
        store.close()


async def test_the_command_backs_up_a_node_that_does_not_run(config: NodeConfig, tmp_path: Path) -> None:
    import asyncio

    words = ("backup", str(config.home), str(tmp_path / "b"), "--passphrase-file", str(tmp_path / "made" / "pass"))
    result = await asyncio.to_thread(call, *words, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["agency"] == "sg-cnb"
    again = ("restore", str(tmp_path / "b"), str(tmp_path / "again"), *words[3:])
    assert (await asyncio.to_thread(call, *again)).exit_code == 0
    assert load_config(tmp_path / "again").agency == "sg-cnb"


async def test_nothing_is_overwritten(config: NodeConfig, tmp_path: Path) -> None:
    await back_up(config, tmp_path / "b")
    with pytest.raises(BadConfig):
        await back_up(config, tmp_path / "b")
    with pytest.raises(BadConfig):
        await back_up(config, Path("relative"))
    with pytest.raises(BadConfig):
        restore_home(tmp_path / "b", config.home, PASSPHRASE)


async def test_the_passphrase_is_needed(config: NodeConfig, tmp_path: Path) -> None:
    await back_up(config, tmp_path / "b")
    with pytest.raises(WrongPassphrase):
        restore_home(tmp_path / "b", tmp_path / "again", b"another")
    assert not (tmp_path / "again").exists()


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def flip(path: Path, at: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(bytes(data))


def forget(folder: Path) -> None:
    import hashlib

    flip(folder / "node.db", at=6_000)  # the root of the first table; the middle may be a page that nothing uses
    told = json.loads((folder / MANIFEST).read_text())
    data = (folder / "node.db").read_bytes()
    told["files"]["node.db"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(told))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "the store": lambda b: flip(b / "node.db"),
    "the keystore": lambda b: flip(b / "keystore"),
    "a file missing": lambda b: (b / "root.json").unlink(),
    "a manifest cut short": lambda b: (b / MANIFEST).write_text('{"format"'),
    "a manifest of nothing": lambda b: (b / MANIFEST).write_text("{}"),
    "a store that passes for itself": forget,
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_a_damaged_backup_is_not_restored(config: NodeConfig, tmp_path: Path, what: str) -> None:
    await back_up(config, tmp_path / "b")
    DAMAGE[what](tmp_path / "b")
    with pytest.raises(StorageTampered):
        restore_home(tmp_path / "b", tmp_path / "again", PASSPHRASE)
    assert not (tmp_path / "again").exists()


def test_what_is_no_backup_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_backup(tmp_path)


@pytest.mark.parametrize("step", range(9))
async def test_a_flush_that_fails_leaves_no_backup(
    config: NodeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    real, calls = os.fsync, 0

    def failing(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step + 1:
            raise OSError(5, "broken")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageFailed):
        await back_up(config, tmp_path / "b")
    assert names(tmp_path) == ["made"]
