from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import Value, decode, encode
from schemas.errors import BadEntry, Malformed
from schemas.ids import uuid7
from schemas.limits import MAX_APPROVERS, MAX_BASIS, MAX_ENTRY, MAX_HEADER, MAX_INDEX, MAX_METADATA, MAX_TIME_MS
from schemas.log import entry as entry_module
from schemas.log.entry import (
    AlertEntry,
    DirectoryEntry,
    Entry,
    EscalationEntry,
    PurgeEntry,
    ReceiptEntry,
    RefusalEntry,
    decode_entry,
    encode_entry,
)
from tests.support import changed as near

TIME = 1_790_000_000_000
ENTRIES: dict[str, Entry] = {
    "alert": AlertEntry(TIME, 33, b"header", bytes(64)),
    "receipt": ReceiptEntry(TIME, 33, b"receipt", bytes(64)),
    "directory": DirectoryEntry(TIME, 3, "hk-customs", 1, bytes(32), 2048),
    "refusal": RefusalEntry(TIME, 33, "sg-cnb", "routing-mismatch", bytes(32)),
    "purge": PurgeEntry(TIME, 33, 40, "Privacy Act, section 26", ("governor-1", "governor-2")),
    "escalation": EscalationEntry(TIME, 33, 40, uuid7(TIME, bytes), "sg-cnb", "reached", "duty-desk"),
}

times = st.integers(0, MAX_TIME_MS)
versions = st.integers(1, MAX_INDEX)
ids = st.integers(0, 9).map(lambda number: uuid7(TIME + number, bytes))
digests = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=64, max_size=64)
agencies = st.sampled_from(["hk-customs", "sg-cnb", "au-abf"])
slugs = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,5}){0,3}", fullmatch=True)
entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(AlertEntry, times, versions, st.binary(min_size=1, max_size=500), signatures, st.just(b"") | signatures),
    st.builds(ReceiptEntry, times, versions, st.binary(min_size=1, max_size=500), signatures),
    st.builds(
        DirectoryEntry,
        times,
        versions,
        agencies | st.sampled_from(["root", "targets"]),
        versions,
        digests,
        st.integers(1, 2 * MAX_METADATA),
    ),
    st.builds(RefusalEntry, times, versions, agencies, slugs, digests),
    st.builds(
        PurgeEntry,
        times,
        versions,
        st.integers(0, MAX_INDEX),
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=100),
        st.sets(slugs, max_size=5).map(lambda names: tuple(sorted(names))),
    ),
    st.builds(
        EscalationEntry,
        times,
        versions,
        st.integers(0, MAX_INDEX),
        ids,
        agencies,
        st.sampled_from(["due", "unreachable"]),
    ),
    st.builds(EscalationEntry, times, versions, st.integers(0, MAX_INDEX), ids, agencies, st.just("reached"), slugs),
)


@given(entries)
def test_entries_decode_to_themselves(entry: Entry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


@given(entries, st.data())
def test_a_changed_byte_gives_another_entry_or_a_refusal(entry: Entry, data: st.DataObject) -> None:
    encoded = bytearray(encode_entry(entry))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode_entry(bytes(encoded))
    except BadEntry:
        return
    assert changed != entry
    assert encode_entry(changed) == encoded


@given(st.binary(max_size=100))
def test_any_bytes_are_an_entry_or_refused(data: bytes) -> None:
    with pytest.raises(BadEntry):  # the shortest entry is longer than this
        decode_entry(data[:50])


def wire(kind: str) -> dict[str, Value]:
    value = decode(encode_entry(ENTRIES[kind]), max_size=MAX_ENTRY)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("kind", ENTRIES)
def test_the_wire_names_kind_and_fields(kind: str) -> None:
    assert wire(kind)["kind"] == kind
    assert set(wire(kind)) == {"kind"} | {field.name for field in fields(ENTRIES[kind])} - {"carried"}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in ENTRIES for field in wire(kind)])
def test_every_field_is_needed_and_typed(kind: str, field: str) -> None:
    without = {name: value for name, value in wire(kind).items() if name != field}
    with pytest.raises(BadEntry, match=rf"entry\.{field} is missing"):
        decode_entry(encode(without))
    wrong_for_all: list[Value] = [None, {}, True, -1, [1]]
    for wrong in wrong_for_all:
        with pytest.raises(BadEntry):
            decode_entry(encode({**wire(kind), field: wrong}))


@pytest.mark.parametrize("kind", ENTRIES)
def test_no_field_is_added(kind: str) -> None:
    with pytest.raises(BadEntry, match=r"entry\.note is not a field"):
        decode_entry(encode({**wire(kind), "note": 1}))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *((kind, {"time": time}) for kind in ENTRIES for time in (-1, MAX_TIME_MS + 1)),
        *((kind, {"directory": version}) for kind in ENTRIES for version in (0, MAX_INDEX + 1)),
        ("alert", {"carried": bytes(63)}),
        ("alert", {"header": b""}),
        ("alert", {"header": bytes(MAX_HEADER + 1)}),
        ("alert", {"signature": bytes(63)}),
        ("receipt", {"receipt": b""}),
        ("receipt", {"receipt": bytes(MAX_HEADER + 1)}),
        ("receipt", {"signature": bytes(65)}),
        ("directory", {"role": "snapshot"}),
        ("directory", {"role": "xx-customs"}),
        ("directory", {"version": 0}),
        ("directory", {"digest": bytes(31)}),
        ("directory", {"size": 0}),
        ("directory", {"size": 3 * MAX_METADATA}),
        ("refusal", {"agency": "HK-customs"}),
        ("refusal", {"code": "Not A Code"}),
        ("refusal", {"digest": b""}),
        ("purge", {"index": -1}),
        ("purge", {"index": MAX_INDEX + 1}),
        ("purge", {"basis": ""}),
        ("purge", {"basis": "x" * (MAX_BASIS + 1)}),
        ("purge", {"basis": "line\nbreak"}),
        ("purge", {"approvers": ("b", "a")}),
        ("purge", {"approvers": ("a", "a")}),
        ("purge", {"approvers": ("A",)}),
        ("purge", {"approvers": tuple(f"a{n:02}" for n in range(MAX_APPROVERS + 1))}),
        ("escalation", {"index": -1}),
        ("escalation", {"alert": bytes(16)}),
        ("escalation", {"agency": "sg"}),
        ("escalation", {"outcome": "called"}),
        ("escalation", {"outcome": "called", "contact": None}),
        ("escalation", {"outcome": "due"}),
        ("escalation", {"contact": None}),
        ("escalation", {"contact": "Duty desk"}),
    ],
)
def test_impossible_entries_cannot_be_made(kind: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BadEntry):
        replace(ENTRIES[kind], **changes)


@pytest.mark.parametrize(
    "data", [b"", b"\x80", encode([]), encode({"kind": "note"}), encode({**wire("alert"), "kind": "note"})]
)
def test_what_is_no_entry_is_refused(data: bytes) -> None:
    with pytest.raises(BadEntry):
        decode_entry(data)


def test_another_kind_is_refused_whatever_it_has_beside() -> None:
    with pytest.raises(BadEntry, match=r"^the entry is of no known kind$"):
        decode_entry(encode({"kind": "note", "time": TIME, "directory": 33}))


def test_a_word_of_carriage_is_kept_and_an_empty_one_left_out() -> None:
    carried = AlertEntry(TIME, 33, b"header", bytes(64), bytes(range(64)))
    assert decode_entry(encode_entry(carried)) == carried
    with pytest.raises(BadEntry, match="left out"):
        decode_entry(encode({**wire("alert"), "carried": b""}))


def test_the_cause_is_told() -> None:
    with pytest.raises(BadEntry) as caught:
        decode_entry(encode_entry(ENTRIES["alert"])[:-1])
    assert caught.value.context["cause"] == "truncated"


def test_the_largest_header_fits_an_entry() -> None:
    entry = AlertEntry(MAX_TIME_MS, MAX_INDEX, bytes(MAX_HEADER), bytes(64))
    assert len(encode_entry(entry)) < MAX_ENTRY
    assert decode_entry(encode_entry(entry)) == entry


CARRIED = AlertEntry(TIME, 33, b"header", bytes(64), b"c" * 64)
FREQUENT: list[Entry] = [ENTRIES["alert"], CARRIED, ENTRIES["receipt"]]


@pytest.mark.parametrize("entry", FREQUENT, ids=["alert", "carried", "receipt"])
def test_alerts_and_receipts_are_not_read_and_written_field_by_field(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(entry_module._wire(entry))
    monkeypatch.delattr(entry_module, "_wire")
    monkeypatch.delattr(entry_module, "_read_entry")
    assert encode_entry(entry) == data
    assert decode_entry(data) == entry


def reported(data: bytes) -> Entry | None:
    try:
        return entry_module._read_entry(data)
    except BadEntry:
        return None


@settings(max_examples=1_000)
@given(near.changed(*map(encode_entry, (*ENTRIES.values(), CARRIED))))
def test_however_an_entry_is_read_the_verdict_is_the_same(data: bytes) -> None:
    entry = reported(data)
    assert entry_module._read_good(data) == (entry if isinstance(entry, AlertEntry | ReceiptEntry) else None)


@pytest.mark.parametrize("entry", FREQUENT, ids=["alert", "carried", "receipt"])
@pytest.mark.parametrize("name", ["carried", "directory", "header", "kind", "receipt", "signature", "time", "more"])
@pytest.mark.parametrize(
    "other", [None, True, -1, 0, 1.5, "", "alert", "receipt", b"", bytes(64), [], {}, MAX_INDEX + 1]
)
def test_a_field_of_another_type_or_bound_is_not_good(entry: Entry, name: str, other: Any) -> None:
    value = decode(encode_entry(entry), max_size=MAX_ENTRY)
    assert isinstance(value, dict)
    changed = {**value, name: other}
    data = msgpack.packb({key: changed[key] for key in sorted(changed)})
    assert entry_module._read_good(data) == reported(data)


def test_what_is_no_entry_is_not_good() -> None:
    value = decode(encode_entry(CARRIED), max_size=MAX_ENTRY)
    assert isinstance(value, dict)
    swapped = {name: value[name] for name in ("signature", "directory", "header", "kind", "carried", "time")}
    huge = {**value, "header": bytes(MAX_HEADER + 1)}
    for other in (1, [], {}, list(value), swapped, huge, {**value, "header": bytes(MAX_ENTRY)}):
        data = msgpack.packb(other)
        assert entry_module._read_good(data) is None
        with pytest.raises(BadEntry):
            decode_entry(data)


@pytest.mark.parametrize("entry", FREQUENT, ids=["alert", "carried", "receipt"])
@pytest.mark.parametrize("changes", [{"time": 1.0}, {"directory": 1.0}, {"signature": bytearray(64)}])
def test_an_entry_of_other_types_has_no_encoding(entry: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        encode_entry(replace(entry, **changes))
