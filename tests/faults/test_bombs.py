"""Small inputs that would take much memory, or for ever: each is refused, and takes little on the way there.

The bounds are generous: what they tell apart is megabytes from hundreds of them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodes.service.requests import read_object
from schemas.alert.document import check_document, load_document
from schemas.codec import Value, decode, encode
from schemas.directory.strict_json import load_json
from schemas.errors import TooLarge
from schemas.limits import MAX_BODY, MAX_DOCUMENT, MAX_FRAME, MAX_ITEMS, MAX_LISTS, MAX_METADATA
from schemas.session.frames import decode_frame
from tests.support.memory import peak, refusal

MIB = 1 << 20


def lists(of: bytes, total: int = MAX_FRAME) -> bytes:
    """A list of full lists of one thing, of at most `total` bytes."""
    head = b"\xdc" + MAX_ITEMS.to_bytes(2, "big")
    inner = head + of * MAX_ITEMS
    count = (total - 3) // len(inner)
    return b"\xdc" + count.to_bytes(2, "big") + inner * count


ENCODED: dict[str, tuple[bytes, str]] = {
    "a list that claims 2^32 items": (b"\xdd\xff\xff\xff\xff", "too-large"),
    "a map that claims 2^32 items": (b"\xdf\xff\xff\xff\xff", "too-large"),
    "a text that claims 4 GiB": (b"\xdb\xff\xff\xff\xff", "truncated"),
    "bytes that claim 4 GiB": (b"\xc6\xff\xff\xff\xff", "truncated"),
    "an extension that claims 4 GiB": (b"\xc9\xff\xff\xff\xff\x01", "malformed"),
    "lists that claim as much as they may, in each other": (b"\xdc\x40\x00" * 1_000, "truncated"),
    "four million lists in each other": (b"\x91" * MAX_FRAME, "too-deep"),
    "four million maps in each other": (b"\x81\xa0" * (MAX_FRAME // 2), "too-deep"),
    "four million empty lists": (lists(b"\x90"), "too-large"),
    "four million empty maps": (lists(b"\x80"), "too-large"),
    "a map of the longest keys, out of order": (
        b"\xde\x00\x02" + b"\xda\xff\xff" + b"b" * 65_535 + b"\xc0" + b"\xda\xff\xff" + b"a" * 65_535 + b"\xc0",
        "not-canonical",
    ),
    "a map with one key 16,384 times": (b"\xde\x40\x00" + b"\xa1k\xc0" * MAX_ITEMS, "not-canonical"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_no_encoded_bomb_takes_more_than_it_weighs(name: str) -> None:
    data, code = ENCODED[name]
    found, taken = refusal(lambda: decode(data, max_size=MAX_FRAME))
    assert found == code
    assert taken < 8 * MIB + len(data)


@pytest.mark.parametrize("side", ["node", "hub"])
def test_no_frame_of_empty_lists_takes_more_than_it_weighs(side: str) -> None:
    for bomb in (lists(b"\x90"), lists(b"\x80")):
        _, taken = refusal(lambda bomb=bomb: decode_frame(bomb, sender=side))  # type: ignore[misc, arg-type]  # one of the two sides
        assert taken < 12 * MIB


@pytest.mark.parametrize("of", [b"\x01", b"\xcd\x10\x00", b"\xcf\x7f" + bytes(7), b"\xa2ab", b"\xc4\x02ab"])
def test_a_frame_full_of_numbers_or_texts_takes_a_bounded_multiple_of_it(of: bytes) -> None:
    data = lists(of)
    assert peak(lambda: decode(data, max_size=MAX_FRAME)) < 25 * MAX_FRAME


def test_the_encoder_refuses_what_the_decoder_would() -> None:
    def value(empty: int) -> Value:
        full: list[Value] = [[[] for _ in range(16_000)] for _ in range(empty // 16_000)]
        return [*full, [[] for _ in range(empty % 16_000)]]

    outside = 1 + 5  # the list around, and five lists of empty ones
    encoded = encode(value(MAX_LISTS - outside))
    assert decode(encoded, max_size=MAX_FRAME) == value(MAX_LISTS - outside)
    with pytest.raises(TooLarge):
        encode(value(MAX_LISTS - outside + 1))


BASE = "kind: watch\ntitle: T\nto: [all]\n"
DOCUMENTS: dict[str, str] = {
    "an alias bomb": "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(30)),
    "lists in each other": "[" * 260_000,
    "maps in each other": "{a: " * 60_000,
    "dashes in each other": "- " * 130_000,
    "questions in each other": "? " * 130_000,
    "an unclosed text": 'a: "' + "\\" * 260_000,
    "a tag": "a: !!python/object/apply:os.system [ls]\n",
    "22,000 unknown fields": BASE + "".join(f"f{n}: 1\n" for n in range(22_000)),
    "60,000 subjects of a wrong type": BASE + "subjects:\n" + "- 1\n" * 60_000,
    "80,000 empty subjects": BASE + "subjects: [" + "{}," * 80_000 + "]\n",
    "17,000 subjects that lack everything": BASE + "subjects: [" + "{type: vessel}," * 17_000 + "]\n",
    "60,000 addresses": "kind: watch\ntitle: T\nto: [" + "all," * 60_000 + "]\n",
    "a heap of combining marks": BASE + 'narrative: "' + "a" + "̣́" * 60_000 + '"\n',
    "a text that grows when it is normalised": BASE + 'narrative: "' + "ﷺ" * 80_000 + '"\n',
}
JSON: dict[str, str] = {
    "lists in each other": '{"a":' + "[" * 260_000,
    "quotes": '"' * 260_000,
    "an unclosed text": '{"a":"' + "\\" * 260_000,
    "a number of 260,000 digits": '{"a":' + "9" * 260_000 + "}",
    "a decimal of 260,000 digits": '{"a":0.' + "9" * 259_000 + "}",
    "an exponent of 260,000 digits": '{"a":1e' + "9" * 260_000 + "}",
    "numbers that fill the sky when written out": (
        '{"kind":"sitrep","title":"T","to":["all"],"subjects":['
        '{"type":"value","amount":1e999999999,"currency":"USD"},'
        '{"type":"substance","name":"x","quantity":{"amount":1e999999999,"unit":"kg"}},'
        '{"type":"location","latitude":1e-999999999,"longitude":-1e999999999}]}'
    ),
}


def read(text: str, form: str) -> Callable[[], object]:
    def examine() -> None:
        found = check_document(load_document(text, format=form))  # type: ignore[arg-type]  # one of the two forms
        assert len(found) <= 200
        raise TooLarge(f"found {len(found)} problems") if found else AssertionError("nothing is wrong with it")

    return examine


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_in_yaml_takes_more_than_a_hundred_times_its_size(name: str) -> None:
    assert len(DOCUMENTS[name].encode()) <= MAX_DOCUMENT
    _, taken = refusal(read(DOCUMENTS[name], "yaml"))
    assert taken < 100 * MAX_DOCUMENT


@pytest.mark.parametrize("name", JSON)
def test_no_document_in_json_takes_more_than_a_hundred_times_its_size(name: str) -> None:
    assert len(JSON[name].encode()) <= MAX_DOCUMENT
    _, taken = refusal(read(JSON[name], "json"))
    assert taken < 100 * MAX_DOCUMENT


@pytest.mark.parametrize(
    "data",
    [
        b"[" * MAX_METADATA,
        b'{"a":' * (MAX_METADATA // 5),
        b'{"a":"' + b"[" * (MAX_METADATA - 10),
        b'{"a":' + b"9" * (MAX_METADATA - 10) + b"}",
        b'{"a":1e' + b"9" * (MAX_METADATA - 10) + b"}",
        b'{"a":[' + b"{}," * 200_000 + b"1.5]}",
    ],
    ids=["lists", "objects", "an open text", "a long number", "a long exponent", "empty objects"],
)
def test_no_governed_json_takes_more_than_a_hundred_times_its_size(data: bytes) -> None:
    code, taken = refusal(lambda: load_json(data, "a document"))
    assert code == "directory-invalid"
    assert taken < 100 * MAX_METADATA


def test_a_body_of_empty_lists_takes_little() -> None:
    _, taken = refusal(lambda: decode(lists(b"\x90", MAX_BODY), max_size=MAX_BODY))
    assert taken < 12 * MIB


@pytest.mark.parametrize("part", [b"{},", b"[],", b'{"a":1},'])
def test_a_request_of_empty_objects_is_refused_before_they_are_made(part: bytes) -> None:
    request = b'{"document":{"subjects":[' + part * 1_000_000 + b"1]}}"
    code, taken = refusal(lambda: read_object(request))
    assert code == "too-large"
    assert taken < MIB


def test_a_request_with_the_largest_file_takes_little_more_than_it_weighs() -> None:
    request = b'{"attachments":[{"data":"' + b"QUJD" * (4 * MIB) + b'"}]}'
    assert peak(lambda: read_object(request)) < 4 * len(request)
