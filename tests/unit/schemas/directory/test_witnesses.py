"""Who witnesses the log, and how many of them are enough."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.directory.documents import encode_directory, parse_directory
from schemas.directory.witness_policy import MEMBERS, policy_of, quorum_of, witness_keys, witness_name, witness_of
from schemas.directory.witnesses import OutsideWitness, Witnesses, usual_quorum
from schemas.errors import DirectoryInvalid
from schemas.example import example_seed
from schemas.keys import WitnessKey
from schemas.log.note import ED25519_COSIGNATURE, vkey
from schemas.log.policy import NONE, format_policy
from tests.support.directory import ORIGIN, make_world

VKEY = vkey("witness.example/w1", ED25519_COSIGNATURE, WitnessKey(example_seed("w1", "witness")).public)
OUTSIDE = OutsideWitness("w1", VKEY, "https://witness.example/w1")


def document(**witnesses: Any) -> bytes:
    value = json.loads(encode_directory(make_world(publish=False).document))
    return json.dumps({**value, "witnesses": witnesses}).encode()


@pytest.mark.parametrize(("agencies", "needed"), [(31, 21), (1, 1), (2, 2), (3, 3), (4, 3), (30, 21), (300, 201)])
def test_the_usual_quorum_tolerates_less_than_a_third(agencies: int, needed: int) -> None:
    assert usual_quorum(agencies) == needed


def test_what_governors_decide_is_read_back() -> None:
    shown = {"id": "w1", "vkey": VKEY, "url": OUTSIDE.url}
    read = parse_directory(document(quorum=4, outside=[shown]))
    assert read.witnesses == Witnesses(4, (OUTSIDE,))
    assert parse_directory(encode_directory(read)) == read
    assert parse_directory(document()).witnesses == Witnesses()


BAD: dict[str, tuple[Any, str]] = {
    "quorum of nobody": ({"quorum": 0}, "within"),
    "quorum beyond all": ({"quorum": 4}, "within"),
    "quorum as text": ({"quorum": "3"}, "whole number"),
    "unknown field": ({"threshold": 3}, "threshold"),
    "witness without url": ({"outside": [{"id": "w1", "vkey": VKEY}]}, "url"),
    "witness in the clear": ({"outside": [{"id": "w1", "vkey": VKEY, "url": "http://witness.example/"}]}, "https"),
    "witness at no address": ({"outside": [{"id": "w1", "vkey": VKEY, "url": "https://a b/"}]}, "https"),
    "witness with a log's key": (
        {"outside": [{"id": "w1", "vkey": make_world(publish=False).document.log.keys[0], "url": OUTSIDE.url}]},
        "type",
    ),
    "witness named as an agency": ({"outside": [{"id": "sg-cnb", "vkey": VKEY, "url": OUTSIDE.url}]}, "sg-cnb"),
    "witness twice": ({"outside": [{"id": "w1", "vkey": VKEY, "url": OUTSIDE.url}] * 2}, "twice"),
    "key twice": (
        {"outside": [{"id": name, "vkey": VKEY, "url": OUTSIDE.url} for name in ("w1", "w2")]},
        "same key",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_faulty_section_is_refused(name: str) -> None:
    section, message = BAD[name]
    with pytest.raises(DirectoryInvalid, match=message):
        parse_directory(document(**section))


def test_a_section_that_is_no_object_is_refused() -> None:
    value = json.loads(encode_directory(make_world(publish=False).document))
    with pytest.raises(DirectoryInvalid, match="object"):
        parse_directory(json.dumps({**value, "witnesses": []}).encode())


def test_an_agency_with_two_keys_counts_once() -> None:
    directory = make_world(witnesses=Witnesses(2, (OUTSIDE,))).directory
    policy = policy_of(directory)
    assert quorum_of(directory) == 2
    assert policy.groups[MEMBERS].members == ("au-abf", "hk-customs", "sg-cnb", "w1")
    hong_kong = witness_keys(directory, "hk-customs")
    assert len(hong_kong) == 2
    assert {key.name for key in hong_kong} == {witness_name(ORIGIN, "hk-customs")}
    assert not policy.reached_by(hong_kong)
    assert policy.reached_by([*hong_kong[:1], OUTSIDE.key])
    assert policy.reached_by([*hong_kong, *witness_keys(directory, "sg-cnb")])
    assert {witness_of(name) for name in policy.witnesses} == {"au-abf", "hk-customs", "sg-cnb", "w1"}
    assert format_policy(policy)  # any tool of the family can use it


def test_a_suspended_agency_neither_counts_nor_lowers_the_quorum() -> None:
    directory = make_world(witnesses=Witnesses(), suspended=("hk-customs",)).directory
    assert quorum_of(directory) == 3
    assert witness_keys(directory, "hk-customs") == ()
    everybody = [key for agency in ("au-abf", "sg-cnb") for key in witness_keys(directory, agency)]
    assert not policy_of(directory).reached_by(everybody)


def test_without_any_witness_no_quorum_is_asked_for() -> None:
    assert policy_of(make_world().directory).quorum == NONE


def test_a_key_serves_one_witness() -> None:
    world = make_world(witnesses=Witnesses())
    outside = replace(
        OUTSIDE, vkey=vkey("w1", ED25519_COSIGNATURE, WitnessKey(example_seed("sg-cnb", "witness")).public)
    )
    world.document = replace(world.document, witnesses=Witnesses(None, (outside,)))
    with pytest.raises(DirectoryInvalid, match="both"):
        world.publish("targets")
