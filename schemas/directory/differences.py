"""What changes between two directories, in sentences that a governor can read out before signing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from schemas import ids
from schemas.codec import Value
from schemas.directory.agency_keys import AgencyKeys, KeyRecord
from schemas.directory.authority import Quorum
from schemas.directory.documents import (
    Agency,
    Auditor,
    Broker,
    ByPrecedence,
    DirectoryDocument,
    Limits,
    Operation,
    PurgeOrder,
)
from schemas.directory.governed import Governed
from schemas.routing.rules import Rule, rule_to_json

_Item = TypeVar("_Item")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def differences(before: Governed | None, after: Governed) -> list[str]:
    """One sentence for each change; every sentence of a first directory says what it begins with."""
    return [
        *_governance(before, after),
        *_document(before.document if before is not None else None, after.document),
        *_administration(before, after),
        *_all_keys(before.keys if before is not None else {}, after),
    ]


def day(ms: int) -> str:
    """A time as its day in UTC."""
    return f"{_EPOCH + timedelta(milliseconds=ms):%Y-%m-%d}"


# -- who governs -------------------------------------------------------------------------------------------------------


def _governance(before: Governed | None, after: Governed) -> Iterator[str]:
    if before is None:
        yield f"{after.root} governors sign: {_names(after.root)}."
    else:
        yield from _quorum(before.root, after.root, "Governor {}", "governors must sign the root")
        if (before.governors, after.governors) != (before.root, after.root):
            yield from _quorum(before.governors, after.governors, "Signer {} of the document", "must sign the document")
    yield from _expiry("root", before.root_expires if before is not None else None, after.root_expires)
    if after.document_expires is not None:
        yield from _expiry("document", before.document_expires if before else None, after.document_expires)


def _expiry(what: str, before: int | None, after: int) -> Iterator[str]:
    if before is None:
        yield f"The {what} is valid until {day(after)}."
    elif before != after:
        yield f"The {what} is valid until {day(after)} instead of {day(before)}."


def _quorum(before: Quorum, after: Quorum, who: str, what: str) -> Iterator[str]:
    old, new = ({member.name: member.key for member in quorum.signatories} for quorum in (before, after))
    left, joined = [name for name in old if name not in new], [name for name in new if name not in old]
    for name in list(left):
        same = next((other for other in joined if new[other] == old[name]), None)
        if same is not None:
            yield f"{who.format(name)} is now called {same}, with the same key."
            left.remove(name)
            joined.remove(same)
    yield from (f"{who.format(name)} leaves." for name in left)
    yield from (f"{who.format(name)} joins with the key {new[name]}." for name in joined)
    for name in new:
        if name in old and new[name] != old[name]:
            yield f"{who.format(name)} has a new key, {new[name]}, instead of {old[name]}."
    if str(before) != str(after):
        yield f"{after} {what} instead of {before}."


def _names(quorum: Quorum) -> str:
    return ", ".join(member.name for member in quorum.signatories)


# -- the document ------------------------------------------------------------------------------------------------------


def _document(before: DirectoryDocument | None, after: DirectoryDocument | None) -> Iterator[str]:
    if after is None:
        return
    if before is None:
        yield f"The directory is called {after.name}."
        yield f"Log {after.log.origin} begins with the keys {', '.join(after.log.keys)}."
        limits = after.limits
        yield f"An agency may send in a minute, by precedence: {_plain(limits.alerts_per_minute)} alerts."
        yield f"It may send in a day, by precedence: {_plain(limits.bytes_per_day)} bytes."
        yield f"A body may have {limits.body_bytes} bytes."
    else:
        yield from _fields(before, after, "The directory", ("name",))
        yield from _fields(before.limits, after.limits, "Limits:", [field.name for field in fields(Limits)])
        yield from _fields(before.log, after.log, "The log", ("origin",))
        yield from _listed(before.log.keys, after.log.keys, "The log's key {} is new.", "The log's key {} is dropped.")
    yield from _items(
        before.regions if before else {},
        after.regions,
        lambda region: f"Region {region.id} is new: {region.name}.",
        lambda region: f"Region {region.id} is dropped.",
        lambda old, new: _fields(old, new, f"Region {new.id}:", ("name",)),
    )
    yield from _items(before.agencies if before else {}, after.agencies, _joins, _is_removed, _agency)
    yield from _items(before.operations if before else {}, after.operations, _opens, _closes, _operation)
    old_rules = {rule.id: rule for rule in before.rules} if before else {}
    yield from _items(old_rules, {rule.id: rule for rule in after.rules}, _rule_comes, _rule_goes, _rule)
    yield from _items(before.auditors if before else {}, after.auditors, _auditor_comes, _auditor_goes, _pins)
    yield from _items(before.purges if before else {}, after.purges, _purge_comes, _purge_goes, _purge)
    brokers = {broker.id: broker for broker in before.brokers} if before else {}
    yield from _items(brokers, {broker.id: broker for broker in after.brokers}, _broker_comes, _broker_goes, _broker)
    yield from _witnessing(before, after)


def _witnessing(before: DirectoryDocument | None, after: DirectoryDocument) -> Iterator[str]:
    old, new = (
        (d.witnesses.needed(len(d.agencies)), {w.id: w for w in d.witnesses.outside}) if d is not None else (None, {})
        for d in (before, after)
    )
    if old[0] is None:
        yield f"{new[0]} witnesses must cosign a checkpoint."
    elif old[0] != new[0]:
        yield f"{new[0]} witnesses must cosign a checkpoint, instead of {old[0]}."
    yield from _items(
        old[1],
        new[1],
        lambda witness: f"Witness {witness.id} is new, at {witness.url} with the key {witness.vkey}.",
        lambda witness: f"Witness {witness.id} is dropped.",
        lambda was, now: _fields(was, now, f"Witness {now.id}:", ("url", "vkey")),
    )


def _items(
    before: Mapping[str, _Item],
    after: Mapping[str, _Item],
    comes: Callable[[_Item], str],
    goes: Callable[[_Item], str],
    changes: Callable[[_Item, _Item], Iterator[str]],
) -> Iterator[str]:
    yield from (goes(item) for name, item in before.items() if name not in after)
    for name, item in after.items():
        if name not in before:
            yield comes(item)
        elif before[name] != item:
            yield from changes(before[name], item)


def _joins(agency: Agency) -> str:
    where = f"in {', '.join(agency.regions)}" if agency.regions else "in no region"
    held = "" if agency.status == "active" else ", suspended from the start"
    return f"Agency {agency.id} joins: {agency.name}, {where}{held}."


def _is_removed(agency: Agency) -> str:
    return f"Agency {agency.id} is removed ({agency.name}): it can neither send nor receive any more."


def _agency(before: Agency, after: Agency) -> Iterator[str]:
    who = f"Agency {after.id}"
    if before.status != after.status:
        suspended = f"{who} is suspended: its connection closes and its mail is held."
        yield suspended if after.status == "suspended" else f"{who} is reinstated: mail held for it is delivered."
    yield from _listed(before.regions, after.regions, f"{who} joins region {{}}.", f"{who} leaves region {{}}.")
    yield from _fields(before, after, f"{who}:", ("name", "country", "timezone", "contact"))


def _opens(operation: Operation) -> str:
    members = operation.participants
    who = "every agency" if members is None else f"{len(members)} agencies"
    when = f"from {day(operation.starts)} to {day(operation.ends - 1)}"
    return f"Operation {operation.id} opens: {operation.name}, {when}, hosted by {operation.host}, for {who}."


def _closes(operation: Operation) -> str:
    return f"Operation {operation.id} is closed: nothing can be sent under it any more."


def _operation(before: Operation, after: Operation) -> Iterator[str]:
    what = f"Operation {after.id}"
    if before.starts != after.starts:
        yield f"{what} begins on {day(after.starts)} instead of {day(before.starts)}."
    if before.ends != after.ends:
        yield f"{what} ends on {day(after.ends - 1)} instead of {day(before.ends - 1)}."
    if before.participants is None or after.participants is None:
        if before.participants != after.participants:
            now = after.participants
            yield f"{what} is now for {'every agency' if now is None else ', '.join(now)}."
    else:
        joins, leaves = f"Agency {{}} joins operation {after.id}.", f"Agency {{}} leaves operation {after.id}."
        yield from _listed(before.participants, after.participants, joins, leaves)
    yield from _fields(before, after, f"{what}:", ("name", "host"))


def _rule_comes(rule: Rule) -> str:
    return f"Rule {rule.id} is new ({rule.effect}): {rule.reason}."


def _rule_goes(rule: Rule) -> str:
    return f"Rule {rule.id} ({rule.effect}) is dropped."


def _rule(before: Rule, after: Rule) -> Iterator[str]:
    old, new = rule_to_json(before), rule_to_json(after)
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield f"Rule {after.id}: {name} is {_plain(new.get(name))} instead of {_plain(old.get(name))}."


def _auditor_comes(auditor: Auditor) -> str:
    return f"Auditor {auditor.id} may read the whole log: {auditor.name}."


def _auditor_goes(auditor: Auditor) -> str:
    return f"Auditor {auditor.id} may read the log no more."


def _purge_comes(order: PurgeOrder) -> str:
    return f"What the hub holds of alert {order.alert} is deleted: {order.basis}."


def _purge_goes(order: PurgeOrder) -> str:
    return f"The order to delete alert {order.alert} is dropped; what was deleted stays so."


def _purge(before: PurgeOrder, after: PurgeOrder) -> Iterator[str]:
    return _fields(before, after, f"The order to delete alert {after.alert}:", ("basis",))


def _broker_comes(broker: Broker) -> str:
    sealing = f", with the sealing key {ids.key_id(broker.sealing).hex()}" if broker.sealing else ""
    return f"Hub {broker.id} is new{sealing}."


def _broker_goes(broker: Broker) -> str:
    return f"Hub {broker.id} is dropped."


def _broker(before: Broker, after: Broker) -> Iterator[str]:
    yield from _pins(before, after)
    if before.sealing != after.sealing:
        key = f"the key {ids.key_id(after.sealing).hex()}" if after.sealing else "no key"
        yield f"Hub {after.id}: files on removable media are sealed for {key}."


def _pins(before: Auditor | Broker, after: Auditor | Broker) -> Iterator[str]:
    old, new = ([pin.hex() for pin in party.tls] for party in (before, after))
    yield from _listed(
        old, new, f"{after.id} may use the certificate {{}}.", f"{after.id}: certificate {{}} is dropped."
    )
    if isinstance(before, Auditor):
        yield from _fields(before, after, f"Auditor {after.id}:", ("name",))


# -- the agencies' own keys --------------------------------------------------------------------------------------------


def _administration(before: Governed | None, after: Governed) -> Iterator[str]:
    known = before.administrators if before is not None else {}
    for agency, quorum in after.administrators.items():
        if agency in known:
            yield from _quorum(
                known[agency], quorum, f"Administrator {{}} of {agency}", f"administrators sign for {agency}"
            )
        else:
            yield f"The keys of {agency} are signed by {quorum}: {_names(quorum)}."


def _all_keys(before: Mapping[str, AgencyKeys], after: Governed) -> Iterator[str]:
    for agency in sorted(after.administrators):
        if agency in after.keys:
            old = before.get(agency) or AgencyKeys(agency, (), (), ())
            yield from _keys(old, after.keys[agency])
        elif agency in before:
            yield f"The keys of {agency} stop counting until its administrators sign them anew: it is cut off."
        else:
            yield f"Agency {agency} has no keys yet and cannot connect."


def _keys(before: AgencyKeys, after: AgencyKeys) -> Iterator[str]:
    yield from _records(f"Agency {after.agency}: signing key", before.signing, after.signing)
    yield from _records(f"Agency {after.agency}: sealing key", before.sealing, after.sealing)
    who = f"Agency {after.agency}:"
    old, new = ([pin.hex() for pin in keys.tls] for keys in (before, after))
    yield from _listed(old, new, f"{who} certificate {{}} is new.", f"{who} certificate {{}} is dropped.")
    old, new = ([f"{w.type} {w.public.hex()[:64]}" for w in keys.witness] for keys in (before, after))
    yield from _listed(old, new, f"{who} witness key {{}} is new.", f"{who} witness key {{}} is dropped.")
    yield from _items(
        {contact.id: contact for contact in before.contacts},
        {contact.id: contact for contact in after.contacts},
        lambda contact: f"{who} contact {contact.id} is new, at {contact.url} with the key {contact.pin.hex()}.",
        lambda contact: f"{who} contact {contact.id} is dropped.",
        lambda was, now: _fields(was, now, f"{who} contact {now.id}:", ("url", "pin")),
    )


def _records(what: str, before: Sequence[KeyRecord], after: Sequence[KeyRecord]) -> Iterator[str]:
    old, new = ({record.key_id: record for record in records} for records in (before, after))
    yield from (f"{what} {key_id.hex()} is dropped." for key_id in old if key_id not in new)
    for key_id, record in new.items():
        if key_id not in old:
            yield f"{what} {key_id.hex()} is new, from {day(record.not_before)} to {day(record.not_after)}."
        elif old[key_id] != record:
            until = f"{record.status}, from {day(record.not_before)} to {day(record.not_after)}"
            yield f"{what} {key_id.hex()} is now {until}."


# -- words -------------------------------------------------------------------------------------------------------------


def _fields(before: object, after: object, what: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{what} {name.replace('_', ' ')} is {_plain(new)} instead of {_plain(old)}."


def _listed(before: Sequence[str], after: Sequence[str], comes: str, goes: str) -> Iterator[str]:
    yield from (goes.format(item) for item in before if item not in after)
    yield from (comes.format(item) for item in after if item not in before)


def _plain(value: Value | ByPrecedence) -> str:
    match value:
        case ByPrecedence():
            return ", ".join(f"{name} {number}" for name, number in value._asdict().items())
        case None:
            return "nothing"
        case True:
            return "yes"
        case dict():
            return "; ".join(f"{name} {_plain(v)}" for name, v in value.items()) or "anything"
        case list():
            return ", ".join(map(_plain, value))
        case bytes():
            return value.hex()
    return str(value)
