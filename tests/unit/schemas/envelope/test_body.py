"""The sealed body: padding, one key, one plaintext."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Value, encode
from schemas.envelope.body import commitment, encode_inner, open_body, padded_size, seal_body
from schemas.errors import BodyUnreadable, TooLarge
from schemas.limits import MAX_BODY

KEY = bytes(range(32))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=200), max_size=8))
def test_round_trip(plaintext: dict[str, str]) -> None:
    value = dict(plaintext)
    sealed = seal_body(dict(value), KEY)
    assert open_body(sealed, KEY) == value
    assert len(sealed) == padded_size(len(encode(dict(value))) + 1) + 16


@given(st.binary(max_size=300), st.text(max_size=300), st.dictionaries(st.text(max_size=8), st.text(max_size=40)))
def test_what_a_body_holds_goes_around_an_encoded_alert(sent: bytes, sender: str, texts: dict[str, str]) -> None:
    alert: dict[str, Value] = {**texts}
    assert encode_inner(sent, sender, encode(alert)) == encode({"id": sent, "sender": sender, "alert": alert})


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (8, 8),
        (9, 10),
        (15, 16),
        (17, 18),
        (100, 104),
        (1000, 1024),
        (1025, 1088),
        (100_000, 100_352),
    ],
)
def test_padme_sizes(size: int, padded: int) -> None:
    assert padded_size(size) == padded


@given(st.integers(0, MAX_BODY))
def test_padme_grows_by_at_most_an_eighth_and_is_stable(size: int) -> None:
    padded = padded_size(size)
    assert size <= padded <= size + size // 8 + 1
    assert padded_size(padded) == padded


def test_few_sizes_leave_the_house() -> None:
    assert len({padded_size(size) for size in range(1, 10_001)}) < 200


def test_the_commitment_is_the_hash_of_label_and_key() -> None:
    assert commitment(KEY) == hashlib.sha256(b"xb1-commit" + KEY).digest()


def test_every_byte_matters() -> None:
    sealed = seal_body({"a": "b"}, KEY)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(BodyUnreadable):
            open_body(bytes(changed), KEY)
    for wrong in (sealed[:-1], sealed + b"\0", b"", bytes(15)):
        with pytest.raises(BodyUnreadable):
            open_body(wrong, KEY)
    with pytest.raises(BodyUnreadable):
        open_body(sealed, bytes(32))


def sealed_raw(padded: bytes, aad: bytes = b"crossbearing/1/body\0") -> bytes:
    return ChaCha20Poly1305(KEY).encrypt(bytes(12), padded, aad)


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        b"\0" * 8,
        encode({}) + b"\x80" + b"\0" * 7,  # more zeros than the size asks for
        encode({"a": "b" * 20}) + b"\x80" + b"\0" * 2 + b"\x01",  # something behind the mark
        encode({"a": "b"}),  # no mark
        b"\x80",  # nothing before the mark
        b"\xc1\x80",  # not an encoding
        encode({"a": 1})[:-1] + b"\xcc\x01\x80\0",  # not the shortest encoding
    ],
)
def test_padding_and_encoding_have_one_form(padded: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        open_body(sealed_raw(padded), KEY)


def test_the_associated_data_binds_the_format() -> None:
    padded = encode({}) + b"\x80"
    assert open_body(sealed_raw(padded), KEY) == {}
    with pytest.raises(BodyUnreadable):
        open_body(sealed_raw(padded, b"crossbearing/2/body\0"), KEY)


def test_too_large() -> None:
    with pytest.raises(TooLarge):
        seal_body({"a": b"x" * MAX_BODY}, KEY)
    with pytest.raises(BodyUnreadable, match="allowed"):
        open_body(bytes(MAX_BODY + 1), KEY)
    assert len(seal_body({"a": b"x" * 983_000}, KEY)) <= MAX_BODY
