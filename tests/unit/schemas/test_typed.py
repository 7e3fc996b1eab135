from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from schemas.typed import Form, unchecked


class Point(Struct, frozen=True, forbid_unknown_fields=True):
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Even:
    half: int
    name: str

    def __post_init__(self) -> None:
        raise ValueError("this was checked before")


FORM = Form(Point, limit=16)
GOOD = b"\x82\xa1x\x01\xa1y\x02"


def test_what_is_canonical_is_read_as_it_was_written() -> None:
    assert FORM.read(GOOD) == Point(1, 2)
    assert FORM.encode(Point(1, 2)) == GOOD


@pytest.mark.parametrize(
    "data",
    [
        GOOD + b"\x00",
        GOOD[:-1],
        b"\x82\xa1y\x02\xa1x\x01",
        b"\x82\xa1x\xcc\x01\xa1y\x02",
        b"\x83\xa1x\x01\xa1y\x02\xa1y\x02",
        b"\x82\xa1x\xa11\xa1y\x02",
    ],
    ids=["more", "less", "order", "longer form", "twice", "another type"],
)
def test_nothing_else_is_read(data: bytes) -> None:
    assert FORM.read(data) is None


def test_what_is_too_long_is_not_looked_at() -> None:
    assert Form(Point, limit=len(GOOD)).read(GOOD) is not None
    assert Form(Point, limit=len(GOOD) - 1).read(GOOD) is None


@given(st.binary(max_size=20))
def test_whatever_is_read_is_what_would_be_written(data: bytes) -> None:
    value = FORM.read(data)
    assert value is None or FORM.encode(value) == data


def test_an_object_is_made_without_its_checks_and_is_frozen_then() -> None:
    made = unchecked(Even, ["half", "name"])((2, "four"))
    assert (made.half, made.name) == (2, "four")
    with pytest.raises(FrozenInstanceError):
        made.half = 3  # type: ignore[misc]  # which is what is tested
