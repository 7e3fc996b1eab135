"""Records have one form, and whatever else comes is refused by name."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.carrier.records import (
    MAX_LEAVES,
    End,
    Manifest,
    Record,
    Segment,
    SignedManifest,
    decode_manifest,
    decode_record,
    encode_manifest,
    encode_record,
    signed_bytes,
)
from schemas.codec import decode, encode
from schemas.errors import CarrierDamaged, CrossbearingError, EncodingRefusal
from schemas.session.frames import SendReceipt, WitnessedHead

RECORDS: list[Record] = [
    SignedManifest(b"a manifest", bytes(64)),
    Segment(3, (bytes(32), bytes(32)), bytes(64)),
    Segment(0, (), b""),
    End(7),
]


@pytest.mark.parametrize("record", RECORDS)
def test_records_decode_to_themselves(record: Record) -> None:
    assert decode_record(encode_record(record), sender="hub") == record
    assert decode_record(encode_record(record), sender="node") == record


def test_frames_are_records_of_their_side() -> None:
    receipt, head = SendReceipt(b"r", bytes(64)), WitnessedHead(b"note", ())
    assert decode_record(encode_record(receipt), sender="node") == receipt
    assert decode_record(encode_record(head), sender="hub") == head
    with pytest.raises(CarrierDamaged):
        decode_record(encode_record(receipt), sender="hub")
    with pytest.raises(CarrierDamaged):
        decode_record(encode_record(head), sender="node")


DEFECTS: dict[str, list[Any]] = {
    "manifest alone": ["manifest"],
    "manifest of text": ["manifest", "a", b""],
    "manifest and more": ["manifest", b"", b"", 1],
    "segment without leaves": ["segment", 0, []],
    "segment at true": ["segment", True, [], b""],
    "segment before the log": ["segment", -1, [], b""],
    "segment beyond numbers": ["segment", 1 << 63, [], b""],
    "segment of half a leaf": ["segment", 0, [], bytes(48)],
    "segment of too many leaves": ["segment", 0, [], bytes(32 * (MAX_LEAVES + 1))],
    "segment with a short subtree": ["segment", 1, [bytes(31)], b""],
    "segment with a number for a subtree": ["segment", 1, [1], b""],
    "segment with too many subtrees": ["segment", 1, [bytes(32)] * 64, b""],
    "end of nothing": ["end"],
    "end before the beginning": ["end", -1],
    "end of truth": ["end", True],
    "no known type": ["middle", 1],
    "no type": [1],
    "empty": [],
}


@pytest.mark.parametrize("wire", DEFECTS.values(), ids=DEFECTS)
def test_defects_are_refused(wire: list[Any]) -> None:
    with pytest.raises(CarrierDamaged):
        decode_record(msgpack.packb(wire, use_bin_type=True), sender="hub")


@given(st.binary(max_size=100))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    try:
        record = decode_record(data, sender="hub")
    except CarrierDamaged:
        return
    assert encode_record(record) == data


def test_a_manifest_decodes_to_itself_and_has_no_field_more_or_less() -> None:
    manifest = Manifest("hk-customs", "hub", "example.org/log", 5, bytes(8))
    data = encode_manifest(manifest)
    assert decode_manifest(data) == manifest
    wire: Any = decode(data, max_size=2_000)
    for name in wire:
        for changed in ({k: v for k, v in wire.items() if k != name}, {**wire, name: [1]}, {**wire, "more": 1}):
            with pytest.raises(EncodingRefusal):
                decode_manifest(encode(changed))
    with pytest.raises(EncodingRefusal):
        decode_manifest(data + bytes(2_000))


def test_what_is_signed_binds_head_and_manifest() -> None:
    assert signed_bytes(bytes(32), b"m") != signed_bytes(b"\1" + bytes(31), b"m")
    with pytest.raises(ValueError, match="SHA-256"):
        signed_bytes(b"short", b"m")
    assert issubclass(CarrierDamaged, CrossbearingError)
