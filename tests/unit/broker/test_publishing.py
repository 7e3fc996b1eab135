"""An agency publishes its own keys over its session, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from broker.draft import NewDirectory, Work, reference
from schemas.errors import DirectoryRollback, DirectoryThreshold, Quota, WrongSender
from schemas.ids import sha256
from schemas.keys import SealingKey
from schemas.limits import PUBLICATIONS_PER_DAY
from schemas.log.entry import DirectoryEntry, RefusalEntry
from schemas.session.frames import DirectoryUpdate, Publish
from tests.support.directory import DAY_MS, RoleBundle, World, make_world, record
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import HubClient, connect
from tests.support.hub_core import HubCore

AGENCY = "sg-cnb"


@pytest.fixture
def core() -> HubCore:
    return HubCore(make_world())


def next_keys(
    world: World, agency: str = AGENCY, *, version: int | None = None, signers: list[str] | None = None
) -> RoleBundle:
    """The agency's next key document, with one sealing key more."""
    fresh = record(SealingKey(sha256(f"{agency} {version}".encode())).public)
    keys = world.keys[agency]
    world.keys[agency] = replace(keys, sealing=(*keys.sealing, fresh))
    return world.bundle(agency, version=version, signers=signers)


def new(made: RoleBundle) -> NewDirectory:
    return NewDirectory(made.role, made.version, made.bundle)


def test_an_agency_publishes_its_own_keys(core: HubCore) -> None:
    made = next_keys(core.world)
    index = core.accepted(AGENCY, new(made))
    entry = core.entries()[index]
    assert isinstance(entry, DirectoryEntry)
    assert (entry.role, entry.version, entry.digest) == (AGENCY, 2, sha256(made.bundle))
    assert len(core.history.latest.keys[AGENCY].sealing) == 2


def test_the_same_bytes_again_are_accepted_where_they_stand(core: HubCore) -> None:
    made = next_keys(core.world)
    first = core.commit(Work(AGENCY, new(made)), Work(AGENCY, new(made)))
    assert first.verdicts[0] == first.verdicts[1]
    assert core.accepted(AGENCY, new(made)) == first.verdicts[0]
    core.accepted(AGENCY, new(next_keys(core.world, version=3)))
    assert core.accepted(AGENCY, new(made)) == first.verdicts[0]
    assert core.history.latest.version == 7


@pytest.mark.parametrize("role", ["hk-customs", "targets", "root", "zz-nobody"])
def test_no_agency_publishes_for_others(core: HubCore, role: str) -> None:
    made = replace(next_keys(core.world), role=role)
    assert isinstance(core.refused(AGENCY, new(made)), WrongSender)
    refusal = core.entries()[-1]
    assert isinstance(refusal, RefusalEntry)
    assert (refusal.agency, refusal.code, refusal.digest) == (AGENCY, "wrong-sender", sha256(made.bundle))


def test_other_bytes_under_a_version_in_force_are_refused(core: HubCore) -> None:
    core.accepted(AGENCY, new(next_keys(core.world)))
    refusal = core.refused(AGENCY, new(next_keys(core.world, version=2)))
    assert refusal.code in {"directory-rollback", "directory-conflict"}


def test_a_version_that_goes_back_is_refused(core: HubCore) -> None:
    core.accepted(AGENCY, new(next_keys(core.world, version=5)))
    assert isinstance(core.refused(AGENCY, new(next_keys(core.world, version=3))), DirectoryRollback)


def test_another_agencys_administrator_does_not_count(core: HubCore) -> None:
    made = next_keys(core.world, signers=["hk-customs/administrator-1"])
    assert isinstance(core.refused(AGENCY, new(made)), DirectoryThreshold)


def test_what_the_operator_brings_is_refused_without_a_trace(core: HubCore) -> None:
    size = core.engine.size()
    assert isinstance(core.refused("", new(next_keys(core.world, signers=[]))), DirectoryThreshold)
    assert core.engine.size() == size


def test_publications_have_an_allowance_and_repetitions_cost_nothing(core: HubCore) -> None:
    made = [next_keys(core.world, version=number) for number in range(2, PUBLICATIONS_PER_DAY + 3)]
    for each in made[:-1]:
        core.accepted(AGENCY, new(each))
    core.accepted(AGENCY, new(made[-2]))
    assert isinstance(core.refused(AGENCY, new(made[-1])), Quota)
    core.clock.now += DAY_MS // PUBLICATIONS_PER_DAY
    core.accepted(AGENCY, new(made[-1]))


async def publish(client: HubClient, made: RoleBundle) -> bool:
    frame = Publish(made.role, made.version, made.bundle)
    await client.send(frame)
    await client.until(lambda: reference(frame) in client.results)
    return client.results[reference(frame)].accepted


async def test_over_a_session_everybody_hears_of_the_new_keys(tmp_path: Path) -> None:
    world = make_world()
    async with (
        running_hub(new_hub(world, tmp_path)) as hub,
        connect(world, AGENCY, hub.server.address, tmp_path) as publisher,
        connect(world, "au-abf", hub.server.address, tmp_path) as partner,
    ):
        for client in (publisher, partner):
            await client.hello()
            await client.expect(DirectoryUpdate)
        assert await publish(publisher, next_keys(world))
        await partner.expect(DirectoryUpdate)
        assert len(partner.history.latest.keys[AGENCY].sealing) == 2
        await publisher.until(lambda: len(publisher.history) == len(partner.history))


async def test_a_refused_publication_leaves_the_session_open(tmp_path: Path) -> None:
    world = make_world()
    async with (
        running_hub(new_hub(world, tmp_path)) as hub,
        connect(world, AGENCY, hub.server.address, tmp_path) as client,
    ):
        await client.hello()
        await client.expect(DirectoryUpdate)
        made = world.bundle("hk-customs")
        assert not await publish(client, made)
        assert client.results[sha256(made.bundle)[:16]].code == "wrong-sender"
        assert await publish(client, next_keys(world))
        await client.until(lambda: len(client.history) == world.directory.version + 1)
