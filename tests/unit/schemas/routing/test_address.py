"""Addresses: one wire form, and what people may type instead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadAddress, UnknownAgency, UnknownOperation, UnknownRegion
from schemas.routing.address import Address, check_known, normalise, parse_address
from tests.support.directory import make_world

WORLD = make_world()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hk-customs", Address("agency", "hk-customs")),
        ("region:oceania", Address("region", "oceania")),
        ("operation:marker", Address("operation", "marker")),
        ("all", Address("all", "")),
    ],
)
def test_wire_forms(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "oceania", "HK-customs", "region:", "region:Oceania", "region:a:b", "agency:hk-customs", " all", "all:", ":"],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_address(text)
    kind, colon, _ = text.partition(":")
    told = f"{text!a} is not an address"
    if colon and kind not in {"region", "operation"}:
        assert caught.value.message == told
    else:
        assert caught.value.message.startswith(f"{told}: "), "and why"


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        (Address("agency", "hk-custom"), UnknownAgency, "there is no agency hk-custom"),
        (Address("region", "asai"), UnknownRegion, "there is no region asai"),
        (Address("operation", "maker"), UnknownOperation, "there is no operation maker"),
    ],
)
def test_an_address_that_leads_nowhere(address: Address, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^{words}$") as caught:
        check_known(address, WORLD.document)
    assert caught.value.hint.startswith("Did you mean")  # type: ignore[attr-defined]  # all are CrossbearingErrors


@given(st.text(max_size=40))
def test_parsing_is_total(text: str) -> None:
    try:
        address = parse_address(text)
    except BadAddress:
        return
    assert text in {address.name, f"{address.kind}:{address.name}", "all"}


@pytest.mark.parametrize(
    ("typed", "wire"),
    [
        ("hk-customs", "hk-customs"),
        (" HK-Customs ", "hk-customs"),
        ("asia", "region:asia"),
        ("marker", "operation:marker"),
        ("region:asia", "region:asia"),
        ("Operation:Marker", "operation:marker"),
        ("all", "all"),
        ("ALL", "all"),
    ],
)
def test_normalise(typed: str, wire: str) -> None:
    assert normalise(typed, WORLD.directory) == wire


@pytest.mark.parametrize(
    ("typed", "error", "hint"),
    [
        ("aaasia", UnknownAgency, "Did you mean asia?"),
        ("hk-custom", UnknownAgency, "hk-customs"),
        ("asai", UnknownAgency, "asia"),
        ("region:asai", UnknownRegion, "asia"),
        ("operation:maker", UnknownOperation, "marker"),
        ("xx!", UnknownAgency, "ids"),
        ("region:", BadAddress, "Address an agency"),
        ("agency:hk-customs", BadAddress, "Address an agency"),
    ],
)
def test_what_leads_nowhere_is_refused_with_a_hint(typed: str, error: type[Exception], hint: str) -> None:
    with pytest.raises(error) as caught:
        normalise(typed, WORLD.directory)
    assert hint in caught.value.hint  # type: ignore[attr-defined]  # all three are CrossbearingErrors


@pytest.mark.parametrize(("text", "after"), [("x" * 100, ": "), (f"region:{'X' * 100}", ": "), (f"{'x' * 100}:a", "$")])
def test_of_a_long_text_eighty_characters_are_shown(text: str, after: str) -> None:
    with pytest.raises(BadAddress, match=f"^'{text[:80]}' is not an address{after}"):
        parse_address(text)


def test_what_is_close_is_not_too_far_and_at_most_three() -> None:
    with pytest.raises(UnknownAgency, match=f"^'{'x' * 80}' is no agency, region or operation$"):
        normalise("x" * 100, WORLD.directory)
    with pytest.raises(UnknownAgency) as caught:
        normalise("sg-xy", WORLD.directory)
    assert caught.value.hint == "Did you mean sg-cnb?"
    alike = make_world(("au-aaaa", "au-aaab", "au-aaac", "au-aaad", "hk-customs"), operations=[])
    with pytest.raises(UnknownAgency) as caught:
        normalise("au-aaae", alike.directory)
    assert caught.value.hint.count(" or ") == 2


def test_a_name_of_two_things_is_ambiguous() -> None:
    world = make_world(publish=False)
    operation = replace(world.document.operations["marker"], id="asia")
    world.document = replace(world.document, operations={"asia": operation})
    world.publish("root", "targets")
    with pytest.raises(BadAddress, match="both") as caught:
        normalise("asia", world.directory)
    assert caught.value.hint == "Write region:asia or operation:asia."
