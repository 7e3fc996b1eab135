from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from schemas.codec import Value, decode, encode
from schemas.errors import BadReceipt, BadSignature, Malformed
from schemas.ids import uuid7
from schemas.keys import SigningKey
from schemas.limits import MAX_HEADER, MAX_INDEX, MAX_NAME, MAX_RECEIPT_ITEMS, MAX_TIME_MS
from schemas.log import receipt as receipt_module
from schemas.log.receipt import (
    LAST_STEP,
    Receipt,
    ReceiptItem,
    decode_receipt,
    encode_receipt,
    sign_receipt,
    verify_receipt,
)
from tests.support import changed as near

KEY = SigningKey(bytes(range(32)))
TIME = 1_790_000_000_000


def alert(number: int) -> bytes:
    return uuid7(TIME + number, bytes)


def item(index: int, code: str | None = None, step: int | None = None) -> ReceiptItem:
    return ReceiptItem(index, alert(index), bytes([index % 256]) * 32, code, step)


STORED = Receipt("hk-customs", KEY.key_id, "sg-cnb", "stored", TIME, None, (item(40), item(42)))
REFUSED = replace(STORED, state="refused", items=(item(40, "body-unreadable", 9), item(41, "bad-signature")))
READ = replace(STORED, state="read", officer="Duty officer 7")

items = st.lists(st.integers(0, 100_000), min_size=1, max_size=8, unique=True).map(sorted)
held: st.SearchStrategy[Receipt] = st.builds(
    lambda state, time, officer, numbers: replace(
        STORED, state=state, time=time, officer=officer, items=tuple(item(n) for n in numbers)
    ),
    st.sampled_from(["stored", "read", "actioned"]),
    st.integers(0, MAX_TIME_MS),
    st.none() | st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=MAX_NAME),
    items,
)
refused: st.SearchStrategy[Receipt] = st.builds(
    lambda code, step, numbers: replace(REFUSED, items=tuple(item(n, code, step) for n in numbers)),
    st.sampled_from(["wrap-failed", "bad-document"]),
    st.none() | st.integers(1, LAST_STEP),
    items,
)
receipts = held | refused


@given(receipts)
def test_receipts_decode_to_themselves(receipt: Receipt) -> None:
    assert decode_receipt(encode_receipt(receipt)) == receipt


@given(receipts, st.data())
def test_a_changed_byte_spoils_the_signature_and_never_decodes_loosely(receipt: Receipt, data: st.DataObject) -> None:
    encoded, signature = sign_receipt(receipt, KEY)
    verify_receipt(encoded, signature, KEY.public)
    changed = bytearray(encoded)
    changed[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadSignature):
        verify_receipt(bytes(changed), signature, KEY.public)
    try:
        other = decode_receipt(bytes(changed))
    except BadReceipt:
        return
    assert other != receipt
    assert encode_receipt(other) == changed


def test_a_signature_is_for_receipts_only() -> None:
    encoded, signature = sign_receipt(STORED, KEY)
    assert signature == KEY.sign(b"crossbearing/1/receipt\0" + encoded)
    with pytest.raises(BadSignature):
        verify_receipt(encoded, KEY.sign(encoded), KEY.public)
    with pytest.raises(BadSignature):
        verify_receipt(encoded, KEY.sign(b"crossbearing/1/header\0" + encoded), KEY.public)


def test_a_receipt_names_the_key_that_signs_it() -> None:
    with pytest.raises(BadReceipt, match="another key"):
        sign_receipt(STORED, SigningKey(bytes(32)))


@pytest.mark.parametrize(
    ("receipt", "changes"),
    [
        (STORED, {"state": "lost"}),
        (STORED, {"key": bytes(7)}),
        (STORED, {"time": -1}),
        (STORED, {"time": MAX_TIME_MS + 1}),
        (STORED, {"agency": "xx-customs"}),
        (STORED, {"sender": "HK"}),
        (STORED, {"sender": "hk-customs"}),
        (STORED, {"officer": ""}),
        (STORED, {"officer": "x" * (MAX_NAME + 1)}),
        (STORED, {"officer": "a\nb"}),
        (STORED, {"items": ()}),
        (STORED, {"items": tuple(item(n) for n in range(MAX_RECEIPT_ITEMS + 1))}),
        (STORED, {"items": (item(42), item(40))}),
        (STORED, {"items": (item(40), item(40))}),
        (STORED, {"items": (item(40), structs.replace(item(41), alert_id=alert(40)))}),
        (STORED, {"items": (structs.replace(item(40), index=-1),)}),
        (STORED, {"items": (structs.replace(item(40), index=MAX_INDEX + 1),)}),
        (STORED, {"items": (structs.replace(item(40), index=True),)}),
        (STORED, {"items": (structs.replace(item(40), alert_id=bytes(16)),)}),
        (STORED, {"items": (structs.replace(item(40), leaf=bytes(31)),)}),
        (STORED, {"items": (item(40, "wrap-failed"),)}),
        (STORED, {"items": (item(40, None, 3),)}),
        (REFUSED, {"items": (item(40),)}),
        (REFUSED, {"items": (item(40, "Not A Code", 3),)}),
        (REFUSED, {"items": (item(40, "wrap-failed", 0),)}),
        (REFUSED, {"items": (item(40, "wrap-failed", LAST_STEP + 1),)}),
        (REFUSED, {"items": (item(40, "wrap-failed", True),)}),
    ],
)
def test_impossible_receipts_cannot_be_made(receipt: Receipt, changes: dict[str, Any]) -> None:
    with pytest.raises(BadReceipt):
        replace(receipt, **changes)


def wire(receipt: Receipt) -> dict[str, Value]:
    value = decode(encode_receipt(receipt), max_size=MAX_HEADER)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("field", wire(STORED))
def test_every_field_is_needed_and_typed(field: str) -> None:
    without = {name: value for name, value in wire(STORED).items() if name != field}
    with pytest.raises(BadReceipt, match=rf"receipt\.{field} is missing"):
        decode_receipt(encode(without))
    wrong_for_all: list[Value] = [{}, True, -1, [1]]
    for wrong in wrong_for_all:
        with pytest.raises(BadReceipt):
            decode_receipt(encode({**wire(STORED), field: wrong}))


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [40],
        [40, alert(40)],
        [40, alert(40), bytes(32), None],
        [40, alert(40), bytes(32), None, None],
        [40, alert(40), bytes(32), "wrap-failed", 8],
        ["40", alert(40), bytes(32)],
        [40, "id", bytes(32)],
        {"index": 40},
    ],
)
def test_an_item_has_its_one_form(wrong: Value) -> None:
    with pytest.raises(BadReceipt):
        decode_receipt(encode({**wire(STORED), "items": [wrong]}))


@pytest.mark.parametrize("wrong", [[40, alert(40), bytes(32)], [40, alert(40), bytes(32), "wrap-failed", "8"]])
def test_a_refused_item_has_its_one_form(wrong: Value) -> None:
    with pytest.raises(BadReceipt):
        decode_receipt(encode({**wire(REFUSED), "items": [wrong]}))


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(BadReceipt, match="the state is not"):
        decode_receipt(encode({**wire(STORED), "state": "lost"}))


def test_no_field_is_added() -> None:
    with pytest.raises(BadReceipt, match=r"receipt\.note is not a field"):
        decode_receipt(encode({**wire(STORED), "note": 1}))


def test_the_largest_receipt_fits_an_entry() -> None:
    largest = [
        structs.replace(item(n, "x" * 32, LAST_STEP), index=MAX_INDEX - MAX_RECEIPT_ITEMS + n)
        for n in range(MAX_RECEIPT_ITEMS)
    ]
    receipt = replace(REFUSED, officer="x" * MAX_NAME, items=tuple(largest))
    assert decode_receipt(encode_receipt(receipt)) == receipt
    assert len(encode_receipt(receipt)) < MAX_HEADER


def test_read_receipts_may_name_the_officer() -> None:
    assert decode_receipt(encode_receipt(READ)).officer == "Duty officer 7"


HELD = replace(STORED, officer="Duty officer 7", items=tuple(item(n) for n in range(40, 50)))


def test_a_good_receipt_is_not_read_and_written_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    data = [encode_receipt(receipt) for receipt in (STORED, READ, HELD)]
    for name in ("_read", "encode"):
        monkeypatch.delattr(receipt_module, name)
    for receipt, written in zip((STORED, READ, HELD), data, strict=True):
        assert encode_receipt(receipt) == written
        assert decode_receipt(written) == receipt
        assert {type(item) for item in decode_receipt(written).items} == {ReceiptItem}


def reported(data: bytes) -> Receipt | None:
    try:
        return receipt_module._read(data)
    except BadReceipt:
        return None


@settings(max_examples=1_000)
@given(near.changed(*map(encode_receipt, (STORED, READ, HELD, REFUSED))))
def test_however_a_receipt_is_read_the_verdict_is_the_same(data: bytes) -> None:
    receipt = reported(data)
    quick = receipt_module._read_good(data)
    assert quick == receipt or (quick is None and receipt is not None and receipt.state == "refused")


@pytest.mark.parametrize("name", ["agency", "items", "key", "officer", "sender", "state", "time", 0, 1, 2, "item"])
@pytest.mark.parametrize(
    "other", [None, True, -1, 1.5, "1", b"1", [], {}, "x" * 16, "x" * 32, MAX_INDEX + 1, "hk-customs"]
)
def test_a_field_of_another_type_is_not_good(name: str | int, other: Any) -> None:
    value: Any = decode(encode_receipt(HELD), max_size=MAX_HEADER)
    if isinstance(name, int):
        value["items"][-1][name] = other
    elif name == "item":
        value["items"][-1] = other
    else:
        value[name] = other
    data = msgpack.packb(value)
    assert receipt_module._read_good(data) == reported(data)


def test_what_is_no_receipt_is_not_good() -> None:
    value: Any = decode(encode_receipt(HELD), max_size=MAX_HEADER)
    names = list(value)
    swapped = {name: value[name] for name in (*names[:4], "state", "sender", "time")}
    first, second, *_ = value["items"]
    twice = {**value, "items": [first, [second[0], first[1], second[2]]]}
    for other in (1, [], names, {}, swapped, {**value, "more": 1}, {**value, "items": [first, first]}, twice):
        data = msgpack.packb(other)
        assert receipt_module._read_good(data) is None
        with pytest.raises(BadReceipt):
            decode_receipt(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": 1.0},
        {"key": bytearray(8)},
        {"items": (ReceiptItem(1, alert(1), bytearray(32)),)},  # type: ignore[arg-type]
    ],
)
def test_a_receipt_of_other_types_has_no_encoding(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        encode_receipt(replace(STORED, **changes))
