from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodes.identity import Identity, refuse_example_keys
from nodes.keystore import fresh_seeds
from schemas.errors import ExampleKeys, KeyNotValid
from schemas.example import example_seed
from schemas.keys import SealingKey, SigningKey
from tests.support.directory import DAY_MS, NOW, make_world, record
from tests.support.envelope import counting_random
from tests.support.fake_hub import example_seeds

ME = "sg-cnb"
NEW = b"n" * 32


def test_the_newest_valid_key_signs() -> None:
    world = make_world()
    seeds = replace(example_seeds(ME), signing=(example_seed(ME, "signing"), NEW))
    identity = Identity(seeds)
    assert identity.signing_key(world.directory, NOW).public == world.signing[ME].public
    newer = record(SigningKey(NEW).public, starts=NOW + DAY_MS)
    world.keys[ME] = replace(world.keys[ME], signing=(*world.keys[ME].signing, newer))
    world.publish(ME)
    assert identity.signing_key(world.directory, NOW).public == world.signing[ME].public
    assert identity.signing_key(world.directory, NOW + 2 * DAY_MS).public == SigningKey(NEW).public


def test_a_key_the_directory_does_not_list_signs_nothing() -> None:
    world = make_world()
    identity = Identity(fresh_seeds(ME, counting_random()))
    with pytest.raises(KeyNotValid) as refusal:
        identity.signing_key(world.directory, NOW)
    assert "administrators" in refusal.value.hint


def test_an_agency_outside_the_directory_signs_nothing() -> None:
    identity = Identity(fresh_seeds("jp-customs", counting_random()))
    with pytest.raises(KeyNotValid):
        identity.signing_key(make_world().directory, NOW)


def test_all_sealing_keys_open_the_newest_first() -> None:
    seeds = replace(example_seeds(ME), sealing=(example_seed(ME, "sealing"), NEW))
    keys = Identity(seeds).sealing_keys
    assert [key.public for key in keys] == [SealingKey(NEW).public, SealingKey(example_seed(ME, "sealing")).public]


@pytest.mark.parametrize("kind", ["signing", "sealing", "witness", "witness_pq"])
def test_example_keys_are_refused_off_this_machine(kind: str) -> None:
    seeds = fresh_seeds(ME, counting_random())
    change: dict[str, Any] = {kind: (*getattr(seeds, kind), example_seed(ME, kind.replace("_", "-")))}
    worthless = replace(seeds, **change)
    refuse_example_keys(worthless, "127.0.0.1")
    refuse_example_keys(worthless, "localhost")
    with pytest.raises(ExampleKeys, match=r"hub\.example"):
        refuse_example_keys(worthless, "hub.example")


def test_keys_of_ones_own_are_welcome_anywhere() -> None:
    refuse_example_keys(fresh_seeds(ME, counting_random()), "hub.example")
