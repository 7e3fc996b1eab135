"""JSON without latitude."""

from __future__ import annotations

import pytest

from schemas.codec import Fields, Value
from schemas.directory.strict_json import check_format, dump_json, hex_digests, load_json
from schemas.errors import DirectoryInvalid, Malformed


def test_what_is_dumped_loads_again() -> None:
    value: Value = {"b": [1, None, True, "é"], "a": {"x": "y"}}
    assert load_json(dump_json(value), "file") == value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a":1,"a":1}', "same key twice"),
        (b'{"a":1.0}', "not a whole number"),
        (b'{"a":1e3}', "not a whole number"),
        (b'{"a":NaN}', "not a whole number"),
        (b'{"a":"\\ud800"}', "not strict JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a":1} x', "not strict JSON"),
        (b"", "not strict JSON"),
        (b'{"a":"\xff"}', "not strict JSON"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "nests deeper"),
        (b'{"a":' + b"[" * 200_000, "nests deeper"),
        (b'{"a":' + b"9" * 5000 + b"}", "not strict JSON"),
    ],
)
def test_latitude_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(DirectoryInvalid, match=words):
        load_json(data, "the file")


def test_another_format_is_refused() -> None:
    with pytest.raises(Malformed, match="format 2"):
        check_format(Fields({"format": 2}, "document"))


@pytest.mark.parametrize("text", ["", "00", "AA" * 32, "aa" * 31 + "a", "0x" + "aa" * 31, "aa" * 32 + "\n"])
def test_digests_have_one_form(text: str) -> None:
    with pytest.raises(Malformed, match="lower-case hex"):
        hex_digests((text,), "tls")


def test_a_digest_stands_once() -> None:
    assert hex_digests(("ab" * 32,), "tls") == (bytes([0xAB]) * 32,)
    with pytest.raises(Malformed, match="twice"):
        hex_digests(("ab" * 32, "ab" * 32), "tls")
