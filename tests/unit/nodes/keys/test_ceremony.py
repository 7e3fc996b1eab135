"""The steps of a rotation, and what a crash at any of them leaves: the same command again brings it to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from nodes.client import NodeClient
from nodes.config import HubSettings, NodeConfig
from nodes.durable import write_durably
from nodes.keys import ceremony as ceremony_module
from nodes.keys.ceremony import Ceremony
from nodes.keys.certificate import Certificates
from nodes.keys.request import sign_request
from nodes.keys.rotation import KINDS, check_holds, held_keys, replaced, rotated
from nodes.keystore import read_keystore, write_keystore
from nodes.lock import home_lock
from schemas.errors import NotReady, StorageLocked
from schemas.example import example_seed
from tests.support.certificates import ME
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import counting_random
from tests.support.fake_hub import FakeHub, example_config, example_seeds
from tests.support.key_node import RunningNode

PASSPHRASE = b"open sesame"


class Crash(BaseException):
    """The process is gone."""


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def config(tmp_path: Path, world: World, files: Certificates) -> NodeConfig:
    home = tmp_path / "home"
    home.mkdir()
    made = example_config(home, FakeHub(world), ME)
    tls: HubSettings = replace(made.hub, certificate=files.certificate, key=files.key)
    write_keystore(made.keystore, example_seeds(ME), PASSPHRASE, counting_random())
    return replace(made, hub=tls)


@pytest.fixture
def node(world: World, config: NodeConfig) -> RunningNode:
    return RunningNode(world, config)


def commands(config: NodeConfig, node: RunningNode, label: str = "operator") -> Ceremony:
    return Ceremony(config, cast(NodeClient, node), PASSPHRASE, lambda: NOW, counting_random(label))


def rotate(config: NodeConfig, node: RunningNode, label: str = "operator", now: int = NOW) -> bool:
    """What `bearing keys rotate KINDS --admin FILE` does; False when there was nothing to publish."""
    steps = commands(config, node, label)
    listed = steps.listed()
    held = steps.stage(KINDS, listed.document)
    steps.take_in()
    drafted = steps.draft(lambda keys, mine: rotated(keys, KINDS, mine, now=now), held, listed)
    if drafted is None:
        return False
    request, path = drafted
    signed = sign_request(request.bundle, example_seed(ME, "administrator-1"))
    write_durably(path, signed.bundle)
    steps.publish(signed)
    return True


def settled(world: World, config: NodeConfig) -> None:
    """The keys listed as newest are held, and each kind has at most one key that waits."""
    seeds = read_keystore(config.keystore, PASSPHRASE)
    held = held_keys(seeds, Certificates(config.hub.certificate, config.hub.key).pins())
    document = world.directory.keys[ME]
    check_holds(document, held, now=NOW)
    assert document.sealing[-1].public == held.newest("sealing")
    assert document.signing[-1].public == held.newest("signing")
    assert document.tls == held.tls
    assert set(held.witness) <= set(document.witness)


def test_a_rotation_from_beginning_to_end(world: World, config: NodeConfig, node: RunningNode) -> None:
    before = world.directory.keys[ME]
    assert rotate(config, node)
    settled(world, config)
    assert len(world.directory.keys[ME].sealing) == len(before.sealing) + 1
    assert (config.home / "keys" / f"{ME}-2.bundle").stat().st_mode & 0o777 == 0o600
    assert node.reloaded == 1


POINTS = ["write_keystore", "make_next", "reload", "write_durably", "publish"]


def crash_at(monkeypatch: pytest.MonkeyPatch, node: RunningNode, point: str, *, after: bool) -> None:
    """The next time that step is reached, the process is gone: before it happens, or as soon as it has."""
    owner: Any = node if point in ("reload", "publish") else ceremony_module
    name = {"reload": "reload_keys", "publish": "publish_keys"}.get(point, point)
    real: Callable[..., Any] = getattr(owner, name)

    def step(*args: Any, **kwargs: Any) -> Any:
        if after:
            real(*args, **kwargs)
        raise Crash

    monkeypatch.setattr(owner, name, step)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_step_is_made_good_by_the_same_command(
    world: World, config: NodeConfig, node: RunningNode, monkeypatch: pytest.MonkeyPatch, point: str, after: bool
) -> None:
    with monkeypatch.context() as patch:
        crash_at(patch, node, point, after=after)
        with pytest.raises(Crash):
            rotate(config, node)
    rotate(config, node, "operator again", now=NOW + 5_000)
    settled(world, config)
    made = len(read_keystore(config.keystore, PASSPHRASE).sealing)
    again = point == "publish" and after  # it was in force: the second command is a second rotation
    assert made == (3 if again else 2)


def test_a_signed_document_is_published_as_it_was_signed(
    world: World, config: NodeConfig, node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        crash_at(patch, node, "publish", after=False)
        with pytest.raises(Crash):
            rotate(config, node)
    path = config.home / "keys" / f"{ME}-2.bundle"
    signed = path.read_bytes()
    rotate(config, node, now=NOW + 60_000)
    assert path.read_bytes() == signed == world.bundles[-1].bundle


def test_a_file_that_is_no_document_is_written_over(world: World, config: NodeConfig, node: RunningNode) -> None:
    (config.home / "keys").mkdir()
    (config.home / "keys" / f"{ME}-2.bundle").write_bytes(b"half a")
    assert rotate(config, node)
    settled(world, config)


def test_what_is_in_force_is_not_drafted_again(config: NodeConfig, node: RunningNode) -> None:
    rotate(config, node)
    steps = commands(config, node)
    listed = steps.listed()
    held = steps.stage(["tls"], listed.document)
    assert steps.draft(lambda keys, mine: rotated(keys, ["tls"], mine, now=NOW), held, listed) is None


def test_two_commands_at_once_do_not_mix(config: NodeConfig, node: RunningNode) -> None:
    steps = commands(config, node)
    with home_lock(config.home / "keys.lock"), pytest.raises(StorageLocked) as refused:
        steps.stage(["sealing"], steps.listed().document)
    assert "other `bearing keys` command" in refused.value.hint


def test_a_node_without_a_directory_cannot_rotate(config: NodeConfig, node: RunningNode) -> None:
    node.world = make_world(["au-abf", "hk-customs"])
    with pytest.raises(NotReady, match="no key document"):
        commands(config, node).listed()


def test_a_new_home_replaces_everything(world: World, config: NodeConfig, node: RunningNode) -> None:
    random = counting_random("new home")
    fresh = replace(example_seeds(ME), signing=(random(32),), sealing=(random(32),), database=random(32))
    write_keystore(config.keystore, fresh, PASSPHRASE, random)
    steps = commands(config, node)
    listed = ceremony_module.Listed(1, None)
    held = steps.stage(["signing", "sealing"], None)
    drafted = steps.draft(lambda _, keys: replaced(None, [], keys, now=NOW), held, listed)
    assert drafted is not None
    signed = sign_request(drafted[0].bundle, example_seed(ME, "administrator-1"))
    steps.take_in()
    steps.publish(signed)
    settled(world, config)
    assert len(world.directory.keys[ME].sealing) == 1


def test_what_was_lost_is_named(world: World, config: NodeConfig, node: RunningNode) -> None:
    steps = commands(config, node)
    listed = steps.listed().document
    assert steps.lost(steps.held(), listed) == ()
    random = counting_random("lost")
    write_keystore(config.keystore, replace(example_seeds(ME), sealing=(random(32),)), PASSPHRASE, random)
    (lost,) = steps.lost(steps.held(), listed)
    assert lost == world.sealing[ME].key_id.hex()
