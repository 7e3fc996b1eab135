"""What comes in canonical msgpack: frames, headers, entries, receipts, evidence, disclosures, bundles, alerts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from nodes.auditor.survey import survey
from schemas.alert.document import alert_from_wire, alert_to_wire
from schemas.carrier.records import decode_manifest, decode_record, encode_manifest, encode_record
from schemas.codec import Value, decode, encode
from schemas.directory.metadata import decode_bundle, encode_bundle
from schemas.envelope.disclosure import decode_disclosure, encode_disclosure, is_disclosure
from schemas.envelope.header import PRECEDENCE_RANK, decode_header, encode_header
from schemas.envelope.peek import peek
from schemas.errors import (
    BadDocument,
    BadEntry,
    BadReceipt,
    CarrierDamaged,
    CarrierRefusal,
    DirectoryInvalid,
    EncodingRefusal,
    SessionRefusal,
    refusal_from_code,
)
from schemas.limits import MAX_CREDIT, MAX_FRAME, MAX_LISTS, MAX_MESSAGE, MAX_SLUG
from schemas.log.entry import decode_entry, encode_entry
from schemas.log.evidence import decode_evidence, encode_evidence, read_path
from schemas.log.receipt import decode_receipt, encode_receipt
from schemas.session.frames import SendReceipt, Side, decode_frame, encode_frame
from schemas.session.machine import TRANSITIONS, SessionMachine
from tests.fuzz.promise import Target, one_form
from tests.support.carrying import reader, written
from tests.support.directory import make_world
from tests.support.session_playbook import HELLO, WELCOME

_HISTORY = make_world().history


CARRIED: Final = written("node", [SendReceipt(b"a receipt", bytes(64))])
"""A good file for the hub."""


def fuzz_codec(data: bytes) -> bool:
    """A value is encoded as it was read, and has no more parts than bytes, nor more lists than are allowed."""
    try:
        value = decode(data, max_size=MAX_FRAME)
    except EncodingRefusal:
        return False
    assert encode(value) == data
    parts, lists = _count(value)
    assert parts <= len(data)
    assert lists <= MAX_LISTS
    return True


def _count(value: Value) -> tuple[int, int]:
    """The values in a value, and how many of them are lists or maps."""
    if not isinstance(value, dict | list):
        return 1, 0
    inside = [_count(item) for item in (value.values() if isinstance(value, dict) else value)]
    return 1 + sum(parts for parts, _ in inside), 1 + sum(lists for _, lists in inside)


def fuzz_session(data: bytes) -> bool:
    """Messages, each after its length in two bytes, to an open machine of the side that the first byte says.

    Whatever they are, the machine stays in a state of its table, with credit within bounds; a refusal moves nothing.
    """
    role: Side = "node" if data[:1] == b"n" else "hub"
    machine = SessionMachine(role)
    if role == "node":
        machine.send(HELLO)
        machine.receive(encode_frame(WELCOME))
    else:
        machine.receive(encode_frame(HELLO))
        machine.send(WELCOME)
    at, taken = 1, False
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        before = (machine.state, machine.credit)
        try:
            machine.receive(data[at + 2 : end])
            taken = True
        except (EncodingRefusal, SessionRefusal):
            assert (machine.state, machine.credit) == before
        assert machine.state in TRANSITIONS
        assert 0 <= machine.credit <= MAX_CREDIT
        at = end
    return taken


def fuzz_disclosure(data: bytes) -> bool:
    """As for every form; and a file that is read is recognised for what it is before it is read."""
    try:
        disclosure = decode_disclosure(data)
    except EncodingRefusal:
        return False
    assert encode_disclosure(disclosure) == data
    assert is_disclosure(data)
    return True


def fuzz_alert(data: bytes) -> bool:
    """An alert that is read is written as it was read."""
    try:
        value = decode(data, max_size=MAX_FRAME)
        alert = alert_from_wire(value)
    except (EncodingRefusal, BadDocument) as refusal:
        assert isinstance(refusal.as_dict(), dict)
        return False
    assert alert_to_wire(alert) == value
    return True


def fuzz_survey(data: bytes) -> bool:
    """An auditor judges any bytes in an entry's place, and never fails at it."""
    return bool(survey(_HISTORY, len(_HISTORY), 0, data).kind)


def fuzz_told(data: bytes) -> bool:
    """A refusal as received can be shown: short, printable, with a code."""
    code, message, hint = (part.decode("utf-8", "replace") for part in (*data.split(b"\0", 2), b"", b"")[:3])
    error = refusal_from_code(code, message, hint)
    assert error.code
    assert len(error.code) <= MAX_SLUG
    assert len(error.message) <= MAX_MESSAGE
    assert (error.message + error.hint).isprintable()
    return error.code == code


def fuzz_peek(data: bytes) -> bool:
    """What is seen at a glance of a header is what admission will read in it; of anything else it is anything."""
    glance = peek(data)
    try:
        header = decode_header(data)
    except EncodingRefusal:
        return False
    assert glance == (header.id, PRECEDENCE_RANK[header.precedence])
    return True


def _path(data: bytes) -> tuple[bytes, ...]:
    return read_path(decode(data, max_size=MAX_FRAME))


def fuzz_carrier(data: bytes) -> bool:
    """A file on removable media, after a good head: nothing is read but what its maker wrote, to its end."""
    good = CARRIED
    try:
        records = list(
            reader(good[: len(good) - len(data)] + data if len(data) < len(good) else data, "node").records()
        )
    except CarrierRefusal:
        return False
    assert records == list(reader(good, "node").records())
    return True


WIRE: Final[Mapping[str, Target]] = {
    "alert": fuzz_alert,
    "carrier": fuzz_carrier,
    "carrier-manifest": one_form(decode_manifest, encode_manifest, EncodingRefusal),
    "carrier-record": one_form(partial(decode_record, sender="hub"), encode_record, CarrierDamaged),
    "codec": fuzz_codec,
    "directory-bundle": one_form(decode_bundle, lambda b: encode_bundle(b.metadata, b.target), DirectoryInvalid),
    "disclosure": fuzz_disclosure,
    "entry": one_form(decode_entry, encode_entry, BadEntry),
    "evidence": one_form(decode_evidence, encode_evidence, EncodingRefusal),
    "frame-of-hub": one_form(partial(decode_frame, sender="hub"), encode_frame, EncodingRefusal, SessionRefusal),
    "frame-of-node": one_form(partial(decode_frame, sender="node"), encode_frame, EncodingRefusal, SessionRefusal),
    "header": one_form(decode_header, encode_header, EncodingRefusal),
    "peek": fuzz_peek,
    "path": one_form(_path, lambda path: encode(list(path)), EncodingRefusal),
    "receipt": one_form(decode_receipt, encode_receipt, BadReceipt),
    "session": fuzz_session,
    "survey": fuzz_survey,
    "told": fuzz_told,
}
"""By the name of the folder in the corpus."""
