"""A glance at a header reads what a strict decode reads, never raises, and costs little whatever it is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.envelope.header import PRECEDENCE_RANK, decode_header
from schemas.envelope.peek import LAST, Glance, peek
from schemas.limits import MAX_HEADER
from tests.support.directory import make_world
from tests.support.hub_core import HubCore

ID = bytes(range(16))


@pytest.mark.parametrize(("word", "rank"), PRECEDENCE_RANK.items())
def test_a_header_is_as_urgent_as_it_says(word: str, rank: int) -> None:
    data = HubCore(make_world()).alert(precedence=word).header
    assert peek(data) == Glance(decode_header(data).id, rank)


@pytest.mark.parametrize(
    ("data", "glance"),
    [
        (b"", Glance(None, LAST)),
        (b"\x81", Glance(None, LAST)),
        (b"\x91" * MAX_HEADER, Glance(None, LAST)),
        (b"\x81\xa1a" + b"\x91" * 50_000, Glance(None, LAST)),
        (b"\x81\xa2id\xdf\xff\xff\xff\xff", Glance(None, LAST)),
        (b"\xdf\xff\xff\xff\xff" + b"\xa1a\xc0" * 10_000, Glance(None, LAST)),
        (encode({"id": ID}), Glance(ID, LAST)),
        (encode({"id": ID[1:], "precedence": "flash"}), Glance(None, 0)),
        (encode({"precedence": "sudden"}), Glance(None, LAST)),
        (encode({"precedence": ["flash"]}), Glance(None, LAST)),
        (encode({"precedence": "flash"}) + bytes(MAX_HEADER), Glance(None, LAST)),
        (encode(["precedence", "flash"]), Glance(None, LAST)),
    ],
)
def test_what_cannot_be_read_is_least_urgent(data: bytes, glance: Glance) -> None:
    assert peek(data) == glance


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert 0 <= peek(data).rank <= LAST
