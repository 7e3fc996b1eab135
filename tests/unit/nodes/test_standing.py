from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.standing import Standing
from nodes.store.database import Database, Tables
from nodes.store.directory import DirectoryRow
from nodes.store.held import HeldCheckpoint
from schemas.errors import NotReady, StorageTampered
from schemas.log.checkpoint import Checkpoint
from schemas.log.entry import RefusalEntry, encode_entry
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.note import note_key
from tests.support.directory import NOW, World, make_world
from tests.support.fake_hub import DATABASE_KEY


def stand(world: World, *, root: bytes | None = None) -> Standing:
    key = note_key(world.origin, world.log_key.public)
    return Standing("sg-cnb", first_key=key, trusted_root=root or world.trusted_root)


def rows(world: World) -> list[DirectoryRow]:
    return [
        DirectoryRow(n + 1, n, encode_entry(entry), made.bundle)
        for n, (entry, made) in enumerate(zip(world.entries, world.bundles, strict=True))
    ]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "node.db", DATABASE_KEY)
    yield made
    made.close()


def fill(database: Database, wanted: list[DirectoryRow]) -> None:
    def put(tables: Tables) -> None:
        for row in wanted:
            tables.directory.add(row)
        tables.held.set_checkpoint(HeldCheckpoint(7, b"r" * 32, b"note"))

    database.write(put)


def test_a_new_node_stands_on_nothing(world: World, database: Database) -> None:
    standing = stand(world)
    database.read(standing.restore)
    assert (standing.version, standing.checkpoint.size, standing.checkpoint.root) == (0, 0, EMPTY_ROOT)
    with pytest.raises(NotReady):
        _ = standing.directory
    assert standing.log_keys == (note_key(world.origin, world.log_key.public),)


def test_everything_comes_back_from_the_store(world: World, database: Database) -> None:
    fill(database, rows(world))
    standing = stand(world)
    database.read(standing.restore)
    assert standing.version == 5
    assert standing.directory.is_active("hk-customs")
    assert (standing.checkpoint.size, standing.checkpoint.root) == (7, b"r" * 32)
    assert standing.log_keys == world.directory.log_keys()


def test_a_directory_without_its_document_is_not_ready(world: World, database: Database) -> None:
    fill(database, rows(world)[:1])
    standing = stand(world)
    database.read(standing.restore)
    with pytest.raises(NotReady):
        _ = standing.directory


def test_another_trusted_root_is_noticed(world: World, database: Database) -> None:
    fill(database, rows(world))
    with pytest.raises(StorageTampered) as refusal:
        database.read(stand(world, root=b"{}").restore)
    assert "root.json" in refusal.value.hint


def test_an_altered_bundle_is_noticed(world: World, database: Database) -> None:
    altered = rows(world)
    altered[2] = replace(altered[2], bundle=altered[2].bundle[:-1] + b"?")
    fill(database, altered)
    with pytest.raises(StorageTampered):
        database.read(stand(world).restore)


def test_an_entry_of_another_kind_is_noticed(world: World, database: Database) -> None:
    altered = rows(world)
    altered[2] = replace(altered[2], entry=encode_entry(RefusalEntry(NOW, 2, "hk-customs", "quota", bytes(32))))
    fill(database, altered)
    with pytest.raises(StorageTampered):
        database.read(stand(world).restore)


def test_standing_moves_with_the_checkpoint(world: World) -> None:
    standing = stand(world)
    standing.stand_on(Checkpoint(standing.origin, 9, b"x" * 32), now=NOW)
    assert (standing.checkpoint.size, standing.checkpoint.root, standing.checkpoint_time) == (9, b"x" * 32, NOW)


def test_it_agrees_with_the_store_again_after_a_commit_that_failed(world: World, database: Database) -> None:
    fill(database, rows(world)[:4])
    standing = stand(world)
    database.read(standing.restore)
    held = standing.history
    database.read(standing.agree)
    assert standing.history is held
    last = world.entries[4]
    standing.history.accept(4, last, world.bundles[4].bundle, trusted_root=world.trusted_root)
    standing.stand_on(Checkpoint(standing.origin, 9, b"x" * 32), now=NOW)
    database.read(standing.agree)
    assert (standing.version, standing.checkpoint.size) == (4, 7)
