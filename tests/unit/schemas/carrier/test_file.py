"""A file on removable media: what was written is read, and nothing else."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.carrier import file
from schemas.carrier.file import MAGIC, CarrierWriter
from schemas.carrier.records import End, Record, Segment, SignedManifest, encode_record
from schemas.errors import BadSignature, CarrierDamaged, CarrierMisdirected, CarrierRefusal, CarrierUnknown, TooLarge
from schemas.example import example_seed
from schemas.keys import SealingKey, SigningKey
from schemas.limits import MAX_CARRIER, MAX_FRAME
from schemas.session.frames import Credit, Hello, Result, SendReceipt, Side, Submit, Upload
from tests.support.carrying import (
    HELLO,
    HUB_KEY,
    LOG_KEY,
    NODE_KEY,
    SIGNING,
    TO_HUB,
    WELCOME,
    reader,
    records_of,
    written,
)

RECORDS: list[Record] = [
    Submit(b"a header", bytes(64), b"a body", (b"an opener",), bytes(64)),
    SendReceipt(b"a receipt", bytes(64)),
    Upload(bytes(32), 0, 5, b"piece"),
]
GOOD = written("node", RECORDS)


def test_what_was_written_is_read() -> None:
    opened = reader(GOOD, "node")
    assert opened.manifest == TO_HUB
    assert opened.greeting == HELLO
    opened.verify(SIGNING.public)
    assert list(opened.records()) == RECORDS
    assert reader(written("hub"), "hub").greeting == WELCOME


def test_it_opens_with_each_of_the_keys_that_it_is_sealed_for_and_with_no_other() -> None:
    other, stranger = (SealingKey(example_seed("broker", name)) for name in ("second", "third"))
    data = written("node", RECORDS, keys=[HUB_KEY.public, other.public])
    for keys in ([HUB_KEY], [other], [stranger, other]):
        assert list(reader(data, "node", keys).records()) == RECORDS
    for keys in ([], [stranger], [NODE_KEY]):
        with pytest.raises(CarrierMisdirected):
            reader(data, "node", keys)


def test_another_key_than_the_makers_does_not_verify() -> None:
    opened = reader(GOOD, "node")
    with pytest.raises(BadSignature):
        opened.verify(LOG_KEY.public)
    forged = reader(written("node", sign=SigningKey(example_seed("sg-cnb", "signing")).sign), "node")
    with pytest.raises(BadSignature):
        forged.verify(SIGNING.public)


def test_a_manifest_is_good_for_its_own_file_alone() -> None:
    """Whoever learns a manifest and its signature cannot put them before records of his own."""
    stolen: list[bytes] = []

    def sign(data: bytes) -> bytes:
        stolen.append(SIGNING.sign(data))
        return stolen[-1]

    written("node", sign=sign)
    with pytest.raises(BadSignature):
        reader(written("node", RECORDS, sign=lambda _: stolen[0]), "node").verify(SIGNING.public)


def test_cut_short_anywhere_it_is_refused() -> None:
    for end in range(len(GOOD)):
        with pytest.raises(CarrierDamaged if end else CarrierUnknown):
            records_of(GOOD[:end], "node")


def test_one_bit_changed_anywhere_it_is_refused() -> None:
    for place in range(len(GOOD)):
        changed = bytearray(GOOD)
        changed[place] ^= 1 << place % 8
        with pytest.raises((CarrierRefusal, BadSignature)):
            records_of(bytes(changed), "node")


def test_what_follows_the_end_is_refused() -> None:
    with pytest.raises(CarrierDamaged, match="goes on"):
        records_of(GOOD + b"\0", "node")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_other_files_are_none(data: bytes) -> None:
    with pytest.raises(CarrierUnknown):
        reader(b"x" + data, "node")
    with pytest.raises((CarrierDamaged, CarrierMisdirected)):
        reader(MAGIC + data, "node")


def parts_of(data: bytes) -> list[bytes]:
    """The file's head, and each of its records with its length."""
    place = len(MAGIC)
    parts, start = [], 0
    while place < len(data):
        place += 4 + int.from_bytes(data[place : place + 4], "big")
        parts.append(data[start:place])
        start = place
    return parts


@pytest.mark.parametrize("change", ["drop", "repeat", "exchange", "another's"])
def test_records_cannot_be_rearranged(change: str) -> None:
    parts = parts_of(GOOD)
    assert b"".join(parts) == GOOD
    match change:
        case "drop":
            del parts[4]
        case "repeat":
            parts.insert(4, parts[4])
        case "exchange":
            parts[3], parts[4] = parts[4], parts[3]
        case _:
            parts[4] = parts_of(written("node", RECORDS))[4]
    with pytest.raises(CarrierDamaged):
        records_of(b"".join(parts), "node")


def made_by(records: list[Record], last: Record | None) -> bytes:
    """A file by somebody with a key and without scruples: `last` takes the place of the end."""
    writer = CarrierWriter(TO_HUB, [HUB_KEY.public], SIGNING.sign, os.urandom)
    data = writer.begin(HELLO) + b"".join(map(writer.add, records))
    if last is None:
        return data + writer.end()
    writer.end()
    writer = CarrierWriter(TO_HUB, [HUB_KEY.public], SIGNING.sign, os.urandom)
    data = writer.begin(HELLO) + b"".join(map(writer.add, records))
    return data + writer._push(encode_record(last), file._FINAL)


STRANGE: dict[str, tuple[list[Record], Record | None]] = {
    "a frame that has no place here": ([Credit(1)], None),
    "a second greeting": ([HELLO], None),
    "a second manifest": ([SignedManifest(b"", b"")], None),
    "a segment from a node": ([Segment(0, (), b"")], None),
    "an end before the end": ([End(2)], None),
    "an end that counts wrong": ([], End(9)),
    "no end": ([], SendReceipt(b"", b"")),
}


@pytest.mark.parametrize(("records", "last"), STRANGE.values(), ids=STRANGE)
def test_what_its_maker_may_not_put_in_is_refused(records: list[Record], last: Record | None) -> None:
    with pytest.raises(CarrierDamaged):
        records_of(made_by(records, last), "node")


@pytest.mark.parametrize("maker", ["node", "hub"])
def test_a_file_that_does_not_begin_with_its_greeting_is_refused(maker: Side) -> None:
    with pytest.raises(CarrierDamaged):
        reader(written(maker, greeting=HELLO if maker == "hub" else WELCOME), maker)
    if maker == "node":
        with pytest.raises(CarrierDamaged):
            reader(written("node", greeting=Result(())), "node")


def test_a_file_from_the_other_side_is_refused() -> None:
    """The hub is handed what was made for a node: were it sealed for the hub, it would still be none of its files."""
    with pytest.raises(CarrierDamaged):
        records_of(written("hub", keys=[HUB_KEY.public]), "node")


def test_a_length_that_reserves_memory_is_refused_before_it_is_read() -> None:
    parts = parts_of(GOOD)
    asked: list[int] = []
    data = b"".join(parts[:3]) + (MAX_FRAME + 18).to_bytes(4, "big") + parts[3][4:]
    opened = reader(data, "node")
    inner = opened._read

    def read(size: int) -> bytes:
        asked.append(size)
        return inner(size)

    opened._read = read
    with pytest.raises(CarrierDamaged, match="claims"):
        list(opened.records())
    assert max(asked) <= 4


def test_no_file_becomes_larger_than_a_stick_takes() -> None:
    writer = CarrierWriter(TO_HUB, [HUB_KEY.public], SIGNING.sign, os.urandom)
    writer.begin(HELLO)
    writer.size = MAX_CARRIER - 10
    with pytest.raises(TooLarge):
        writer.add(RECORDS[0])


def test_the_manifest_names_what_it_should() -> None:
    opened = reader(written("node", manifest=replace(TO_HUB, to="sg-cnb")), "node")
    assert opened.manifest.to == "sg-cnb"
    assert isinstance(opened.greeting, Hello)
