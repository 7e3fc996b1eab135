"""A log that was filled in bulk is the one that the hub itself would have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale.past import Past
from benchmarks.scale.prefill import prefill
from broker.config import Config
from broker.engines.sqlite import SqliteEngine, create_log
from broker.engines.sqlite_files import open_connection
from broker.engines.sqlite_reader import reading
from broker.hub import open_storage
from broker.recovery import recover
from broker.replay import Replay
from broker.tree import Tree
from schemas.directory.history import DirectoryHistory
from schemas.envelope.header import decode_header, verify_header
from schemas.ids import sha256
from schemas.log.entry import AlertEntry, ReceiptEntry, decode_entry, encode_entry
from schemas.log.merkle import leaf_hash
from schemas.log.receipt import decode_receipt, verify_receipt
from tests.support.directory import NOW, World, make_world
from tests.support.hub import new_hub

SIZE = 1_200
AGENCIES = ("au-abf", "fj-customs", "hk-customs", "nz-customs", "sg-cnb")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(AGENCIES)


@pytest.fixture(scope="module")
def filled(world: World, tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = new_hub(world, tmp_path_factory.mktemp("prefill"))
    prefill(config, world, SIZE, say=lambda _: None)
    return config


def _tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    db = open_connection(path)
    try:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {name: sorted(map(repr, db.execute(f"SELECT * FROM {name}"))) for name in names}
        found["blob"] = sorted(map(repr, db.execute("SELECT digest, data FROM blob")))
        return found  # type: ignore[return-value]
    finally:
        db.close()


def test_the_hub_recovers_it_and_finds_its_own_signature(filled: Config) -> None:
    with open_storage(filled) as storage:
        recovered = recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root)
        assert SIZE <= recovered.head.size < SIZE + 11
        assert not recovered.resigned
        assert isinstance(storage.engine, SqliteEngine)
    with reading(filled.log) as log:
        assert not log.problems()


def test_replaying_its_entries_gives_the_same_tables(filled: Config, world: World, tmp_path: Path) -> None:
    create_log(tmp_path / "log.db")
    engine = SqliteEngine(tmp_path / "log.db")
    history, tree = DirectoryHistory(), Tree(engine.tile)
    try:
        with reading(filled.log) as log:
            entries = log.entries(0, SIZE * 2)
            with engine.block(0) as block:
                replay = Replay(block, history, log, world.trusted_root)
                for index, data in enumerate(entries):
                    replay.append(index, leaf_hash(data), data)
                for level, index, data in tree.extend([leaf_hash(data) for data in entries]).tiles:
                    block.put_tile(level, index, data)
    finally:
        engine.close()
    made, expected = _tables(filled.log), _tables(tmp_path / "log.db")
    assert made.pop("newest_block") != expected.pop("newest_block")
    assert made == expected


def test_its_entries_are_canonical_and_signed(filled: Config, world: World) -> None:
    kinds = []
    with reading(filled.log) as log:
        for index, data in enumerate(log.entries(len(world.entries), SIZE * 2), len(world.entries)):
            entry = decode_entry(data)
            assert encode_entry(entry) == data
            kinds.append(type(entry))
            if isinstance(entry, AlertEntry):
                header = decode_header(entry.header)
                verify_header(entry.header, entry.signature, world.signing[header.sender].public)
                assert sha256(log.body(index) or b"") == header.body_digest
            else:
                assert isinstance(entry, ReceiptEntry)
                receipt = decode_receipt(entry.receipt)
                verify_receipt(entry.receipt, entry.signature, world.signing[receipt.agency].public)
    assert kinds[:11] == [AlertEntry] * 8 + [ReceiptEntry] * 3


def test_the_same_past_has_the_same_bytes(world: World) -> None:
    def made() -> list[bytes]:
        past = Past(world, start=8, began=NOW, recipients=2, signed=False)
        return [alert.entry for group in past.groups(3) for alert in group.alerts]

    assert made() == made()
