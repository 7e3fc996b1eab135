from __future__ import annotations

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadAddress, BadId
from schemas.ids import (
    Remembered,
    are_ids,
    check_agency_id,
    check_id,
    check_slug,
    format_id,
    is_id,
    key_id,
    parse_id,
    sha256,
    uuid7,
    uuid7_time,
)
from schemas.limits import MAX_REMEMBERED, MAX_TIME_MS

times = st.integers(0, MAX_TIME_MS)
fillers = st.binary(min_size=10, max_size=10)


@pytest.mark.parametrize("text", ["hk-customs", "sg-cnb", "au-abf", "ph-pdea", "nz-3-x", "hk-" + "a" * 29])
def test_agency_ids(text: str) -> None:
    assert check_agency_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hk",
        "hk-",
        "HK-customs",
        "hk-Customs",
        "hk_customs",
        "hk--customs",
        "-hk-customs",
        "hk-customs-",
        "hkg-customs",
        "hk-customs\n",
        " hk-customs",
        "hk-cust\N{LATIN SMALL LETTER O WITH DIAERESIS}ms",
        "hk-" + "a" * 30,
    ],
)
def test_what_is_no_agency_id(text: str) -> None:
    with pytest.raises(BadId, match="not an agency id"):
        check_agency_id(text)


@pytest.mark.parametrize("text", ["xx-customs", "uk-nca", "zz-a"])
def test_an_agency_id_begins_with_a_country(text: str) -> None:
    with pytest.raises(BadId, match="ISO 3166"):
        check_agency_id(text)


@pytest.mark.parametrize("text", ["marker", "south-east-asia", "3", "a-1-b", "a" * 32])
def test_slugs(text: str) -> None:
    assert check_slug(text) == text


@pytest.mark.parametrize(
    "text", ["", "-", "a-", "-a", "a--b", "A", "a_b", "a b", "a\n", "\N{ARABIC-INDIC DIGIT ONE}", "a" * 33]
)
def test_what_is_no_slug(text: str) -> None:
    with pytest.raises(BadId):
        check_slug(text)


def test_a_refused_id_is_quoted_short_and_harmless() -> None:
    with pytest.raises(BadId) as caught:
        check_slug("\x1b[2J" + "x" * 10_000)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@given(times, fillers)
def test_an_alert_id_is_a_uuid_of_version_7(now: int, filler: bytes) -> None:
    made = uuid7(now, lambda n: filler[:n])
    assert check_id(made) == made
    as_uuid = uuid.UUID(bytes=made)
    assert (as_uuid.version, as_uuid.variant) == (7, uuid.RFC_4122)
    assert uuid7_time(made) == now
    assert format_id(made) == str(as_uuid)
    assert parse_id(format_id(made)) == made


@given(times, fillers, fillers)
def test_alert_ids_differ_in_all_their_random_bits(now: int, one: bytes, other: bytes) -> None:
    def bits(filler: bytes) -> bytes:  # the two places where version and variant stand
        return bytes((filler[0] & 0x0F, filler[1], filler[2] & 0x3F)) + filler[3:]

    same = uuid7(now, lambda n: one[:n]) == uuid7(now, lambda n: other[:n])
    assert same == (bits(one) == bits(other))


def test_alert_ids_sort_by_time() -> None:
    assert uuid7(1, lambda n: b"\xff" * n) < uuid7(2, bytes)


def test_the_example_of_rfc_9562() -> None:
    random = bytes.fromhex("0cc3 18c4dc0c0c07398f".replace(" ", ""))
    made = uuid7(0x017F22E279B0, lambda n: random + bytes(n - len(random)))
    assert format_id(made)[:23] == "017f22e2-79b0-7cc3-98c4"


@pytest.mark.parametrize("now", [-1, MAX_TIME_MS + 1])
def test_a_time_that_does_not_fit_an_id(now: int) -> None:
    with pytest.raises(BadId):
        uuid7(now, bytes)


GOOD = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.upper(),
        GOOD.replace("-", ""),
        "{" + GOOD + "}",
        "urn:uuid:" + GOOD,
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace("-7", "-4"),
        GOOD.replace("-98", "-c8"),
        GOOD[:-1],
        GOOD + "0",
    ],
)
def test_an_id_has_one_text_form(text: str) -> None:
    with pytest.raises(BadId):
        parse_id(text)


@pytest.mark.parametrize(
    "value", [b"", bytes(16), bytes(15), parse_id(GOOD) + b"\0", uuid.UUID(int=0, version=4).bytes]
)
def test_bytes_that_are_no_id(value: bytes) -> None:
    with pytest.raises(BadId):
        check_id(value)
    with pytest.raises(BadId):
        format_id(value)
    with pytest.raises(BadId):
        uuid7_time(value)


def test_digests_and_key_ids() -> None:
    assert sha256(b"abc") == hashlib.sha256(b"abc").digest()
    assert key_id(b"abc") == bytes.fromhex("ba7816bf8f01cfea")


def test_what_passed_once_is_not_checked_again() -> None:
    asked: list[str] = []

    def check(text: str) -> None:
        asked.append(text)
        if text == "bad":
            raise BadAddress("bad")

    remembered = Remembered(check)
    assert remembered.all(["a", "b"])
    assert remembered.all(["b", "a"])
    assert asked == ["a", "b"]
    for _ in range(2):
        assert not remembered.all(["a", "bad", "c"])
    assert asked[2:] == ["a", "bad"] * 2
    assert remembered.all([])


def test_no_more_is_remembered_than_the_limit_allows() -> None:
    asked: list[str] = []
    remembered = Remembered(asked.append)
    for number in range(MAX_REMEMBERED):
        assert remembered.all([str(number)])
    assert remembered.all(["0"])
    assert len(asked) == MAX_REMEMBERED
    assert remembered.all(["new"])
    assert remembered.all(["0"])
    assert asked[MAX_REMEMBERED:] == ["new", "0"]


NEARLY = st.builds(
    lambda whole, at, byte: whole[:at] + bytes([byte]) + whole[at + 1 :],
    st.builds(lambda now, filler: uuid7(now, lambda _: filler), times, fillers),
    st.sampled_from([6, 8]) | st.integers(0, 15),
    st.integers(0, 255),
)


@given(st.lists(NEARLY | st.binary(max_size=33), max_size=6))
def test_ids_are_judged_together_as_one_by_one(values: list[bytes]) -> None:
    assert are_ids(values) == all(map(is_id, values))
