"""``agencies/<id>.json``: an agency's keys, requests and contacts, signed by that agency's own administrators."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

from schemas.codec import Fields, Value
from schemas.directory.contacts import MAX_CONTACTS, Contact, contact_to_json, parse_contacts
from schemas.directory.strict_json import FORMAT, check_format, dump_json, hex_digests, load_json
from schemas.errors import CrossbearingError, DirectoryInvalid, Malformed
from schemas.ids import check_agency_id, key_id
from schemas.keys import ED25519_PUBLIC_SIZE, ML_DSA_44_PUBLIC_SIZE, X_WING_PUBLIC_SIZE
from schemas.routing.requests import MAX_REQUESTS, StandingRequest, parse_requests, request_to_json

WitnessType = Literal["ed25519", "ml-dsa-44"]
KeyStatus = Literal["active", "retired"]
MAX_KEYS: Final = 64
"""Keys of one kind in the file: five years of monthly rotation."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_WITNESS_SIZES = {"ed25519": ED25519_PUBLIC_SIZE, "ml-dsa-44": ML_DSA_44_PUBLIC_SIZE}
_HEX = re.compile(r"[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A public key with its validity: from ``not_before`` until before ``not_after`` (ms, whole seconds)."""

    public: bytes
    not_before: int
    not_after: int
    status: KeyStatus = "active"

    @property
    def key_id(self) -> bytes:
        """The first 8 bytes of the SHA-256 of the key."""
        return key_id(self.public)

    def valid(self, at: int) -> bool:
        """Whether the key may be used at the time ``at`` (ms)."""
        return self.status == "active" and self.not_before <= at < self.not_after


@dataclass(frozen=True, slots=True)
class WitnessRecord:
    """A public key that cosigns checkpoints."""

    type: WitnessType
    public: bytes


@dataclass(frozen=True, slots=True)
class AgencyKeys:
    """What one agency publishes of itself: its public keys, what it asks to be copied on, how its desk is reached."""

    agency: str
    signing: tuple[KeyRecord, ...]
    """Ed25519."""
    sealing: tuple[KeyRecord, ...]
    """X-Wing."""
    tls: tuple[bytes, ...]
    """SHA-256 digests of the certificate keys (SPKI) its node may present."""
    witness: tuple[WitnessRecord, ...] = ()
    """Keys that cosign checkpoints, and do nothing else."""
    requests: tuple[StandingRequest, ...] = ()
    contacts: tuple[Contact, ...] = ()
    """Called in this order when its node does not store an urgent alert in time."""


def parse_agency_keys(data: bytes, agency: str) -> AgencyKeys:
    """Read ``agencies/<agency>.json``. Raises `DirectoryInvalid` naming the field at fault."""
    what = f"agencies/{agency}.json"
    value = load_json(data, what)
    try:
        keys = _agency_keys(value)
    except CrossbearingError as error:
        raise DirectoryInvalid(f"{what}: {error.message}") from error
    if keys.agency != agency:
        raise DirectoryInvalid(f"{what} holds the keys of {keys.agency}")
    return keys


def encode_agency_keys(keys: AgencyKeys) -> bytes:
    """``agencies/<id>.json`` for these keys; `parse_agency_keys` gives them back."""
    value: dict[str, Value] = {
        "format": FORMAT,
        "agency": keys.agency,
        "signing": [_record_to_json(record) for record in keys.signing],
        "sealing": [_record_to_json(record) for record in keys.sealing],
        "tls": [pin.hex() for pin in keys.tls],
        "witness": [{"type": record.type, "public": record.public.hex()} for record in keys.witness],
    }
    if keys.requests:
        value["requests"] = [request_to_json(request) for request in keys.requests]
    if keys.contacts:
        value["contacts"] = [contact_to_json(contact) for contact in keys.contacts]
    return dump_json(value)


def _agency_keys(value: dict[str, Value]) -> AgencyKeys:
    reader = Fields({"requests": [], "contacts": [], **value}, "agency keys")
    check_format(reader)
    keys = AgencyKeys(
        agency=check_agency_id(reader.text("agency")),
        signing=_records(reader.items("signing", max_items=MAX_KEYS), "signing", ED25519_PUBLIC_SIZE),
        sealing=_records(reader.items("sealing", max_items=MAX_KEYS), "sealing", X_WING_PUBLIC_SIZE),
        tls=hex_digests(reader.texts("tls", max_items=MAX_KEYS), "tls"),
        witness=tuple(_witness(value) for value in reader.items("witness", max_items=MAX_KEYS)),
        requests=parse_requests(reader.items("requests", max_items=MAX_REQUESTS)),
        contacts=parse_contacts(reader.items("contacts", max_items=MAX_CONTACTS)),
    )
    reader.done()
    if len(set(keys.witness)) != len(keys.witness):
        raise Malformed("witness names a key twice")
    return keys


def _records(values: Iterable[Value], what: str, size: int) -> tuple[KeyRecord, ...]:
    records = tuple(_record(value, what, size) for value in values)
    if len({record.key_id for record in records}) != len(records):
        raise Malformed(f"{what} names a key twice")
    return records


def _record(value: Value, what: str, size: int) -> KeyRecord:
    reader = Fields(value, what)
    public = _public(reader, what, size)
    starts, ends = (_moment(reader.text(name), f"{what}.{name}") for name in ("not_before", "not_after"))
    status = reader.text("status")
    if status not in ("active", "retired"):
        raise Malformed(f"{what}: status is neither active nor retired")
    reader.done()
    if ends <= starts:
        raise Malformed(f"{what}: a key ends before it starts")
    return KeyRecord(public, starts, ends, cast(KeyStatus, status))


def _witness(value: Value) -> WitnessRecord:
    reader = Fields(value, "witness")
    kind = reader.text("type")
    if kind not in _WITNESS_SIZES:
        raise Malformed(f"witness: type is none of {', '.join(_WITNESS_SIZES)}")
    record = WitnessRecord(cast(WitnessType, kind), _public(reader, "witness", _WITNESS_SIZES[kind]))
    reader.done()
    return record


def _public(reader: Fields, what: str, size: int) -> bytes:
    text = reader.text("public")
    if len(text) != 2 * size or not _HEX.fullmatch(text):
        raise Malformed(f"{what}: a public key is {size} bytes in lower-case hex")
    return bytes.fromhex(text)


def _record_to_json(record: KeyRecord) -> dict[str, Value]:
    return {
        "public": record.public.hex(),
        "not_before": _moment_text(record.not_before),
        "not_after": _moment_text(record.not_after),
        "status": record.status,
    }


def _moment(text: str, what: str) -> int:
    if not _MOMENT.fullmatch(text):
        raise Malformed(f"{what} is not a time such as 2026-09-01T00:00:00Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{what}: {text} is not a time of the calendar") from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment_text(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%SZ")
