"""The header's map as it is encoded, and good headers read from it in few steps.

msgspec checks types, lengths and ranges in C while it decodes; that a key stands twice, in another place or in a longer
form shows when the very same type is encoded again. What passes both and `_is_good` is good beyond doubt; the faults of
anything else are named by `schemas.envelope.header`, which reads field by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter, lt
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from schemas.alert import codes
from schemas.envelope.words import RELATIONS
from schemas.ids import AGENCY_IDS, DIGEST_SIZE, ID_SIZE, KEY_ID_SIZE, is_id, is_slug
from schemas.limits import (
    MAX_ADDRESSES,
    MAX_ATTACHMENT,
    MAX_ATTACHMENTS,
    MAX_BODY,
    MAX_EXPIRY_MS,
    MAX_HEADER,
    MAX_INDEX,
    MAX_RECIPIENTS,
    MAX_TIME_MS,
)
from schemas.routing.address import ADDRESSES
from schemas.typed import Form

VERSION: Final = 1
SUITE: Final = 1
"""Ed25519, X-Wing under HPKE, ChaCha20-Poly1305, BLAKE2b, SHA-256."""
OPENER_ID_SIZE: Final = 16
WRAP_SIZE: Final = 48
"""A 32-byte content key and the Poly1305 tag."""

_Id = Annotated[bytes, Meta(min_length=ID_SIZE, max_length=ID_SIZE)]
_Digest = Annotated[bytes, Meta(min_length=DIGEST_SIZE, max_length=DIGEST_SIZE)]
_Time = Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]


class Recipient(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One recipient: which opener starts the pair key, and the content key under it."""

    agency: str
    opener_id: Annotated[bytes, Meta(min_length=OPENER_ID_SIZE, max_length=OPENER_ID_SIZE)]
    wrap: Annotated[bytes, Meta(min_length=WRAP_SIZE, max_length=WRAP_SIZE)]


class Relation(NamedTuple):
    """What this alert is to an earlier one: a reply to it, a correction of it ..."""

    type: str
    alert: _Id


class AttachmentRef(NamedTuple):
    """A sealed attachment: SHA-256 and size of its ciphertext."""

    digest: _Digest
    size: Annotated[int, Meta(ge=1, le=MAX_ATTACHMENT)]


class HeaderWire(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of `schemas.envelope.header.Header`, in the order of the encoding."""

    address: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_ADDRESSES)]
    attachments: Annotated[tuple[AttachmentRef, ...], Meta(max_length=MAX_ATTACHMENTS)]
    body_digest: _Digest
    body_size: Annotated[int, Meta(ge=1, le=MAX_BODY)]
    commitment: _Digest
    created: _Time
    directory: Annotated[int, Meta(ge=1, le=MAX_INDEX)]
    expires: int
    id: _Id
    key: Annotated[bytes, Meta(min_length=KEY_ID_SIZE, max_length=KEY_ID_SIZE)]
    marking: codes.Marking
    modes: tuple[codes.Mode, ...]
    operation: str | None
    precedence: codes.Precedence
    recipients: Annotated[tuple[Recipient, ...], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    relation: Relation | None
    sender: str
    status: codes.Status
    subjects: tuple[codes.SubjectType, ...]
    suite: Literal[1]
    topic: codes.Kind
    version: Literal[1]


FIELDS: Final = HeaderWire.__struct_fields__
_form: Final = Form(HeaderWire, limit=MAX_HEADER)
encode_wire: Final = _form.encode
_agency: Final = attrgetter("agency")
_recipient: Final = attrgetter(*Recipient.__struct_fields__)
_LEAVES: Final = frozenset({str, bytes, int, type(None)})
_parts: Final = attrgetter(
    *(name for name in FIELDS if name not in {"address", "attachments", "modes", "recipients", "relation", "subjects"})
)


def read_good(data: bytes) -> HeaderWire | None:
    """The header in ``data`` if it is good beyond doubt; None if there may be anything wrong."""
    wire = _form.read(data)
    return wire if wire is not None and _is_good(wire) else None


def is_typed(wire: HeaderWire) -> bool:
    """Whether the parts have the very types they should have, not others of the same lengths and orders."""
    parts = chain(
        _parts(wire),
        wire.address,
        wire.modes,
        wire.subjects,
        wire.relation or (),
        chain.from_iterable(map(_recipient, wire.recipients)),
        chain.from_iterable(wire.attachments),
    )
    return _LEAVES.issuperset(map(type, parts))


def _is_good(wire: HeaderWire) -> bool:
    """Whether all holds that types, lengths and ranges do not say."""
    agencies = [*map(_agency, wire.recipients)]
    sender, address, relation, attachments = wire.sender, wire.address, wire.relation, wire.attachments
    return (
        is_id(wire.id)
        and wire.created < wire.expires <= wire.created + MAX_EXPIRY_MS
        and ascending(agencies)
        and sender not in agencies
        and AGENCY_IDS.all((sender, *agencies))
        and ADDRESSES.all(address)
        and len(set(address)) == len(address)
        and (wire.operation is None or is_slug(wire.operation))
        and ascending(wire.modes)
        and ascending(wire.subjects)
        and (relation is None or (relation.type in RELATIONS and is_id(relation.alert)))
        and (not attachments or len({attachment.digest for attachment in attachments}) == len(attachments))
    )


def ascending(values: Sequence[str]) -> bool:
    """Whether they are sorted, each once."""
    return all(map(lt, values, values[1:]))
