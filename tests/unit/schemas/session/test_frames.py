"""Frames: one encoding each, and every other form refused."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from schemas.codec import Value, encode
from schemas.errors import (
    CrossbearingError,
    EncodingRefusal,
    Malformed,
    NotCanonical,
    ProtocolError,
    SessionRefusal,
    TooDeep,
    TooLarge,
    Truncated,
    VersionUnsupported,
)
from schemas.limits import MAX_FRAME, MAX_ITEMS, MAX_LISTS, MAX_MESSAGE, MAX_NOTE, MAX_RETRY_MS
from schemas.session import frames as frames_module
from schemas.session.frames import (
    Blob,
    Block,
    Bye,
    Cosign,
    Credit,
    DirectoryUpdate,
    Fetch,
    Frame,
    Hello,
    Item,
    Publish,
    Recover,
    Recovered,
    Result,
    ResultItem,
    SendReceipt,
    Side,
    Submit,
    TreeHead,
    Upload,
    Uploaded,
    Welcome,
    WitnessedHead,
    decode_frame,
    encode_frame,
)
from tests.support import changed as near

HASH = bytes(32)
ITEM = Item(7, b"entry", (HASH, HASH), b"body", (b"opener",))
FROM_NODE: list[Frame] = [
    Hello(1, "hk-customs", 33, 40, HASH, 12, 256),
    Hello(1, "hk-customs", 33, 40, HASH, 12, 256, b"a note", 41, 1_790_000_000_000),
    Submit(b"header", b"signature", b"body", (b"opener", b"another")),
    SendReceipt(b"receipt", b"signature"),
    Publish("hk-customs", 2, b"bundle"),
    Upload(HASH, 0, 9, b"piece"),
    Fetch(HASH, 3),
    Fetch(bytes(16), 0),
    Credit(5),
    Cosign(40, b"lines"),
    Cosign(40, b""),
    Recover(33, 40),
    Bye("", ""),
]
FROM_HUB: list[Frame] = [
    Welcome(1, "example.org/log", 33, 40, 1_790_000_000_000),
    Welcome(1, "example.org/log", 33, 40, 1_790_000_000_000, 1_789_000_000_000, 17),
    Result((ResultItem(bytes(16), True, 40, "", "", ""), ResultItem(bytes(16), False, 0, "quota", "too many", "wait"))),
    Block(b"note", (HASH,), (ITEM, Item(8, b"receipt", (), b"", ()))),
    DirectoryUpdate(b"note", (), (ITEM,)),
    TreeHead(b"note", (HASH,), True),
    WitnessedHead(b"note", (HASH,)),
    Uploaded(HASH, 9),
    Blob(HASH, 0, 9, b"piece"),
    Recovered(b"note", (HASH,), (ITEM,), 41),
    Bye("shutting-down", "the hub is shutting down"),
]
EVERY = [(frame, "node") for frame in FROM_NODE] + [(frame, "hub") for frame in FROM_HUB]


@pytest.mark.parametrize(("frame", "side"), EVERY, ids=lambda value: type(value).__name__)
def test_a_frame_comes_back_as_it_was(frame: Frame, side: Side) -> None:
    assert decode_frame(encode_frame(frame), sender=side) == frame


@pytest.mark.parametrize(("frame", "side"), EVERY, ids=lambda value: type(value).__name__)
def test_the_other_side_may_not_send_it(frame: Frame, side: Side) -> None:
    if isinstance(frame, Bye):
        return
    with pytest.raises((ProtocolError, TooDeep)):  # what the hub sends nests deeper than anything of a node's
        decode_frame(encode_frame(frame), sender="hub" if side == "node" else "node")


@pytest.mark.parametrize(("frame", "side"), EVERY, ids=lambda value: type(value).__name__)
def test_every_truncation_is_refused(frame: Frame, side: Side) -> None:
    data = encode_frame(frame)
    for length in range(len(data)):
        with pytest.raises((Truncated, Malformed)):
            decode_frame(data[:length], sender=side)


@pytest.mark.parametrize(("frame", "side"), EVERY, ids=lambda value: type(value).__name__)
def test_a_field_more_or_less_is_refused(frame: Frame, side: Side) -> None:
    from schemas.codec import decode

    value = decode(encode_frame(frame), max_size=MAX_FRAME)
    assert isinstance(value, list)
    for changed in (value[:-1], [*value, 0]):
        with pytest.raises(Malformed):
            decode_frame(encode(changed), sender=side)


ACCEPTED = Result((ResultItem(bytes(16), True, 40, "", "", ""), ResultItem(HASH[:16], True, 41, "", "done", "none")))
LARGE = Block(b"note", (HASH,), (Item(1, b"entry", (HASH,), bytes(MAX_LISTS), ()),) * 3)
WRITTEN = Block | Submit | SendReceipt | Result
READ = WRITTEN | Credit | Cosign | TreeHead | WitnessedHead
FREQUENT: list[tuple[Frame, Side]] = [
    (frame, "node" if frame in FROM_NODE else "hub")
    for frame in (*FROM_NODE, *FROM_HUB, ACCEPTED, LARGE, Block(b"", (), ()))
    if isinstance(frame, READ)
]


@pytest.mark.parametrize(("frame", "side"), FREQUENT)
def test_what_is_frequent_is_not_read_and_written_field_by_field(
    frame: Frame, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode([frames_module._NAMES[type(frame)], *frames_module._values(frame)])
    monkeypatch.delattr(frames_module, "_read_frame")
    if isinstance(frame, WRITTEN):
        monkeypatch.delattr(frames_module, "_values")
    assert encode_frame(frame) == data
    assert decode_frame(data, sender=side) == frame


@settings(max_examples=1_000)
@given(st.sampled_from(["node", "hub"]), st.data())
def test_however_a_frame_is_read_the_verdict_is_the_same(side: Side, draw: st.DataObject) -> None:
    data = draw.draw(near.changed(*(encode_frame(frame) for frame, of in FREQUENT if of == side and frame != LARGE)))
    try:
        frame: Frame | None = frames_module._read_frame(data, side)
    except (EncodingRefusal, SessionRefusal):
        frame = None
    quick = frames_module._read_good(data, side)
    assert quick == (frame if isinstance(frame, READ) else None)


def with_other(frame: Any, **changes: Any) -> Any:
    return structs.replace(frame, **changes) if isinstance(frame, Struct) else replace(frame, **changes)


def names(record: Any) -> list[str]:
    return [*type(record).__match_args__]


ODD: list[Any] = [1.5, -1, True, None, "text", "\ud800", b"bytes", bytearray(32), memoryview(HASH), 1 << 64, [b"x"], {}]
ODD += [(1.5,), ("text",), (bytearray(32),), (HASH,) * (MAX_ITEMS + 1), {"b": 1, "a": 2}]


@pytest.mark.parametrize("frame", [FROM_HUB[3], ACCEPTED, FROM_NODE[2], FROM_NODE[3]], ids=lambda f: type(f).__name__)
@pytest.mark.parametrize("odd", ODD, ids=[str(number) for number in range(len(ODD))])
def test_however_a_frame_is_written_it_is_the_same(frame: Frame, odd: Any) -> None:
    whole: Any = frame
    parts: list[Any] = [frame, *(with_other(frame, **{name: odd}) for name in names(frame))]
    for item in getattr(frame, "items", ())[:1]:
        for other in (odd, *(structs.replace(item, **{name: odd}) for name in names(item))):
            parts += [structs.replace(whole, items=items) for items in ((item, other), (other, item))]
    for part in parts:
        try:
            slowly: object = encode([frames_module._NAMES[type(part)], *frames_module._values(part)])
        except (CrossbearingError, AttributeError, TypeError) as error:
            slowly = type(error)
        try:
            written: object = encode_frame(part)
        except (CrossbearingError, AttributeError, TypeError) as error:
            written = type(error)
        assert written == slowly


@pytest.mark.parametrize("name", ["block", "submit", "receipt", "result", "head", "witnessed", "credit", "cosign"])
@pytest.mark.parametrize(
    "other",
    [None, True, 1, -1, 1 << 63, "1", "x" * (MAX_MESSAGE + 1), b"1", [], [1], ["1"], [b"1"], [[]], [[b"1"]]],
    ids=[str(number) for number in range(14)],
)
def test_with_another_value_in_any_place_the_verdict_is_the_same(name: str, other: Value) -> None:
    frame, side = next((f, s) for f, s in FREQUENT if frames_module._NAMES[type(f)] == name)
    value = [name, *frames_module._values(frame)]
    parts = [[*value[:at], other, *value[at + 1 :]] for at in range(len(value))]
    if isinstance(value[-1], list) and isinstance(value[-1][0], list):
        first, rest = value[-1][0], value[-1][1:]
        parts += [[*value[:-1], [[*first[:at], other, *first[at + 1 :]], *rest]] for at in range(len(first))]
        parts += [[*value[:-1], [other, *rest]], [*value[:-1], [first[:-1]]], [*value[:-1], [[*first, other]]]]
    for part in parts:
        data = encode(part)
        try:
            slowly: Frame | None = frames_module._read_frame(data, side)
        except (EncodingRefusal, SessionRefusal):
            slowly = None
        quick = frames_module._read_good(data, side)
        assert quick == slowly


@pytest.mark.parametrize(("frame", "side"), FREQUENT)
def test_a_frequent_frame_is_known_by_its_whole_name(frame: Frame, side: Side) -> None:
    name, *rest = [frames_module._NAMES[type(frame)], *frames_module._values(frame)]
    assert isinstance(name, str)
    with pytest.raises(ProtocolError):
        decode_frame(encode([name[:-1] + "x", *rest]), sender=side)


def test_a_frequent_frame_has_the_bounds_of_any_other() -> None:
    large = encode(["submit", b"header", b"signature", bytes(MAX_FRAME), [], b""])
    with pytest.raises(TooLarge):
        decode_frame(large, sender="node")
    for frame in (
        Result(ACCEPTED.items[:1] * (MAX_ITEMS + 1)),
        Block(b"", (), (Item(1, b"", (), b"", ()),) * (MAX_ITEMS + 1)),
    ):
        with pytest.raises(TooLarge):
            encode_frame(frame)
    with pytest.raises(TooLarge):
        encode_frame(Submit(b"", b"", b"", (b"",) * (MAX_ITEMS + 1)))


def test_a_flood_of_empty_lists_in_a_frequent_frame_is_stopped_early() -> None:
    data = msgpack.packb(["block", b"", [], [[[]] * MAX_ITEMS] * 5])
    tracemalloc.start()
    try:
        assert frames_module._read_good(data, "hub") is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    with pytest.raises(TooLarge):
        decode_frame(data, sender="hub")


def test_the_largest_block_has_fewer_lists_than_any_value_may_have() -> None:
    frame = Block(b"", (), (Item(1, b"", (), b"", ()),) * MAX_ITEMS)
    data = encode_frame(frame)
    assert frames_module._read_good(data, "hub") == frame == frames_module._read_frame(data, "hub")
    longer = structs.replace(frame, items=frame.items + frame.items[:1])
    assert frames_module._read_good(frames_module._encode(longer), "hub") is None


def test_what_lists_in_a_frequent_frame_claim_is_not_reserved() -> None:
    data = encode(["block", b"", [], []])[:-1] + b"\xdc\x40\x00" * 500
    tracemalloc.start()
    try:
        with pytest.raises(EncodingRefusal):
            decode_frame(data, sender="hub")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # five hundred lists of what they claim would take 65 MB


WRONG: list[tuple[str, Value, type[CrossbearingError]]] = [
    ("no array", {"hello": 1}, Malformed),
    ("an empty array", [], Malformed),
    ("a type that is no text", [1, 2], Malformed),
    ("an unknown type", ["greet"], ProtocolError),
    ("a negative count", ["credit", -1], Malformed),
    ("a count beyond 63 bits", ["credit", 1 << 63], Malformed),
    ("a root of the wrong length", ["hello", 1, "hk-customs", 0, 0, bytes(31), 0, 1, b"", 0, 0], Malformed),
    ("a note beyond any note", ["hello", 1, "hk-customs", 0, 0, HASH, 0, 1, bytes(MAX_NOTE + 1), 0, 0], Malformed),
    ("another protocol", ["hello", 2, "hk-customs", 0, 0, HASH, 0, 1], VersionUnsupported),
    ("another protocol with other fields", ["hello", 2, "anything"], VersionUnsupported),
    ("an opener that is text", ["submit", b"h", b"s", b"b", ["opener"]], Malformed),
    ("a blob name of 20 bytes", ["fetch", bytes(20), 0], Malformed),
    ("a bundle that is text", ["publish", "hk-customs", 2, "bundle"], Malformed),
    ("a role without end", ["publish", "x" * (MAX_MESSAGE + 1), 2, b"bundle"], Malformed),
    ("a long reason", ["bye", "x" * (MAX_MESSAGE + 1), ""], Malformed),
    ("a list for a number", ["credit", [1]], Malformed),
]


@pytest.mark.parametrize(("value", "refusal"), [(v, r) for _, v, r in WRONG], ids=[name for name, _, _ in WRONG])
def test_a_wrong_frame_is_refused(value: Value, refusal: type[CrossbearingError]) -> None:
    with pytest.raises(refusal):
        decode_frame(encode(value), sender="node")


def result(*, accepted: Value = True, index: int = 0, code: str = "", retry: int = 0, ref: bytes = bytes(16)) -> Value:
    return ["result", [[ref, accepted, index, code, "", "", retry]]]


WRONG_FROM_HUB: dict[str, tuple[Value, str]] = {
    "an accepted item with a code": (result(index=1, code="quota"), "an accepted submission carries no code"),
    "a refused item without a code": (result(accepted=False), "a refused submission carries a code and no index"),
    "a refused item with an index": (
        result(accepted=False, code="quota", index=1),
        "a refused submission carries a code and no index",
    ),
    "an accepted item to be tried again": (result(index=1, retry=1), "an accepted one never"),
    "a retry beyond a day": (result(accepted=False, code="quota", retry=MAX_RETRY_MS + 1), "is to be tried again"),
    "a verdict that is no truth value": (result(accepted=1, index=1), "accepted is not true or false"),
    "a result item that is no array": (["result", ["item"]], "a result item is an array"),
    "a result item with a field less": (["result", [[bytes(16), True, 1, "", "", ""]]], "6 fields instead of 7"),
    "a short reference": (result(ref=bytes(15)), "ref"),
    "an item that is no array": (["block", b"note", [], [{}]], "an item is an array"),
    "an item with a field less": (["block", b"note", [], [[1, b"e", [], b""]]], "4 fields instead of 5"),
    "a path hash of the wrong length": (["block", b"note", [], [[1, b"e", [bytes(31)], b"", []]]], "path.* 32 bytes"),
    "a proof hash of the wrong length": (["block", b"note", [bytes(33)], []], "proof.* 32 bytes"),
    "a proof hash that is text": (["block", b"note", ["x" * 32], []], "proof.* 32 bytes"),
    "a welcome without anything": (["welcome"], "0 fields instead of 7"),
    "a welcome with fields less": (["welcome", 1], "1 fields instead of 7"),
}


@pytest.mark.parametrize(("value", "words"), WRONG_FROM_HUB.values(), ids=WRONG_FROM_HUB)
def test_a_wrong_frame_from_the_hub_is_refused(value: Value, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        decode_frame(encode(value), sender="hub")


def test_a_refusal_may_say_when_to_come_again() -> None:
    for retry in (0, 1, MAX_RETRY_MS):
        frame = decode_frame(encode(result(accepted=False, code="quota", retry=retry)), sender="hub")
        assert frame == Result((ResultItem(bytes(16), False, 0, "quota", "", "", retry),))


def test_a_second_encoding_is_refused() -> None:
    data = encode_frame(Credit(5))
    assert data.endswith(b"\x05")
    with pytest.raises(NotCanonical):
        decode_frame(data[:-1] + b"\xcc\x05", sender="node")


def test_an_oversized_frame_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        decode_frame(bytes(MAX_FRAME + 1), sender="node")


def test_a_deep_frame_is_refused() -> None:
    with pytest.raises(TooDeep):
        decode_frame(b"\x91" * 64 + b"\x00", sender="node")


@pytest.mark.parametrize(("side", "levels"), [("node", 2), ("hub", 4)])
def test_a_frame_nests_no_deeper_than_those_of_its_side(side: Side, levels: int) -> None:
    with pytest.raises(TooDeep):
        decode_frame(b"\x91" * (levels + 1) + b"\xc0", sender=side)
    with pytest.raises(Malformed):
        decode_frame(b"\x91" * levels + b"\xc0", sender=side)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        frame = decode_frame(data, sender="node")
    except CrossbearingError:
        return
    assert encode_frame(frame) == data


@given(st.integers(0, 2**63 - 1), st.binary(max_size=300), st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_items_come_back_as_they_were(index: int, body: bytes, path: list[bytes]) -> None:
    item = Item(index, b"entry", tuple(path), body, (body,))
    frame = Block(b"note", tuple(path), (item, item))
    assert decode_frame(encode_frame(frame), sender="hub") == frame
    assert item.is_alert == bool(body)
