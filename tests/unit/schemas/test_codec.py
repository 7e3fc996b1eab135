from __future__ import annotations

import struct
from functools import partial
from typing import Any, cast

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec as codec_module
from schemas.codec import Fields, Value, decode, encode, pack
from schemas.errors import EncodingRefusal, Malformed, NotCanonical, TooDeep, TooLarge, Truncated
from schemas.limits import MAX_DEPTH, MAX_ITEMS

ROOM = 1 << 20

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
integers = st.one_of(
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.sampled_from(
        [sign * (1 << bits) + off for bits in (5, 7, 8, 15, 16, 31, 32) for sign in (1, -1) for off in (-1, 0, 1)]
    ),
)
leaves = st.one_of(st.none(), st.booleans(), integers, texts, st.binary(max_size=300))
values: st.SearchStrategy[Any] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5), max_leaves=20
)


@given(values)
def test_decode_gives_back_what_encode_took(value: Value) -> None:
    data = encode(value)
    again = decode(data, max_size=ROOM)
    assert again == value
    assert encode(again) == data


ODD = st.recursive(
    leaves
    | st.floats()
    | st.builds(bytearray, st.binary(max_size=3))
    | st.builds(msgpack.ExtType, st.just(1), st.binary()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(texts | st.binary(max_size=2) | st.integers(0, 9), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values | ODD | st.integers())
def test_however_a_value_is_written_it_is_the_same(value: Any) -> None:
    try:
        slowly: bytes | None = codec_module._write(value)
    except EncodingRefusal:
        slowly = None
    assert codec_module._write_good(value) == slowly


@given(values.map(encode) | ODD.map(partial(msgpack.packb, default=bytes)) | st.binary(max_size=60), st.data())
def test_however_a_value_is_read_it_is_the_same(data: bytes, draw: st.DataObject) -> None:
    if data and draw.draw(st.booleans()):
        at = draw.draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw.draw(st.binary(max_size=2)) + data[at + 1 :]
    depth = draw.draw(st.integers(0, 3))
    try:
        slowly: Value = codec_module._read(data, depth)
    except EncodingRefusal:
        slowly = None
    quick = codec_module._read_good(data, depth)
    assert quick == slowly
    assert repr(quick) == repr(slowly)  # True is not 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x91\x01\x01",  # a list for a key
        b"\xd7\xff" + bytes(8),  # a timestamp
        b"\xc7\x00\x01",
        b"\xcb" + bytes(8),
        b"\x91" * 20_000 + b"\x90",
        b"\xdc\x40\x01" + b"\xc0" * (MAX_ITEMS + 1),
        b"\x91" * (MAX_DEPTH + 1) + b"\xc0",
        b"\x82\xa1b\x01\xa1a\x01",
        b"\xa1\xff",
    ],
)
def test_what_is_not_good_is_never_read_as_if_it_were(data: bytes) -> None:
    assert codec_module._read_good(data, MAX_DEPTH) is None
    with pytest.raises(EncodingRefusal):
        decode(data, max_size=ROOM)


@given(values)
def test_another_implementation_reads_it(value: Value) -> None:
    assert msgpack.unpackb(encode(value), raw=False) == value


@given(values, st.data())
def test_a_changed_byte_gives_another_canonical_value_or_a_refusal(value: Value, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    changed = bytes(encoded)
    try:
        again = decode(changed, max_size=ROOM)
    except EncodingRefusal:
        return
    assert again != value
    assert encode(again) == changed


@given(st.binary(max_size=200))
def test_any_bytes_are_a_canonical_value_or_refused(data: bytes) -> None:
    try:
        value = decode(data, max_size=ROOM)
    except EncodingRefusal:
        return
    assert encode(value) == data


@given(values, st.data())
def test_a_cut_value_is_truncated(value: Value, data: st.DataObject) -> None:
    encoded = encode(value)
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises((Truncated, TooLarge)):  # a count that exceeds the bytes left may be seen first
        decode(encoded[:end], max_size=ROOM)


@given(values, st.binary(min_size=1, max_size=3))
def test_trailing_bytes_are_refused(value: Value, more: bytes) -> None:
    with pytest.raises(Malformed, match="follow the end"):
        decode(encode(value) + more, max_size=ROOM)


HEADS: dict[str, list[tuple[int, str]]] = {
    "array": [(0xDC, ">H"), (0xDD, ">I")],
    "map": [(0xDE, ">H"), (0xDF, ">I")],
    "text": [(0xD9, ">B"), (0xDA, ">H"), (0xDB, ">I")],
    "bytes": [(0xC5, ">H"), (0xC6, ">I")],
    "positive": [
        (0xCC, ">B"),
        (0xCD, ">H"),
        (0xCE, ">I"),
        (0xCF, ">Q"),
        (0xD0, ">b"),
        (0xD1, ">h"),
        (0xD2, ">i"),
        (0xD3, ">q"),
    ],
    "negative": [(0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q")],
}


def loosely(value: Value, draw: st.DataObject) -> bytes:
    """``value`` in any encoding msgpack allows: longer heads, and maps in any order."""

    def head(kind: str, number: int) -> list[bytes]:
        forms = []
        for code, layout in HEADS[kind]:
            try:
                forms.append(bytes((code,)) + struct.pack(layout, number))
            except struct.error:
                continue
        return forms

    def pick(shortest: bytes, kind: str, number: int) -> bytes:
        return draw.draw(st.sampled_from([shortest, *head(kind, number)]))

    match value:
        case bool() | None:
            return encode(value)
        case int():
            return pick(encode(value), "negative" if value < 0 else "positive", value)
        case str():
            raw = value.encode()
            return pick(encode(value)[: -len(raw) or None], "text", len(raw)) + raw
        case bytes():
            return pick(encode(value)[: -len(value) or None], "bytes", len(value)) + value
        case list():
            return pick(bytes((0x90 | len(value),)), "array", len(value)) + b"".join(loosely(v, draw) for v in value)
        case dict():
            keys = draw.draw(st.permutations(sorted(value)))
            items = b"".join(loosely(key, draw) + loosely(value[key], draw) for key in keys)
            return pick(bytes((0x80 | len(value),)), "map", len(value)) + items
    raise AssertionError(value)


@given(values, st.data())
def test_only_the_canonical_encoding_is_accepted(value: Value, data: st.DataObject) -> None:
    loose = loosely(value, data)
    if loose == encode(value):
        assert decode(loose, max_size=ROOM) == value
    else:
        with pytest.raises(NotCanonical):
            decode(loose, max_size=ROOM)


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", Truncated),
        (b"\xc1", Malformed),
        (b"\xca\x00\x00\x00\x00", Malformed),  # float 32
        (b"\xcb" + bytes(8), Malformed),  # float 64
        (b"\x91\xcb" + bytes(8), Malformed),
        (b"\xd4\x01\x00", Malformed),  # extension
        (b"\xc7\x00\x01", Malformed),  # extension without content
        (b"\xd6\xff" + bytes(4), Malformed),  # timestamp
        (b"\xa1\xff", Malformed),  # text that is not UTF-8
        (b"\xa3\xed\xa0\x80", Malformed),  # a surrogate
        (b"\x81\x01\x01", Malformed),  # a number as key
        (b"\x81\xc0\x01", Malformed),  # nil as key
        (b"\x81\x90\x01", Malformed),  # a list as key
        (b"\x81\xc4\x01a\x01", Malformed),  # bytes as key
        (b"\x82\xa1a\x01\xa1a\x01", NotCanonical),  # one key twice
        (b"\x82\xa1a\x01\xa1a\x02", NotCanonical),
        (b"\x82\xa1b\x01\xa1a\x01", NotCanonical),  # unsorted
        (b"\x81\xa1k\x82\xa1b\x01\xa1a\x01", NotCanonical),  # unsorted within
        (b"\xd9\x01a", NotCanonical),
        (b"\xcc\x01", NotCanonical),
        (b"\xdc\x00\x00", NotCanonical),
        (b"\xdd\xff\xff\xff\xff", TooLarge),
        (b"\xdf\xff\xff\xff\xff", TooLarge),
        (b"\xdb\xff\xff\xff\xff", Truncated),
        (b"\xc6\xff\xff\xff\xff", Truncated),
        (b"\x91" * 2000 + b"\x01", TooDeep),
    ],
)
def test_each_defect_has_its_code(data: bytes, refusal: type[EncodingRefusal]) -> None:
    with pytest.raises(EncodingRefusal) as caught:
        decode(data, max_size=ROOM)
    assert type(caught.value) is refusal


def test_keys_sort_by_their_utf_8_bytes() -> None:
    keys = ["\U00010000", "\uffff", "z", "é", "", "aa", "a"]
    decoded = cast("dict[str, Value]", decode(encode(dict.fromkeys(keys)), max_size=ROOM))
    assert list(decoded) == sorted(keys, key=str.encode)


def nested(depth: int) -> Value:
    value: Value = 1
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


def test_depth_is_limited_the_same_both_ways() -> None:
    assert decode(encode(nested(MAX_DEPTH)), max_size=ROOM) == nested(MAX_DEPTH)
    with pytest.raises(TooDeep):
        encode(nested(MAX_DEPTH + 1))
    with pytest.raises(TooDeep):
        decode(msgpack.packb(nested(MAX_DEPTH + 1)), max_size=ROOM)
    with pytest.raises(TooDeep):
        decode(encode(nested(3)), max_size=ROOM, max_depth=2)
    assert decode(encode(1), max_size=ROOM, max_depth=0) == 1


def test_size_is_limited() -> None:
    assert decode(encode(b"1234"), max_size=6) == b"1234"
    with pytest.raises(TooLarge) as caught:
        decode(encode(b"1234"), max_size=5)
    assert caught.value.context == {"size": 6, "limit": 5}


def test_items_are_limited_the_same_both_ways() -> None:
    full: list[Value] = [None] * MAX_ITEMS
    assert decode(encode(full), max_size=ROOM) == full
    with pytest.raises(TooLarge):
        encode([*full, None])
    with pytest.raises(TooLarge):
        decode(msgpack.packb([*full, None]), max_size=ROOM)


@pytest.mark.parametrize(
    "value",
    [1.5, {1: 2}, {b"a": 1}, (1,), {1}, 1 << 64, -(1 << 63) - 1, "\ud800", {"\ud800": 1}, object(), bytearray(b"x")],
)
def test_what_has_no_encoding_is_refused(value: Any) -> None:
    for wrapped in (value, [value], {"k": value}):
        with pytest.raises(Malformed):
            encode(wrapped)


def test_nothing_is_left_behind_by_what_cannot_be_packed() -> None:
    for bad in ([b"some", object()], ["more", "\ud800"], [1 << 64]):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            pack(cast("Value", bad))
        assert pack([1, "a"]) == b"\x92\x01\xa1a"


# -- fields ------------------------------------------------------------------------------------------------------------

WHOLE: dict[str, Value] = {
    "sender": "hk-customs",
    "created": 7,
    "id": bytes(16),
    "address": ["all"],
    "recipients": [1, "x"],
    "inner": {"k": 1},
    "urgent": True,
    "officer": None,
}


def test_fields_are_read_by_type() -> None:
    fields = Fields(WHOLE, "header")
    assert fields.text("sender") == "hk-customs"
    assert fields.integer("created") == 7
    assert fields.blob("id", size=16) == bytes(16)
    assert fields.texts("address") == ("all",)
    assert fields.items("recipients") == [1, "x"]
    inner = fields.fields("inner")
    assert inner.value("k") == 1
    inner.done()
    assert Fields(WHOLE, "header").map("inner") == {"k": 1}
    assert fields.flag("urgent") is True
    assert fields.optional_text("officer") is None
    fields.done()
    assert len(WHOLE) == 8


def test_optional_fields_are_nil_or_of_their_type() -> None:
    fields = Fields({"a": "x", "b": 1, "c": b"y", "d": None, "e": None, "f": 0, "g": ""}, "f")
    assert (fields.optional_text("a"), fields.optional_integer("b"), fields.optional_blob("c")) == ("x", 1, b"y")
    assert (fields.optional_integer("d"), fields.optional_blob("e")) == (None, None)
    assert (fields.optional_integer("f"), fields.optional_text("g")) == (0, "")
    with pytest.raises(Malformed, match=r"f\.z is missing"):
        fields.optional_text("z")


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda f: f.text("created"), "header.created is not text"),
        (lambda f: f.text("sender", max_length=3), "header.sender is longer than 3 characters"),
        (lambda f: f.integer("sender"), "header.sender is not a whole number"),
        (lambda f: f.integer("urgent"), "header.urgent is not a whole number"),
        (lambda f: f.integer("created", low=8), "header.created is not within 8"),
        (lambda f: f.integer("created", high=6), "header.created is not within 0 and 6"),
        (lambda f: f.flag("created"), "header.created is not true or false"),
        (lambda f: f.blob("sender"), "header.sender is not bytes"),
        (lambda f: f.blob("id", size=15), "header.id is not 15 bytes long"),
        (lambda f: f.blob("id", max_size=15), "header.id is longer than 15 bytes"),
        (lambda f: f.texts("recipients"), "header.recipients is not a list of texts"),
        (lambda f: f.items("sender"), "header.sender is not a list"),
        (lambda f: f.items("recipients", max_items=1), "header.recipients has more than 1 items"),
        (lambda f: f.map("sender"), "header.sender is not a map"),
        (lambda f: f.fields("sender"), "header.sender is not a map"),
        (lambda f: f.fields("inner").text("k"), "header.inner.k is not text"),
        (lambda f: f.text("officer"), "header.officer is not text"),
        (lambda f: f.optional_integer("sender"), "header.sender is not a whole number"),
        (lambda f: f.value("nothing"), "header.nothing is missing"),
        (lambda f: f.done(), "header.address is not a field of this format"),
    ],
)
def test_a_wrong_field_is_named(read: Any, sentence: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(Fields(WHOLE, "header"))
    assert caught.value.message.startswith(sentence)
    assert sentence.startswith(str(caught.value.context["field"]))


@pytest.mark.parametrize("value", [None, [], "map", 1, b""])
def test_what_is_no_map_has_no_fields(value: Value) -> None:
    with pytest.raises(Malformed, match="header is not a map"):
        Fields(value, "header")


def test_an_unknown_key_is_shown_short_and_harmless() -> None:
    with pytest.raises(Malformed) as caught:
        Fields({"\x1b[2J" + "x" * 1000: 1}, "header").done()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 120
