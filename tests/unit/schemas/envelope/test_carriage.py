"""The sender's word that an alert was carried, and what excuses its age."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.envelope.carriage import (
    check_carried_directory,
    check_carried_time,
    is_current,
    sign_carried,
    verify_carried,
)
from schemas.envelope.header import Header, decode_header, sign_header
from schemas.errors import BadSignature, ClockOff, CrossbearingError, DirectoryStale, DirectoryUnknown, RoutingMismatch
from schemas.example import example_seed
from schemas.keys import SealingKey
from schemas.limits import CARRIED_DAYS, CLOCK_SKEW_MS, DAY_MS, SPREAD_MS
from tests.support.directory import NOW, PLENTY, World, make_world, record
from tests.support.envelope import make_alert, seal_alert

SENDER = "hk-customs"


def header_of(world: World, **fields: Any) -> Header:
    sealed, _ = seal_alert(world, make_alert(world, SENDER, **fields), now=NOW)
    return decode_header(sealed.header)


def test_the_word_is_good_for_these_bytes_and_this_key_alone() -> None:
    world = make_world()
    key, other = world.signing[SENDER], world.signing["sg-cnb"]
    header = b"a header"
    word = sign_carried(header, key)
    verify_carried(header, word, key.public)
    for data, signature, public in (
        (b"another", word, key.public),
        (header, word[:-1], key.public),
        (header, word, other.public),
        (header, sign_header(header, key), key.public),
    ):
        with pytest.raises(BadSignature):
            verify_carried(data, signature, public)


def test_current_is_what_needs_no_excuse() -> None:
    world = make_world()
    header = header_of(world)
    directory = world.directory
    assert is_current(header, directory, NOW)
    assert is_current(header, directory, NOW + CLOCK_SKEW_MS)
    assert not is_current(header, directory, NOW + CLOCK_SKEW_MS + 1)
    assert not is_current(header, directory, NOW - CLOCK_SKEW_MS - 1)
    world.publish("au-abf", at=NOW)
    assert is_current(header, world.directory, NOW + SPREAD_MS)
    world.publish("au-abf", at=NOW)
    assert not is_current(header, world.directory, NOW + SPREAD_MS)


def test_it_may_be_as_old_as_the_governors_say() -> None:
    world = make_world()
    header = header_of(world)
    check_carried_time(header, world.directory, NOW + CARRIED_DAYS * DAY_MS)
    with pytest.raises(ClockOff):
        check_carried_time(header, world.directory, NOW + CARRIED_DAYS * DAY_MS + 1)
    check_carried_time(header, world.directory, NOW - CLOCK_SKEW_MS)
    with pytest.raises(ClockOff):
        check_carried_time(header, world.directory, NOW - CLOCK_SKEW_MS - 1)
    world.document = replace(world.document, limits=replace(PLENTY, carried_days=0))
    world.publish("targets")
    check_carried_time(header, world.directory, NOW)
    with pytest.raises(ClockOff):
        check_carried_time(header, world.directory, NOW + 1)


def refusal(world: World, header: Header, now: int = NOW + DAY_MS) -> CrossbearingError | None:
    try:
        check_carried_directory(header, world.history.version(header.directory), world.directory, now)
    except CrossbearingError as error:
        return error
    return None


def test_a_change_that_does_not_touch_it_is_nothing_to_it() -> None:
    world = make_world()
    header = header_of(world, to=["region:asia"])
    world.change_agency("au-abf", name="Another name")
    world.publish("targets", "sg-cnb", "au-abf", SENDER)
    assert refusal(world, header) is None


def test_another_recipient_or_one_less_is_named() -> None:
    world = make_world()
    header = header_of(world, to=["region:asia"])
    world.change_agency("au-abf", status="suspended")
    world.publish("targets")
    error = refusal(world, header)
    assert isinstance(error, RoutingMismatch)
    assert "au-abf would not receive it any more" in error.message
    world = make_world(suspended=("au-abf",))
    header = header_of(world, to=["region:asia"])
    world.change_agency("au-abf", status="active")
    world.publish("targets")
    error = refusal(world, header)
    assert isinstance(error, RoutingMismatch)
    assert "au-abf would receive it too" in error.message


def test_a_key_that_a_recipient_took_back_ends_it_and_a_further_one_does_not() -> None:
    world = make_world()
    header = header_of(world, to=["sg-cnb"])
    old = world.keys["sg-cnb"].sealing[0]
    fresh = record(SealingKey(example_seed("sg-cnb", "next")).public)
    world.keys["sg-cnb"] = replace(world.keys["sg-cnb"], sealing=(old, fresh))
    world.publish("sg-cnb")
    assert refusal(world, header) is None
    world.keys["sg-cnb"] = replace(world.keys["sg-cnb"], sealing=(replace(old, status="retired"), fresh))
    world.publish("sg-cnb")
    error = refusal(world, header)
    assert isinstance(error, DirectoryStale)
    assert error.context["agency"] == "sg-cnb"


def test_a_key_that_ran_out_on_the_way_ends_it() -> None:
    world = make_world()
    header = header_of(world, to=["sg-cnb"])
    old = world.keys["sg-cnb"].sealing[0]
    fresh = record(SealingKey(example_seed("sg-cnb", "next")).public)
    ending = replace(old, not_after=old.not_before + 1_000)
    world.keys["sg-cnb"] = replace(world.keys["sg-cnb"], sealing=(ending, fresh))
    world.publish("sg-cnb")
    assert isinstance(refusal(world, header), DirectoryStale)


def test_a_version_that_is_not_there_yet_is_refused() -> None:
    world = make_world()
    header = replace(header_of(world), directory=world.directory.version + 1)
    with pytest.raises(DirectoryUnknown):
        check_carried_directory(header, world.directory, world.directory, NOW)
