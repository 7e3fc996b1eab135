"""Directory versions on their way to a hub that runs, or does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from broker.governance.repository import RoleBundle, bundles, open_repository
from broker.handover import hand_over
from broker.hub import open_storage
from broker.recovery import restore_history
from schemas.directory.documents import Broker
from schemas.errors import DirectoryConflict, DirectoryLockout, DirectoryThreshold
from tests.support.ceremony import Secretariat
from tests.support.directory import GOVERNORS, World, make_world
from tests.support.hub import TestClock, new_hub, running_hub


@pytest.fixture
def world() -> World:
    return make_world()


def suspended(secretariat: Secretariat, *signers: str) -> list[RoleBundle]:
    """A repository's bundles after sg-cnb was suspended."""
    text = secretariat.source().replace("status: active", "status: suspended", 1)
    secretariat.publish(secretariat.signed(secretariat.draft(text), *(signers or GOVERNORS[:3])))
    return list(bundles(open_repository(secretariat.repository)))


def test_a_stopped_hub_takes_it_into_its_log(world: World, tmp_path: Path) -> None:
    config = new_hub(world, tmp_path)
    found = suspended(Secretariat(world, tmp_path / "secretariat"))
    clock = TestClock()
    assert hand_over(config, found, clock) == 6
    assert hand_over(config, found, clock) == 6, "again adds nothing"
    with open_storage(config) as storage:
        history = restore_history(storage.engine, storage.trusted_root)
        assert storage.engine.size() == 6
    assert not history.latest.is_active("au-abf")


async def test_a_running_hub_takes_it_through_its_socket(world: World, tmp_path: Path) -> None:
    config = new_hub(world, tmp_path)
    found = suspended(Secretariat(world, tmp_path / "secretariat"))
    async with running_hub(config) as hub:
        assert await asyncio.to_thread(hand_over, config, found, TestClock()) == 6
        assert await asyncio.to_thread(hand_over, config, found, TestClock()) == 6
        assert hub.exchange.head.size == 6
        assert not hub.exchange.history.latest.is_active("au-abf")


async def test_two_files_under_one_version_are_kept_where_the_hub_meets_them(world: World, tmp_path: Path) -> None:
    config = new_hub(world, tmp_path)
    first = suspended(Secretariat(world, tmp_path / "first"))
    second = suspended(Secretariat(world, tmp_path / "second"), *GOVERNORS[2:])
    other = Secretariat(world, tmp_path / "other")
    other.change("name: Test directory", "name: Another")
    third = list(bundles(open_repository(other.repository)))
    async with running_hub(config):
        await asyncio.to_thread(hand_over, config, first, TestClock())
        with pytest.raises(DirectoryConflict, match="two different files signed as targets version 2"):
            await asyncio.to_thread(hand_over, config, third, TestClock())
    kept = config.evidence / "targets-2"
    assert len(list(kept.glob("*.metadata.json"))) == len(list(kept.glob("*.target.json"))) == 2
    for path in kept.iterdir():
        path.unlink()
    with pytest.raises(DirectoryConflict):
        hand_over(config, third, TestClock())
    assert len(list(kept.glob("*.target.json"))) == 2
    assert second[1].bundle != first[1].bundle, "the same words signed by others are no conflict"


async def test_what_does_not_prove_itself_leaves_no_evidence(world: World, tmp_path: Path) -> None:
    config = new_hub(world, tmp_path)
    unsigned = world.bundle("targets", signers=["governor-1"])
    async with running_hub(config):
        with pytest.raises(DirectoryThreshold):
            await asyncio.to_thread(hand_over, config, [unsigned], TestClock())
    assert not config.evidence.exists()


def test_a_directory_without_this_hubs_certificate_is_refused(world: World, tmp_path: Path) -> None:
    config = new_hub(world, tmp_path)
    world.document = replace(world.document, brokers=(Broker("broker", (bytes(32),)),))
    with pytest.raises(DirectoryLockout, match="this hub's own certificate"):
        hand_over(config, [world.bundle("targets")], TestClock())


async def test_a_hub_that_cannot_keep_evidence_goes_on(world: World, tmp_path: Path) -> None:
    config = new_hub(world, tmp_path)
    first = suspended(Secretariat(world, tmp_path / "first"))
    other = Secretariat(world, tmp_path / "other")
    other.change("name: Test directory", "name: Another")
    config.evidence.write_bytes(b"a file where the folder should be")
    async with running_hub(config) as hub:
        await asyncio.to_thread(hand_over, config, first, TestClock())
        with pytest.raises(DirectoryConflict):
            await asyncio.to_thread(hand_over, config, list(bundles(open_repository(other.repository))), TestClock())
        assert hub.exchange.ready
