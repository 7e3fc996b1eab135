"""The clear header: one encoding, every bound, every bit under the signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from schemas.codec import Value, decode, encode
from schemas.envelope import header as header_module
from schemas.envelope.header import (
    AttachmentRef,
    Header,
    Recipient,
    Relation,
    decode_header,
    encode_header,
    sign_header,
    verify_header,
)
from schemas.envelope.header_wire import read_good
from schemas.errors import (
    BadSignature,
    CrossbearingError,
    EncodingRefusal,
    Malformed,
    NotCanonical,
    TooDeep,
    TooLarge,
    Truncated,
)
from schemas.ids import uuid7
from schemas.limits import MAX_ATTACHMENT, MAX_BODY, MAX_EXPIRY_MS, MAX_HEADER
from tests.support.changed import changed
from tests.support.directory import NOW, make_world
from tests.support.envelope import counting_random

ID = uuid7(NOW, counting_random("header"))
OTHER_ID = uuid7(NOW - 1, counting_random("other"))
HEADER = Header(
    id=ID,
    sender="hk-customs",
    key=b"k" * 8,
    directory=5,
    created=NOW,
    expires=NOW + 1,
    precedence="flash",
    marking="amber",
    topic="watch",
    status="actual",
    operation="marker",
    modes=("air", "sea"),
    subjects=("container", "vessel"),
    address=("all", "region:asia", "operation:marker", "sg-cnb"),
    relation=Relation("reply", OTHER_ID),
    recipients=(Recipient("au-abf", b"a" * 16, b"w" * 48), Recipient("sg-cnb", b"b" * 16, b"w" * 48)),
    commitment=b"c" * 32,
    body_digest=b"d" * 32,
    body_size=300,
    attachments=(AttachmentRef(b"e" * 32, 1), AttachmentRef(b"f" * 32, MAX_ATTACHMENT)),
)

BARE = replace(HEADER, operation=None, modes=(), subjects=(), relation=None, attachments=())


def wire() -> dict[str, Value]:
    value = decode(encode_header(HEADER), max_size=MAX_HEADER)
    assert isinstance(value, dict)
    return value


def test_round_trip() -> None:
    data = encode_header(HEADER)
    assert decode_header(data) == HEADER
    assert decode_header(encode_header(BARE)) == BARE


def test_a_header_with_a_key_id_of_another_length_cannot_be_made() -> None:
    with pytest.raises(Malformed, match="key is not 8 bytes long"):
        replace(HEADER, key=b"k" * 7)


DEFECTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "extra field": (lambda d: d.update(surprise=1), "surprise"),
    "missing field": (lambda d: d.pop("marking"), "marking"),
    "renamed field": (lambda d: d.update(topics=d.pop("topic")), "topic"),
    "version": (lambda d: d.update(version=2), "version"),
    "suite": (lambda d: d.update(suite=2), "version"),
    "version as a flag": (lambda d: d.update(version=True), "version"),
    "id of another version": (lambda d: d.update(id=ID[:6] + b"\x40" + ID[7:]), "alert id"),
    "id short": (lambda d: d.update(id=ID[:15]), "id"),
    "sender": (lambda d: d.update(sender="HK"), "agency id"),
    "key short": (lambda d: d.update(key=b"k" * 7), "key"),
    "directory zero": (lambda d: d.update(directory=0), "directory"),
    "created negative": (lambda d: d.update(created=-1), "created"),
    "created late": (lambda d: d.update(created=1 << 48, expires=(1 << 48) + 1), "created"),
    "expires at once": (lambda d: d.update(expires=NOW), "expires"),
    "expires too late": (lambda d: d.update(expires=NOW + MAX_EXPIRY_MS + 1), "expires"),
    "precedence": (lambda d: d.update(precedence="urgent"), "precedence"),
    "marking": (lambda d: d.update(marking="white"), "marking"),
    "topic": (lambda d: d.update(topic="gossip"), "topic"),
    "status": (lambda d: d.update(status="real"), "status"),
    "operation": (lambda d: d.update(operation="Marker"), "short name"),
    "operation empty": (lambda d: d.update(operation=""), "short name"),
    "mode": (lambda d: d.update(modes=["space"]), "modes"),
    "modes unsorted": (lambda d: d.update(modes=["sea", "air"]), "modes"),
    "mode twice": (lambda d: d.update(modes=["sea", "sea"]), "modes"),
    "mode a number": (lambda d: d.update(modes=[1]), "modes"),
    "mode a list": (lambda d: d.update(modes=[[]]), "modes"),
    "subject": (lambda d: d.update(subjects=["gossip"]), "subjects"),
    "subjects unsorted": (lambda d: d.update(subjects=["vessel", "container"]), "subjects"),
    "subject twice": (lambda d: d.update(subjects=["vessel", "vessel"]), "subjects"),
    "address empty": (lambda d: d.update(address=[]), "address"),
    "address twice": (lambda d: d.update(address=["all", "all"]), "address"),
    "address form": (lambda d: d.update(address=["asia"]), "address"),
    "address a number": (lambda d: d.update(address=["all", 1]), "address"),
    "address a list": (lambda d: d.update(address=["all", []]), "address"),
    "addresses too many": (lambda d: d.update(address=[f"region:r{n}" for n in range(301)]), "address"),
    "relation type": (lambda d: d.update(relation=["like", OTHER_ID]), "relation"),
    "relation id": (lambda d: d.update(relation=["reply", b"x" * 16]), "alert id"),
    "relation type a list": (lambda d: d.update(relation=[[], OTHER_ID]), "relation"),
    "relation id a text": (lambda d: d.update(relation=["reply", "x" * 16]), "relation"),
    "relation of three": (lambda d: d.update(relation=["reply", OTHER_ID, 1]), "relation"),
    "relation shape": (lambda d: d.update(relation=["reply"]), "relation"),
    "recipients empty": (lambda d: d.update(recipients=[]), "recipients"),
    "recipients unsorted": (lambda d: d["recipients"].reverse(), "recipients"),
    "recipient twice": (lambda d: d["recipients"].append(d["recipients"][-1]), "recipients"),
    "recipient is the sender": (lambda d: d["recipients"][1].__setitem__(0, "hk-customs"), "sender"),
    "recipient id": (lambda d: d["recipients"][1].__setitem__(0, "zz"), "agency id"),
    "recipient opener": (lambda d: d["recipients"][1].__setitem__(1, b"b" * 15), "opener"),
    "recipient wrap": (lambda d: d["recipients"][1].__setitem__(2, b"w" * 49), "wrap"),
    "recipient a text": (lambda d: d["recipients"].__setitem__(1, "sgb"), "recipients"),
    "recipient id bytes": (lambda d: d["recipients"][1].__setitem__(0, b"sg-cnb"), "recipients"),
    "recipient opener a text": (lambda d: d["recipients"][1].__setitem__(1, "b" * 16), "recipients"),
    "recipient wrap a text": (lambda d: d["recipients"][1].__setitem__(2, "w" * 48), "recipients"),
    "recipient cut": (lambda d: d["recipients"][1].pop(), "recipients"),
    "recipient shape": (lambda d: d["recipients"][1].append(b""), "recipients"),
    "recipients too many": (
        lambda d: d.update(recipients=[[f"au-{n:03}", b"b" * 16, b"w" * 48] for n in range(301)]),
        "recipients",
    ),
    "commitment": (lambda d: d.update(commitment=b"c" * 31), "commitment"),
    "body digest": (lambda d: d.update(body_digest=b"c" * 33), "body_digest"),
    "body size zero": (lambda d: d.update(body_size=0), "body_size"),
    "body size": (lambda d: d.update(body_size=MAX_BODY + 1), "body_size"),
    "attachment twice": (lambda d: d["attachments"].append(d["attachments"][0]), "attachments"),
    "attachment digest": (lambda d: d["attachments"][0].__setitem__(0, b"e" * 31), "attachments"),
    "attachment a text": (lambda d: d["attachments"].__setitem__(1, "ef"), "attachments"),
    "attachment digest a text": (lambda d: d["attachments"][0].__setitem__(0, "e" * 32), "attachments"),
    "attachment of three": (lambda d: d["attachments"][0].append(1), "attachments"),
    "attachment size zero": (lambda d: d["attachments"][0].__setitem__(1, 0), "attachments"),
    "attachment size": (lambda d: d["attachments"][0].__setitem__(1, MAX_ATTACHMENT + 1), "attachments"),
    "attachment size a flag": (lambda d: d["attachments"][0].__setitem__(1, True), "attachments"),
    "attachments too many": (
        lambda d: d.update(attachments=[[bytes([n]) * 32, 1] for n in range(17)]),
        "attachments",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_are_named(defect: str) -> None:
    change, words = DEFECTS[defect]
    value = wire()
    change(value)
    with pytest.raises(Malformed, match=words):
        decode_header(encode(value))


def test_keys_in_another_order_are_refused() -> None:
    value = wire()
    value["commitment"], value["body_digest"] = value.pop("commitment"), value.pop("body_digest")
    for order in (list(value), ["body_digest", "commitment"]):
        swapped = {**{name: value[name] for name in order}, **value}
        with pytest.raises(NotCanonical):
            decode_header(msgpack.packb(swapped))
    names = sorted(value)
    at = names.index("body_digest")
    names[at], names[at + 2] = names[at + 2], names[at]  # the two of one type
    with pytest.raises(NotCanonical):
        decode_header(msgpack.packb({name: value[name] for name in names}))


@pytest.mark.parametrize("data", [b"", b"\x90", b"\x80", b"\x01", b"\xc0", encode([*sorted(wire())])])
def test_what_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(CrossbearingError):
        decode_header(data)


FIELDS = [field.name for field in fields(Header)]
VALID: list[tuple[str, Value]] = [(name, []) for name in ("modes", "subjects", "attachments")]
VALID += [(name, None) for name in ("operation", "relation")]
VALID += [(name, 1) for name in ("version", "suite", "directory", "body_size")]
VALID += [("operation", "1")]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("other", [None, True, 1, "1", b"1", [], {}, [1], ["1"], [b"1"], [[]], [{}]], ids=repr)
def test_a_field_of_another_type_is_refused_under_its_name(name: str, other: Value) -> None:
    if any(name == field and type(other) is type(valid) and other == valid for field, valid in VALID):
        return
    with pytest.raises(Malformed, match=f"{name}|alert id|short name|not an agency id|not an address"):
        decode_header(encode({**wire(), name: other}))


def test_encodings_that_no_encoder_writes() -> None:
    data = encode_header(HEADER)
    with pytest.raises(Truncated):
        decode_header(data[:-1])
    with pytest.raises(Malformed):
        decode_header(data + b"\0")
    with pytest.raises(TooLarge):
        decode_header(data.ljust(MAX_HEADER + 1, b"\0"))
    long_version = data.replace(b"\xa7version\x01", b"\xa7version\xcc\x01")
    assert long_version != data
    with pytest.raises(NotCanonical):
        decode_header(long_version)
    with pytest.raises(TooDeep):
        decode_header(encode({**wire(), "modes": [[[["sea"]]]]}))


def test_whatever_fits_the_bounds_fits_the_limit() -> None:
    slug = "a" * 22
    largest = replace(
        HEADER,
        sender=f"hk-{slug}-sender",
        recipients=tuple(Recipient(f"au-{n:03}-{slug}", b"b" * 16, b"w" * 48) for n in range(300)),
        address=tuple(f"operation:{slug}-{n:03}" for n in range(300)),
        attachments=tuple(AttachmentRef(bytes([n]) * 32, MAX_ATTACHMENT) for n in range(16)),
    )
    data = encode_header(largest)
    assert len(data) < MAX_HEADER
    assert decode_header(data) == largest


def test_a_good_header_is_read_without_looking_at_each_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(header_module, "_read")
    for header in (HEADER, BARE):
        assert decode_header(encode_header(header)) == header


def test_it_is_the_same_however_it_was_read() -> None:
    header = decode_header(encode_header(HEADER))
    for name in FIELDS:
        assert type(getattr(header, name)) is type(getattr(HEADER, name))
    assert [type(recipient) for recipient in header.recipients] == [Recipient] * 2
    assert [type(attachment) for attachment in header.attachments] == [AttachmentRef] * 2
    with pytest.raises(AttributeError):
        header.sender = "sg-cnb"  # type: ignore[misc]  # a header does not change


def test_a_recipient_is_found_by_its_name() -> None:
    for header in (decode_header(encode_header(HEADER)), HEADER):
        assert header.recipient("sg-cnb") == HEADER.recipients[1]
        assert type(header.recipient("au-abf")) is Recipient
        for other in ("", "aa-first", "hk-customs", "zw-last"):
            assert header.recipient(other) is None
        assert hash(header) == hash(HEADER)


@pytest.mark.parametrize(
    "changes",
    [
        {"created": float(NOW)},
        {"body_size": 1.0},
        {"commitment": bytearray(32)},
        {"operation": type("Text", (str,), {})("marker")},
        {"relation": Relation("reply", bytearray(OTHER_ID))},  # type: ignore[arg-type]
        {"recipients": (Recipient("au-abf", bytearray(16), b"w" * 48),)},  # type: ignore[arg-type]
        {"attachments": (AttachmentRef(b"e" * 32, 1.0),)},  # type: ignore[arg-type]
    ],
)
def test_a_header_of_other_types_has_no_encoding(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="no encoding"):
        encode_header(replace(HEADER, **changes))


def test_a_good_header_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written = [encode_header(header) for header in (HEADER, BARE)]
    assert [encode(decode(data, max_size=MAX_HEADER)) for data in written] == written
    monkeypatch.delattr(header_module, "encode")
    assert [encode_header(header) for header in (HEADER, BARE)] == written


@settings(max_examples=1_000)
@given(changed(encode_header(HEADER), encode_header(BARE)) | st.binary(max_size=200))
def test_what_reads_good_headers_and_what_names_faults_agree(data: bytes) -> None:
    try:
        header: Header | None = header_module._read(data)
    except EncodingRefusal:
        header = None
    wire = read_good(data)
    assert (None if wire is None else header_module._make(astuple(wire))) == header


@given(st.binary(max_size=200))
def test_decoding_is_total(data: bytes) -> None:
    with pytest.raises(CrossbearingError):
        decode_header(data)


@given(st.data())
def test_any_changed_byte_is_refused_or_breaks_the_signature(data: st.DataObject) -> None:
    header = encode_header(HEADER)
    key = WORLD.signing["hk-customs"]
    signature = sign_header(header, key)
    position = data.draw(st.integers(0, len(header) - 1))
    changed = bytearray(header)
    changed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadSignature):
        verify_header(bytes(changed), signature, key.public)
    try:
        decoded = decode_header(bytes(changed))
    except CrossbearingError:
        return
    assert decoded != HEADER


def test_signatures_are_bound_to_the_format_and_the_key() -> None:
    header = encode_header(HEADER)
    key, other = WORLD.signing["hk-customs"], WORLD.signing["sg-cnb"]
    verify_header(header, sign_header(header, key), key.public)
    for signature, public in (
        (key.sign(header), key.public),
        (sign_header(header, other), key.public),
        (sign_header(header, key), other.public),
        (sign_header(header, key)[:-1], key.public),
        (b"", key.public),
    ):
        with pytest.raises(BadSignature):
            verify_header(header, signature, public)


WORLD = make_world(publish=False)
