"""Which directory was in force where."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.directory.history import DirectoryHistory, genesis_order
from schemas.errors import DirectoryInvalid, DirectoryThreshold, DirectoryUnknown, WrongDirectory
from schemas.ids import sha256
from schemas.log.entry import DirectoryEntry, PurgeEntry
from tests.support.directory import GOVERNORS, NOW, make_world


def test_genesis_order() -> None:
    assert genesis_order(["sg-cnb", "au-abf"]) == ["root", "targets", "au-abf", "sg-cnb"]


def test_every_version_is_in_force_from_its_own_entry() -> None:
    world = make_world()
    for index in range(5):
        assert world.history.at(index).version == index + 1
    world.publish("targets", index=12)
    assert [world.history.at(index).version for index in (4, 11, 12, 1000)] == [5, 5, 6, 6]
    assert world.history.version(6) is world.history.latest
    assert len(world.history) == 6


def test_entries_count_under_the_version_in_force() -> None:
    world = make_world()
    world.publish("targets", index=12)
    for index, version in ((4, 5), (11, 5), (12, 6), (13, 6)):
        assert world.history.check_entry(index, PurgeEntry(NOW, version, 0, "law", ())).version == version
    for index, version in ((3, 5), (11, 6), (12, 5), (13, 1)):
        with pytest.raises(WrongDirectory):
            world.history.check_entry(index, PurgeEntry(NOW, version, 0, "law", ()))
    with pytest.raises(DirectoryUnknown):
        world.history.check_entry(13, PurgeEntry(NOW, 7, 0, "law", ()))


def test_nothing_is_in_force_before_the_first() -> None:
    history = DirectoryHistory()
    with pytest.raises(DirectoryUnknown):
        _ = history.latest
    with pytest.raises(DirectoryUnknown):
        history.at(0)
    for number in (0, 1):
        with pytest.raises(DirectoryUnknown):
            history.version(number)


def test_gaps_and_earlier_indexes_are_refused() -> None:
    world = make_world()
    fresh = DirectoryHistory()
    with pytest.raises(DirectoryInvalid):
        fresh.add(0, world.history.version(2))
    fresh.add(5, world.history.version(1))
    with pytest.raises(DirectoryInvalid):
        fresh.add(5, world.history.version(2))
    fresh.add(6, world.history.version(2))
    assert fresh.at(5).version == 1


def test_a_bundle_is_the_one_committed_to() -> None:
    world = make_world()
    made = world.bundle("targets")
    entry = DirectoryEntry(NOW, 6, "targets", made.version, sha256(made.bundle), len(made.bundle))
    for faulty, error in (
        (replace(entry, digest=bytes(32)), DirectoryInvalid),
        (replace(entry, size=entry.size + 1), DirectoryInvalid),
        (replace(entry, directory=7), WrongDirectory),
        (replace(entry, directory=5), WrongDirectory),
        (replace(entry, version=3), DirectoryInvalid),
        (replace(entry, role="hk-customs"), DirectoryInvalid),
    ):
        with pytest.raises(error):
            world.history.accept(5, faulty, made.bundle, trusted_root=world.trusted_root)
    assert len(world.history) == 5
    assert world.history.accept(5, entry, made.bundle, trusted_root=world.trusted_root).version == 6


def test_a_refused_bundle_leaves_the_history_as_it_was() -> None:
    world = make_world()
    weak = world.bundle("targets", signers=GOVERNORS[:2])
    entry = DirectoryEntry(NOW, 6, "targets", weak.version, sha256(weak.bundle), len(weak.bundle))
    with pytest.raises(DirectoryThreshold):
        world.history.accept(5, entry, weak.bundle, trusted_root=world.trusted_root)
    assert world.history.latest.version == 5


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_at_is_the_last_version_not_after(steps: list[int]) -> None:
    history = DirectoryHistory()
    index, starts = 0, []
    for version, step in enumerate(steps, start=1):
        index += step
        starts.append(index)
        history.add(index, WORLD.history.version(version))
    for probe in range(starts[0], index + 3):
        assert history.at(probe).version == sum(start <= probe for start in starts)


WORLD = make_world()
