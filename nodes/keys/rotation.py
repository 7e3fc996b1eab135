"""The next key document of an agency, from the one in force: a new key added, an overlap ended, a lost key replaced.

Pure: what is held and what time it is are arguments. The state of a rotation is nowhere written down; it follows from
the keys held here and the document in force. A key held last and not yet listed is one whose rotation has begun, so a
rotation that was interrupted anywhere goes on when it is asked for again.

Signing and sealing keys carry their dates. Rotation lets the old one end after the overlap by itself; the rotation
after that marks it retired, and one that ended 400 days ago is left out. Pins and witness keys have no dates: a
rotation keeps the one in use beside the new one, and retiring ends that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from nodes.keystore import Seeds
from schemas.directory.agency_keys import AgencyKeys, KeyRecord, WitnessRecord
from schemas.errors import KeyNotValid, UnknownKey
from schemas.keys import MlDsaKey, SealingKey, SigningKey, WitnessKey
from schemas.limits import CLOCK_SKEW_MS

Kind = Literal["signing", "sealing", "tls", "witness"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

DAY_MS: Final = 86_400_000
OVERLAP_MS: Final = 7 * DAY_MS
"""How long an old key stays good beside the new one: a node that is offline for a week needs no help."""
LIFE_MS: Final = 730 * DAY_MS
"""How long new keys and the metadata that vouches for them are good."""
REMEMBER_MS: Final = 400 * DAY_MS
"""How long an ended key stays listed: longer than the longest life of an alert, so that its end can be looked up."""


@dataclass(frozen=True, slots=True)
class Held:
    """The public side of what a node holds, of each kind the newest last; `tls` is the pin in use, then the next."""

    agency: str
    signing: tuple[bytes, ...]
    sealing: tuple[bytes, ...]
    tls: tuple[bytes, ...]
    witness: tuple[WitnessRecord, ...]
    """The newest Ed25519 key and the newest ML-DSA-44 key, as far as there are any."""

    def newest(self, kind: Literal["signing", "sealing"]) -> bytes:
        """The newest key of a kind."""
        return (self.signing if kind == "signing" else self.sealing)[-1]


def held_keys(seeds: Seeds, pins: Sequence[bytes]) -> Held:
    """The public keys of a keystore, with the pins of its certificate keys."""
    witness = [WitnessRecord("ed25519", WitnessKey(seed).public) for seed in seeds.witness[-1:]]
    witness += [WitnessRecord("ml-dsa-44", MlDsaKey(seed).public) for seed in seeds.witness_pq[-1:]]
    return Held(
        agency=seeds.agency,
        signing=tuple(SigningKey(seed).public for seed in seeds.signing),
        sealing=tuple(SealingKey(seed).public for seed in seeds.sealing),
        tls=tuple(pins),
        witness=tuple(witness),
    )


def is_staged(kind: Kind, held: Held, listed: AgencyKeys) -> bool:
    """Whether a new key of this kind is held already and only waits to be published."""
    if kind == "tls":
        return held.tls[-1] not in listed.tls
    if kind == "witness":
        return bool(held.witness) and not set(held.witness) & set(listed.witness)
    records = listed.signing if kind == "signing" else listed.sealing
    return held.newest(kind) not in {record.public for record in records}


def rotated(
    listed: AgencyKeys, kinds: Sequence[Kind], held: Held, *, now: int, overlap: int = OVERLAP_MS, life: int = LIFE_MS
) -> AgencyKeys:
    """The document with the newest key held of each of `kinds` added, and the ones before it ending after `overlap`."""
    ends = now + overlap
    changed = listed
    if "signing" in kinds:
        changed = replace(changed, signing=_succeeded(listed.signing, held.newest("signing"), now, ends, life))
    if "sealing" in kinds:
        changed = replace(changed, sealing=_succeeded(listed.sealing, held.newest("sealing"), now, ends, life))
    if "tls" in kinds:
        changed = replace(changed, tls=tuple(dict.fromkeys(held.tls)))
    if "witness" in kinds:
        types = {record.type for record in held.witness}
        before = {record.type: record for record in listed.witness}  # the newest of each type
        kept = [record for record in before.values() if record.type in types and record not in held.witness]
        changed = replace(changed, witness=(*kept, *held.witness))
    return changed


def retired(listed: AgencyKeys, kinds: Sequence[Kind], held: Held, *, now: int) -> AgencyKeys:
    """The document in which every overlap of `kinds` is over at once. Raises `KeyNotValid` if nothing would be left."""
    changed = listed
    if "signing" in kinds:
        changed = replace(changed, signing=_only_newest(listed.signing, now, "signing"))
    if "sealing" in kinds:
        changed = replace(changed, sealing=_only_newest(listed.sealing, now, "sealing"))
    if "tls" in kinds:
        changed = replace(changed, tls=held.tls[:1])
    if "witness" in kinds:
        newest = {record.type: record for record in listed.witness}
        changed = replace(changed, witness=tuple(newest.values()))
    return changed


def replaced(
    listed: AgencyKeys | None, kinds: Sequence[Kind], held: Held, *, now: int, life: int = LIFE_MS
) -> AgencyKeys:
    """The document after a loss: of `kinds` the newest key held and no other is good, from this moment on.

    Without a document in force (`listed` None: this home never met the hub) all kinds are new.
    """
    if listed is None:
        listed, kinds = AgencyKeys(held.agency, (), (), ()), KINDS
    changed = rotated(listed, kinds, held, now=now, overlap=0, life=life)
    if "signing" in kinds:
        changed = replace(changed, signing=_only(changed.signing, held.newest("signing")))
    if "sealing" in kinds:
        changed = replace(changed, sealing=_only(changed.sealing, held.newest("sealing")))
    if "tls" in kinds:
        changed = replace(changed, tls=held.tls[-1:])
    if "witness" in kinds:
        changed = replace(changed, witness=held.witness)
    return changed


def check_holds(document: AgencyKeys, held: Held, *, now: int) -> None:
    """Refuse a document that would have partners use keys this node does not hold.

    Raises `UnknownKey`, or `KeyNotValid` when a kind would be without a valid key.
    """
    for kind, records, mine in (
        ("signing", document.signing, held.signing),
        ("sealing", document.sealing, held.sealing),
    ):
        newest = newest_valid(records, now, kind)
        if newest.public not in mine:
            raise UnknownKey(
                f"the newest {kind} key of the document, {newest.key_id.hex()}, is not held by this node",
                hint="Run `bearing keys rotate` here; it drafts a document of the keys that are held.",
            )
    if not set(document.tls) & set(held.tls):
        raise UnknownKey(
            "the document lists none of the certificate keys of this node, which would lock it out of the hub",
            hint="Draft it again with `bearing keys rotate` or `bearing keys emergency` on this node.",
        )


def newest_valid(records: Sequence[KeyRecord], now: int, kind: str) -> KeyRecord:
    """The key that is used now. Raises `KeyNotValid`."""
    valid = [record for record in records if record.valid(now)]
    if not valid:
        raise KeyNotValid(f"no {kind} key of the document is valid", hint="Make one: bearing keys rotate.")
    return max(valid, key=lambda record: (record.not_before, record.key_id))


def _succeeded(records: Sequence[KeyRecord], public: bytes, now: int, ends: int, life: int) -> tuple[KeyRecord, ...]:
    others = [record for record in records if record.public != public and record.not_after > now - REMEMBER_MS]
    # A little in the past, so that no clock a few minutes behind refuses the new key.
    starts = max([now - CLOCK_SKEW_MS, *(record.not_before + 1_000 for record in others)])
    new = KeyRecord(public, _second(starts), _second(now + life))
    return (*(_ending(record, now, ends) for record in others), new)


def _ending(record: KeyRecord, now: int, ends: int) -> KeyRecord:
    if record.not_after <= now:
        return replace(record, status="retired")
    return replace(record, not_after=max(record.not_before + 1_000, min(record.not_after, _second(ends))))


def _only_newest(records: Sequence[KeyRecord], now: int, kind: str) -> tuple[KeyRecord, ...]:
    return _only(records, newest_valid(records, now, kind).public)


def _only(records: Sequence[KeyRecord], public: bytes) -> tuple[KeyRecord, ...]:
    return tuple(record if record.public == public else replace(record, status="retired") for record in records)


def _second(ms: int) -> int:
    return ms - ms % 1_000
