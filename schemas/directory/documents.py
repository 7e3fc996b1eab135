"""The two governed documents: ``directory.json`` (by the governors) and ``agencies/<id>.json`` (by each agency).

Both are strict JSON with a ``format`` number. Reading refuses unknown fields, wrong forms, doubled ids and names that
lead nowhere, so that whatever is in force is complete and consistent in itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeVar, cast

from iso3166 import countries_by_alpha2

from schemas.codec import Fields, Value
from schemas.directory.agency_keys import AgencyKeys, KeyRecord, WitnessRecord, encode_agency_keys, parse_agency_keys
from schemas.directory.strict_json import FORMAT, check_format, dump_json, hex_digests, load_json
from schemas.directory.witnesses import Witnesses, read_witnesses, witnesses_to_json
from schemas.errors import CrossbearingError, DirectoryInvalid, Malformed
from schemas.ids import check_agency_id, check_slug, format_id, parse_id
from schemas.keys import X_WING_PUBLIC_SIZE
from schemas.limits import (
    CARRIED_DAYS,
    DAY_MS,
    FLASH_SECONDS,
    MAX_ALERTS_PER_MINUTE,
    MAX_BASIS,
    MAX_BODY,
    MAX_BYTES_PER_DAY,
    MAX_CARRIED_DAYS,
    MAX_FLASH_SECONDS,
    MAX_PURGE_ORDERS,
    MAX_RETENTION_DAYS,
    MIN_BYTES_PER_DAY,
    MIN_FLASH_SECONDS,
    RETENTION_DAYS,
)
from schemas.log.note import parse_vkey
from schemas.routing.address import ALL
from schemas.routing.rules import Rule, parse_rule, rule_to_json

__all__ = [
    "Agency",
    "AgencyKeys",
    "Auditor",
    "Broker",
    "ByPrecedence",
    "Dangling",
    "DirectoryDocument",
    "KeyRecord",
    "Limits",
    "LogIdentity",
    "Operation",
    "PurgeOrder",
    "Region",
    "WitnessRecord",
    "check_name",
    "dangling_references",
    "encode_agency_keys",
    "encode_directory",
    "parse_agency_keys",
    "parse_directory",
    "read_item",
]

MAX_NAME: Final = 120
"""Characters of a name; it stands in lists on a terminal."""

AgencyStatus = Literal["active", "suspended"]

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEALING = re.compile(f"[0-9a-f]{{{2 * X_WING_PUBLIC_SIZE}}}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMEZONE = re.compile(r"UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z_+-]+){1,2}")

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Agency:
    """A partner. ``contact`` is a line of text for a human in trouble, such as a duty office's number."""

    id: str
    name: str
    country: str
    timezone: str
    regions: tuple[str, ...]
    status: AgencyStatus
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A named set of agencies; each agency says which regions it belongs to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A joint effort from ``starts`` until before ``ends`` (ms); the file gives the first and the last day, in UTC."""

    id: str
    name: str
    host: str
    starts: int
    ends: int
    participants: tuple[str, ...] | None
    """None: every agency of the directory."""


class ByPrecedence(NamedTuple):
    """One number for each precedence; the rank of a precedence is its place, so that ``limits[rank]`` is its number."""

    flash: int
    immediate: int
    priority: int
    routine: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the hub allows each agency. Each precedence has an allowance of its own, so that none uses up another's."""

    alerts_per_minute: ByPrecedence
    bytes_per_day: ByPrecedence
    """Headers, bodies and attachments."""
    body_bytes: int
    retention_days: int = RETENTION_DAYS
    """For how long it keeps the body of an alert that no recipient waits for any more."""
    carried_days: int = CARRIED_DAYS
    """For how long after its sealing an alert is taken from removable media; 0: not at all."""
    flash_seconds: int = FLASH_SECONDS
    """After how long it escalates a flash alert that a recipient has not stored."""

    @property
    def retention(self) -> int:
        """The same in ms."""
        return self.retention_days * DAY_MS


@dataclass(frozen=True, slots=True)
class PurgeOrder:
    """The governors' order to delete what the hub holds of one alert at once, and the legal basis for it."""

    alert: str
    """Its id, as text."""
    basis: str


@dataclass(frozen=True, slots=True)
class Auditor:
    """Someone who may copy the whole log, with the SHA-256 digests of the certificate keys (SPKI) accepted."""

    id: str
    name: str
    tls: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Broker:
    """A hub, with the SHA-256 digests of its certificate keys (SPKI).

    ``sealing`` is the X-Wing public key for which files on removable media are sealed; empty: it takes none.
    """

    id: str
    tls: tuple[bytes, ...]
    sealing: bytes = b""


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """The log's origin line and its signing keys as C2SP vkeys."""

    origin: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DirectoryDocument:
    """All that the governors decide."""

    name: str
    agencies: Mapping[str, Agency]
    regions: Mapping[str, Region]
    operations: Mapping[str, Operation]
    rules: tuple[Rule, ...]
    limits: Limits
    auditors: Mapping[str, Auditor]
    log: LogIdentity
    brokers: tuple[Broker, ...]
    purges: Mapping[str, PurgeOrder] = field(default_factory=lambda: MappingProxyType({}))
    """By alert id."""
    witnesses: Witnesses = field(default_factory=Witnesses)


def parse_directory(data: bytes, *, whole: bool = True) -> DirectoryDocument:
    """Read ``directory.json``. Raises `DirectoryInvalid` naming the field at fault.

    Unless it is to be ``whole``, what `dangling_references` finds is left to the caller.
    """
    value = load_json(data, "directory.json")
    try:
        document = _directory(value)
    except CrossbearingError as error:
        raise DirectoryInvalid(f"directory.json: {error.message}") from error
    for problem in dangling_references(document) if whole else ():
        raise DirectoryInvalid(f"directory.json: {problem.message}")
    return document


def read_item(section: str, value: Value) -> object:
    """One item of a list of the document, such as an agency of ``agencies``. Raises `Malformed` or `BadId`."""
    return _ITEMS[section](value)


def encode_directory(document: DirectoryDocument) -> bytes:
    """``directory.json`` for a document; `parse_directory` gives it back."""
    value: dict[str, Value] = {
        "format": FORMAT,
        "name": document.name,
        "regions": [{"id": region.id, "name": region.name} for region in document.regions.values()],
        "agencies": [_agency_to_json(agency) for agency in document.agencies.values()],
        "operations": [_operation_to_json(operation) for operation in document.operations.values()],
        "rules": [rule_to_json(rule) for rule in document.rules],
        "limits": _limits_to_json(document.limits),
        "auditors": [
            {"id": auditor.id, "name": auditor.name, "tls": [pin.hex() for pin in auditor.tls]}
            for auditor in document.auditors.values()
        ],
        "log": {"origin": document.log.origin, "keys": list(document.log.keys)},
        "brokers": [_broker_to_json(broker) for broker in document.brokers],
    }
    if document.purges:
        value["purges"] = [{"alert": order.alert, "basis": order.basis} for order in document.purges.values()]
    if document.witnesses != Witnesses():
        value["witnesses"] = witnesses_to_json(document.witnesses)
    return dump_json(value)


def _directory(value: dict[str, Value]) -> DirectoryDocument:
    reader = Fields({"purges": [], "witnesses": {}, **value}, "directory")
    check_format(reader)
    agencies = _by_id(reader.items("agencies"), _agency, "agencies", lambda agency: agency.id)
    document = DirectoryDocument(
        name=_name(reader),
        agencies=agencies,
        regions=_by_id(reader.items("regions"), _region, "regions", lambda region: region.id),
        operations=_by_id(reader.items("operations"), _operation, "operations", lambda operation: operation.id),
        rules=tuple(_by_id(reader.items("rules"), parse_rule, "rules", lambda rule: rule.id).values()),
        limits=_limits(reader.value("limits")),
        auditors=_by_id(reader.items("auditors"), _auditor, "auditors", lambda auditor: auditor.id),
        log=_log(reader.fields("log")),
        brokers=tuple(_by_id(reader.items("brokers"), _broker, "brokers", lambda broker: broker.id).values()),
        purges=_purges(reader.items("purges")),
        witnesses=read_witnesses(reader.value("witnesses"), agencies),
    )
    reader.done()
    return document


def _by_id(
    values: list[Value], read: Callable[[Value], _Item], what: str, id_of: Callable[[_Item], str]
) -> Mapping[str, _Item]:
    found: dict[str, _Item] = {}
    for value in values:
        item = read(value)
        if id_of(item) in found:
            raise Malformed(f"{what}: {id_of(item)} is there twice")
        found[id_of(item)] = item
    return MappingProxyType(found)


def _agency(value: Value) -> Agency:
    if not isinstance(value, dict):
        raise Malformed("an agency is not an object")
    reader = Fields({"contact": None, **value}, "agency")
    agency_id = check_agency_id(reader.text("id"))
    status = reader.text("status")
    if status not in ("active", "suspended"):
        raise Malformed(f"agency {agency_id}: status is neither active nor suspended")
    timezone = reader.text("timezone")
    if not _TIMEZONE.fullmatch(timezone):
        raise Malformed(f"agency {agency_id}: timezone is not an IANA name such as Asia/Tokyo")
    country = reader.text("country")
    if country not in countries_by_alpha2:
        raise Malformed(f"agency {agency_id}: country is not an ISO 3166 alpha-2 code")
    regions = tuple(check_slug(region) for region in reader.texts("regions"))
    if len(set(regions)) != len(regions):
        raise Malformed(f"agency {agency_id}: a region is there twice")
    contact = reader.optional_text("contact")
    if contact is not None:
        check_name(contact, f"agency {agency_id}: contact")
    agency = Agency(agency_id, _name(reader), country, timezone, regions, cast(AgencyStatus, status), contact)
    reader.done()
    return agency


def _agency_to_json(agency: Agency) -> dict[str, Value]:
    shown: dict[str, Value] = {
        "id": agency.id,
        "name": agency.name,
        "country": agency.country,
        "timezone": agency.timezone,
        "regions": list(agency.regions),
        "status": agency.status,
    }
    if agency.contact is not None:
        shown["contact"] = agency.contact
    return shown


def _region(value: Value) -> Region:
    reader = Fields(value, "region")
    region = Region(_free_slug(reader.text("id")), _name(reader))
    reader.done()
    return region


def _operation(value: Value) -> Operation:
    reader = Fields(value, "operation")
    operation_id = _free_slug(reader.text("id"))
    starts = _day(reader.text("starts"), f"operation {operation_id}: starts")
    ends = _day(reader.text("ends"), f"operation {operation_id}: ends") + _DAY
    if ends <= starts:
        raise Malformed(f"operation {operation_id} ends before it starts")
    everyone = reader.value("participants")
    participants: tuple[str, ...] | None = None
    if everyone != ALL:
        participants = Fields({"participants": everyone}, f"operation {operation_id}").texts("participants")
        if len(set(participants)) != len(participants):
            raise Malformed(f"operation {operation_id}: a participant is there twice")
    host = reader.text("host")
    operation = Operation(operation_id, _name(reader), host, _ms(starts), _ms(ends), participants)
    reader.done()
    return operation


def _operation_to_json(operation: Operation) -> dict[str, Value]:
    return {
        "id": operation.id,
        "name": operation.name,
        "host": operation.host,
        "starts": (_EPOCH + timedelta(milliseconds=operation.starts)).date().isoformat(),
        "ends": (_EPOCH + timedelta(milliseconds=operation.ends) - _DAY).date().isoformat(),
        "participants": ALL if operation.participants is None else list(operation.participants),
    }


def _limits(value: Value) -> Limits:
    if not isinstance(value, dict):
        raise Malformed("limits is not an object")
    usual: dict[str, Value] = {
        "retention_days": RETENTION_DAYS,
        "carried_days": CARRIED_DAYS,
        "flash_seconds": FLASH_SECONDS,
    }
    reader = Fields({**usual, **value}, "limits")
    limits = Limits(
        _by_precedence(reader, "alerts_per_minute", low=1, high=MAX_ALERTS_PER_MINUTE),
        _by_precedence(reader, "bytes_per_day", low=MIN_BYTES_PER_DAY, high=MAX_BYTES_PER_DAY),
        reader.integer("body_bytes", low=1024, high=MAX_BODY),
        reader.integer("retention_days", low=1, high=MAX_RETENTION_DAYS),
        reader.integer("carried_days", low=0, high=MAX_CARRIED_DAYS),
        reader.integer("flash_seconds", low=MIN_FLASH_SECONDS, high=MAX_FLASH_SECONDS),
    )
    reader.done()
    return limits


def _by_precedence(reader: Fields, name: str, *, low: int, high: int) -> ByPrecedence:
    numbers = reader.fields(name)
    found = ByPrecedence(*(numbers.integer(word, low=low, high=high) for word in ByPrecedence._fields))
    numbers.done()
    return found


def _limits_to_json(limits: Limits) -> dict[str, Value]:
    shown: dict[str, Value] = {
        "alerts_per_minute": dict(limits.alerts_per_minute._asdict()),
        "bytes_per_day": dict(limits.bytes_per_day._asdict()),
        "body_bytes": limits.body_bytes,
    }
    if limits.retention_days != RETENTION_DAYS:
        shown["retention_days"] = limits.retention_days
    if limits.carried_days != CARRIED_DAYS:
        shown["carried_days"] = limits.carried_days
    if limits.flash_seconds != FLASH_SECONDS:
        shown["flash_seconds"] = limits.flash_seconds
    return shown


def _purges(values: list[Value]) -> Mapping[str, PurgeOrder]:
    if len(values) > MAX_PURGE_ORDERS:
        raise Malformed(f"purges holds more than {MAX_PURGE_ORDERS} orders")
    return _by_id(values, _purge_order, "purges", lambda order: order.alert)


def _purge_order(value: Value) -> PurgeOrder:
    reader = Fields(value, "purge")
    order = PurgeOrder(format_id(parse_id(reader.text("alert"))), reader.text("basis"))
    if not 1 <= len(order.basis) <= MAX_BASIS or not order.basis.isprintable():
        raise Malformed(f"purges: the basis is not one printable line of 1 to {MAX_BASIS} characters")
    reader.done()
    return order


def _auditor(value: Value) -> Auditor:
    reader = Fields(value, "auditor")
    auditor_id = check_slug(reader.text("id"))
    auditor = Auditor(auditor_id, _name(reader), hex_digests(reader.texts("tls"), f"auditor {auditor_id}: tls"))
    reader.done()
    return auditor


def _broker(value: Value) -> Broker:
    if not isinstance(value, dict):
        raise Malformed("a broker is not an object")
    reader = Fields({"sealing": "", **value}, "broker")
    broker_id = check_slug(reader.text("id"))
    pins, text = hex_digests(reader.texts("tls"), f"broker {broker_id}: tls"), reader.text("sealing")
    reader.done()
    if "sealing" in value and not _SEALING.fullmatch(text):
        raise Malformed(f"broker {broker_id}: sealing is not {X_WING_PUBLIC_SIZE} bytes in lower-case hex")
    return Broker(broker_id, pins, bytes.fromhex(text))


def _broker_to_json(broker: Broker) -> dict[str, Value]:
    shown: dict[str, Value] = {"id": broker.id, "tls": [pin.hex() for pin in broker.tls]}
    return shown | {"sealing": broker.sealing.hex()} if broker.sealing else shown


def _log(reader: Fields) -> LogIdentity:
    log = LogIdentity(reader.text("origin"), reader.texts("keys"))
    reader.done()
    for text in log.keys:
        if parse_vkey(text).name != log.origin:
            raise Malformed("log.keys: a key is not named after the log's origin")
    if not log.keys or len(set(log.keys)) != len(log.keys):
        raise Malformed("log.keys: at least one key, and none twice")
    return log


@dataclass(frozen=True, slots=True)
class Dangling:
    """A fault between the parts of a document: ``section`` and ``id`` say which part has it, if one does."""

    section: str
    id: str
    message: str


def dangling_references(document: DirectoryDocument) -> Iterator[Dangling]:
    """Names that are used and not defined, a host outside its operation, and an exchange that nobody can use."""
    known = {"agency": document.agencies, "region": document.regions, "operation": document.operations}
    used = [("agencies", "agency", a.id, "region", region) for a in document.agencies.values() for region in a.regions]
    for operation in document.operations.values():
        named = (operation.host, *(operation.participants or ()))
        used += [("operations", "operation", operation.id, "agency", agency) for agency in dict.fromkeys(named)]
        if operation.participants is not None and operation.host not in operation.participants:
            yield Dangling("operations", operation.id, f"operation {operation.id}: the host is no participant")
    for rule in document.rules:
        where = ("rules", "rule", rule.id)
        hub = (rule.hub,) if rule.hub is not None else ()
        regions = (*rule.when.sender_regions, *rule.when.recipient_regions, *rule.to.regions)
        used += [(*where, "agency", agency) for agency in (*rule.when.senders, *rule.to.agencies, *hub)]
        used += [(*where, "region", region) for region in regions]
        used += [(*where, "operation", operation) for operation in rule.when.operations]
    for section, what, identity, kind, name in used:
        if name not in known[kind]:
            message = f"{what} {identity} names {kind} {name[:80]!a}, which is not defined"
            yield Dangling(section, identity, message)
    if not any(agency.status == "active" for agency in document.agencies.values()):
        yield Dangling("agencies", "", "this leaves no active agency, so nobody could use the exchange")


def _name(reader: Fields) -> str:
    return check_name(reader.text("name"), "name")


def check_name(text: str, what: str) -> str:
    """A name for people, of an agency, an office or a person. Raises `Malformed`."""
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable() or text != text.strip():
        raise Malformed(f"{what} {text[:80]!a} is not one printable line of 1 to {MAX_NAME} characters")
    return text


def _free_slug(text: str) -> str:
    if check_slug(text) == ALL:
        raise Malformed(f"{ALL} is the address of every agency and can name nothing else")
    return text


def _day(text: str, what: str) -> datetime:
    if not _DATE.fullmatch(text):
        raise Malformed(f"{what} is not a date such as 2026-09-01")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed(f"{what}: {text} is not a day of the calendar") from None


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


_ITEMS: Final[Mapping[str, Callable[[Value], object]]] = {
    "agencies": _agency,
    "regions": _region,
    "operations": _operation,
    "rules": parse_rule,
    "auditors": _auditor,
    "brokers": _broker,
    "limits": _limits,
    "purges": _purge_order,
    "log": lambda value: _log(Fields(value, "log")),
}
