"""``agencies/<id>.json``: lengths, forms and validity of keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.directory.agency_keys import (
    AgencyKeys,
    KeyRecord,
    WitnessRecord,
    encode_agency_keys,
    parse_agency_keys,
)
from schemas.errors import DirectoryInvalid
from schemas.ids import key_id
from schemas.routing.requests import StandingRequest
from tests.support.directory import NOW, make_world


def keys() -> AgencyKeys:
    base = make_world(publish=False).keys["hk-customs"]
    return replace(base, witness=(WitnessRecord("ed25519", b"w" * 32), WitnessRecord("ml-dsa-44", b"w" * 1312)))


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(encode_agency_keys(keys()))
    change(value)
    return json.dumps(value).encode()


def test_round_trip() -> None:
    assert parse_agency_keys(encode_agency_keys(keys()), "hk-customs") == keys()


def test_requests_are_optional_and_written_only_where_there_are_some() -> None:
    assert b"requests" not in encode_agency_keys(keys())
    asking = replace(keys(), requests=(StandingRequest("yachts", (), ("asia",), ("vessel",), "We keep the register."),))
    assert parse_agency_keys(encode_agency_keys(asking), "hk-customs") == asking
    many = [{"id": f"r-{n}", "topics": ["watch"], "reason": "x"} for n in range(33)]
    with pytest.raises(DirectoryInvalid, match="32"):
        parse_agency_keys(changed(lambda value: value.update(requests=many)), "hk-customs")
    bad = [{"id": "r", "topics": ["gossip"], "reason": "x"}]
    with pytest.raises(DirectoryInvalid, match="gossip"):
        parse_agency_keys(changed(lambda value: value.update(requests=bad)), "hk-customs")


def test_validity_is_half_open_and_ends_with_retirement() -> None:
    key = KeyRecord(b"k" * 32, NOW, NOW + 1000)
    assert [key.valid(at) for at in (NOW - 1, NOW, NOW + 999, NOW + 1000)] == [False, True, True, False]
    assert not replace(key, status="retired").valid(NOW)
    assert key.key_id == key_id(b"k" * 32)


DEFECTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown field": (lambda d: d.update(surprise=1), "surprise"),
    "missing field": (lambda d: d.pop("tls"), "tls is missing"),
    "another agency": (lambda d: d.update(agency="sg-cnb"), "keys of sg-cnb"),
    "other format": (lambda d: d.update(format=0), "format"),
    "signing key short": (lambda d: d["signing"][0].update(public="ab" * 31), "32 bytes"),
    "signing key in capitals": (lambda d: d["signing"][0].update(public="AB" * 32), "lower-case"),
    "sealing key of the old length": (lambda d: d["sealing"][0].update(public="ab" * 1184), "1216 bytes"),
    "key twice": (lambda d: d["signing"].append(d["signing"][0]), "twice"),
    "status": (lambda d: d["signing"][0].update(status="lost"), "neither active nor retired"),
    "ends first": (lambda d: d["signing"][0].update(not_after="2020-01-01T00:00:00Z"), "ends before"),
    "time form": (lambda d: d["signing"][0].update(not_before="2026-01-01"), "a time such as"),
    "time with offset": (lambda d: d["signing"][0].update(not_before="2026-01-01T00:00:00+00:00"), "a time such as"),
    "time of no calendar": (lambda d: d["signing"][0].update(not_before="2026-13-01T00:00:00Z"), "calendar"),
    "pin": (lambda d: d.update(tls=["ab"]), "hex"),
    "witness type": (lambda d: d["witness"][0].update(type="rsa"), "none of"),
    "witness length": (lambda d: d["witness"][1].update(public="ab" * 32), "1312 bytes"),
    "witness twice": (lambda d: d["witness"].append(d["witness"][0]), "twice"),
    "too many": (lambda d: d.update(tls=[f"{n:064x}" for n in range(65)]), "more than 64"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_are_named(defect: str) -> None:
    change, words = DEFECTS[defect]
    with pytest.raises(DirectoryInvalid, match=words):
        parse_agency_keys(changed(change), "hk-customs")
