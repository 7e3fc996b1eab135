"""The entries of the log: what each leaf holds. See docs/spec/log.md.

An entry is a canonical map with its ``kind``, the hub's time of receipt (ms), and the version of the directory in force
when it was entered (for a directory entry the version it creates). An entry object that exists is within all limits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Final, Literal, TypeAlias, cast, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.codec import Fields, Value, decode, encode
from schemas.errors import BadEntry, BadId, EncodingRefusal
from schemas.ids import DIGEST_SIZE, check_agency_id, check_id, check_slug
from schemas.limits import (
    MAX_APPROVERS,
    MAX_BASIS,
    MAX_ENTRY,
    MAX_HEADER,
    MAX_INDEX,
    MAX_METADATA,
    MAX_TIME_MS,
)
from schemas.typed import Form, unchecked

SIGNATURE_SIZE = 64
Outcome = Literal["due", "unreachable", "reached"]
_MAX_BUNDLE = 2 * MAX_METADATA + 16
"""A directory bundle: metadata and target, each at most MAX_METADATA, and the list around them."""


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """An alert taken in: its header exactly as signed, and the signature. The body is a blob beside the log.

    ``carried`` is the sender's signed word that it went on removable media, where that excuses its age; else empty.
    """

    time: int
    directory: int
    header: bytes
    signature: bytes
    carried: bytes = b""

    def __post_init__(self) -> None:
        _check_common(self.time, self.directory)
        _check(0 < len(self.header) <= MAX_HEADER, "the header is empty or too large")
        _check(len(self.signature) == SIGNATURE_SIZE, "the signature has the wrong length")
        _check(len(self.carried) in (0, SIGNATURE_SIZE), "the word of carriage has the wrong length")


@dataclass(frozen=True, slots=True)
class ReceiptEntry:
    """A receipt taken in: exactly as signed, and the signature."""

    time: int
    directory: int
    receipt: bytes
    signature: bytes

    def __post_init__(self) -> None:
        _check_common(self.time, self.directory)
        _check(0 < len(self.receipt) <= MAX_HEADER, "the receipt is empty or too large")
        _check(len(self.signature) == SIGNATURE_SIZE, "the signature has the wrong length")


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A new version of one directory role: ``root``, ``targets``, or an agency. ``digest`` names the bundle."""

    time: int
    directory: int
    role: str
    version: int
    digest: bytes
    size: int

    def __post_init__(self) -> None:
        _check_common(self.time, self.directory)
        if self.role not in ("root", "targets"):
            _check_agency(self.role)
        _check(1 <= self.version <= MAX_INDEX, "the role's version is out of range")
        _check(len(self.digest) == DIGEST_SIZE, "the digest has the wrong length")
        _check(1 <= self.size <= _MAX_BUNDLE, "the bundle's size is out of range")


@dataclass(frozen=True, slots=True)
class RefusalEntry:
    """Something an agency sent was refused with ``code``; ``digest`` is the SHA-256 of what it sent."""

    time: int
    directory: int
    agency: str
    code: str
    digest: bytes

    def __post_init__(self) -> None:
        _check_common(self.time, self.directory)
        _check_agency(self.agency)
        _check_code(self.code)
        _check(len(self.digest) == DIGEST_SIZE, "the digest has the wrong length")


@dataclass(frozen=True, slots=True)
class PurgeEntry:
    """The body of the alert at ``index`` was deleted, on a legal ``basis``, with the word of ``approvers``."""

    time: int
    directory: int
    index: int
    basis: str
    approvers: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_common(self.time, self.directory)
        _check(0 <= self.index <= MAX_INDEX, "the index is out of range")
        _check(0 < len(self.basis) <= MAX_BASIS and self.basis.isprintable(), "the legal basis is empty or too long")
        _check(len(self.approvers) <= MAX_APPROVERS, "there are too many approvers")
        _check(list(self.approvers) == sorted(set(self.approvers)), "the approvers are not sorted, each once")
        for name in self.approvers:
            _check_code(name)


@dataclass(frozen=True, slots=True)
class EscalationEntry:
    """``alert``, the one at ``index``, was not stored by ``agency`` in its time, and what the hub did about it.

    ``due``: its desk is being called; ``unreachable``: no contact answered, or there is none; ``reached``: the one
    named ``contact`` did.
    """

    time: int
    directory: int
    index: int
    alert: bytes
    agency: str
    outcome: Outcome
    contact: str | None = None

    def __post_init__(self) -> None:
        _check_common(self.time, self.directory)
        _check(0 <= self.index <= MAX_INDEX, "the index is out of range")
        _check_alert(self.alert)
        _check_agency(self.agency)
        _check(self.outcome in get_args(Outcome), "the outcome is not due, unreachable or reached")
        _check((self.contact is not None) == (self.outcome == "reached"), "a contact is named if it was reached")
        if self.contact is not None:
            _check_code(self.contact)


Entry: TypeAlias = AlertEntry | ReceiptEntry | DirectoryEntry | RefusalEntry | PurgeEntry | EscalationEntry


def encode_entry(entry: Entry) -> bytes:
    """The bytes of the leaf. Raises `BadEntry` if they exceed MAX_ENTRY."""
    data = _write_good(entry) or encode(_wire(entry))
    _check(len(data) <= MAX_ENTRY, f"the entry has more than {MAX_ENTRY} bytes")
    return data


def decode_entry(data: bytes) -> Entry:
    """The entry in a leaf. Raises `BadEntry` for anything that `encode_entry` would not write."""
    return _read_good(data) or _read_entry(data)


# -- field by field ----------------------------------------------------------------------------------------------------


def _wire(entry: Entry) -> dict[str, Value]:
    wire: dict[str, Value] = {"time": entry.time, "directory": entry.directory}
    match entry:
        case AlertEntry():
            wire |= {"kind": "alert", "header": entry.header, "signature": entry.signature}
            wire |= {"carried": entry.carried} if entry.carried else {}
        case ReceiptEntry():
            wire |= {"kind": "receipt", "receipt": entry.receipt, "signature": entry.signature}
        case DirectoryEntry():
            wire |= {"kind": "directory", "role": entry.role, "version": entry.version}
            wire |= {"digest": entry.digest, "size": entry.size}
        case RefusalEntry():
            wire |= {"kind": "refusal", "agency": entry.agency, "code": entry.code, "digest": entry.digest}
        case PurgeEntry():
            wire |= {"kind": "purge", "index": entry.index, "basis": entry.basis, "approvers": list(entry.approvers)}
        case EscalationEntry():
            wire |= {"kind": "escalation", "index": entry.index, "alert": entry.alert, "agency": entry.agency}
            wire |= {"outcome": entry.outcome, "contact": entry.contact}
    return wire


def _read_entry(data: bytes) -> Entry:
    try:
        value = decode(data, max_size=MAX_ENTRY)
        if isinstance(value, dict) and value.get("kind") == "alert":
            _check(value.get("carried") != b"", "an empty word of carriage is left out")
            value = {"carried": b"", **value}
        reader = Fields(value, "entry")
        entry = _read(reader)
        reader.done()
    except EncodingRefusal as error:
        raise BadEntry(error.message, cause=error.code) from None
    return entry


def _read(fields: Fields) -> Entry:
    kind = fields.text("kind")
    time, directory = fields.integer("time"), fields.integer("directory")
    match kind:
        case "alert":
            header, signature = fields.blob("header"), fields.blob("signature")
            return AlertEntry(time, directory, header, signature, fields.blob("carried"))
        case "receipt":
            return ReceiptEntry(time, directory, fields.blob("receipt"), fields.blob("signature"))
        case "directory":
            role, version = fields.text("role"), fields.integer("version")
            return DirectoryEntry(time, directory, role, version, fields.blob("digest"), fields.integer("size"))
        case "refusal":
            return RefusalEntry(time, directory, fields.text("agency"), fields.text("code"), fields.blob("digest"))
        case "purge":
            index, basis = fields.integer("index"), fields.text("basis")
            return PurgeEntry(time, directory, index, basis, fields.texts("approvers"))
        case "escalation":
            index, alert, agency = fields.integer("index"), fields.blob("alert"), fields.text("agency")
            outcome, contact = cast(Outcome, fields.text("outcome")), fields.optional_text("contact")
            return EscalationEntry(time, directory, index, alert, agency, outcome, contact)
    raise BadEntry("the entry is of no known kind")


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadEntry(otherwise)


def _check_common(time: int, directory: int) -> None:
    _check(0 <= time <= MAX_TIME_MS, "the time is out of range")
    _check(1 <= directory <= MAX_INDEX, "the directory version is out of range")


def _check_alert(alert: bytes) -> None:
    try:
        check_id(alert)
    except BadId as error:
        raise BadEntry(error.message) from None


def _check_agency(agency: str) -> None:
    try:
        check_agency_id(agency)
    except BadId as error:
        raise BadEntry(error.message) from None


def _check_code(code: str) -> None:
    try:
        check_slug(code)
    except BadId as error:
        raise BadEntry(error.message) from None


# -- the two that a log is full of, at once ----------------------------------------------------------------------------

_Signature = Annotated[bytes, Meta(min_length=SIGNATURE_SIZE, max_length=SIGNATURE_SIZE)]
_Signed = Annotated[bytes, Meta(min_length=1, max_length=MAX_HEADER)]


class _Wire(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The entry of an alert or a receipt, in the order of the encoding, which has nothing of what is not set."""

    carried: _Signature | UnsetType = UNSET
    directory: Annotated[int, Meta(ge=1, le=MAX_INDEX)]
    header: _Signed | UnsetType = UNSET
    kind: Literal["alert", "receipt"]
    receipt: _Signed | UnsetType = UNSET
    signature: _Signature
    time: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]


_form: Final = Form(_Wire, limit=MAX_ENTRY)
_TYPES: Final = (int, int, bytes, bytes)
_make_alert: Final = unchecked(AlertEntry, [field.name for field in fields(AlertEntry)])


def _write_good(entry: Entry) -> bytes | None:
    """The bytes of an alert or receipt whose fields have the types they should have; None for any other entry."""
    if type(entry) is AlertEntry:
        parts = (entry.time, entry.directory, entry.header, entry.signature)
        carried = entry.carried or UNSET
        if tuple(map(type, parts)) != _TYPES or type(entry.carried) is not bytes:
            return None
        time, directory, header, signature = parts
        wire = _Wire(carried=carried, directory=directory, header=header, kind="alert", signature=signature, time=time)
    elif type(entry) is ReceiptEntry:
        parts = (entry.time, entry.directory, entry.receipt, entry.signature)
        if tuple(map(type, parts)) != _TYPES:
            return None
        time, directory, receipt, signature = parts
        wire = _Wire(directory=directory, kind="receipt", receipt=receipt, signature=signature, time=time)
    else:
        return None
    return _form.encode(wire)


def _read_good(data: bytes) -> Entry | None:
    """The alert or receipt in a leaf if it is one beyond doubt; else None."""
    wire = _form.read(data)
    if wire is None:
        return None
    header, receipt, carried = wire.header, wire.receipt, wire.carried
    if wire.kind == "alert" and header is not UNSET and receipt is UNSET:
        word = b"" if carried is UNSET else carried
        return _make_alert((wire.time, wire.directory, header, wire.signature, word))
    if wire.kind == "receipt" and receipt is not UNSET and header is UNSET and carried is UNSET:
        return ReceiptEntry(wire.time, wire.directory, receipt, wire.signature)
    return None
