"""The clear header of an alert: all that the hub may know. See docs/spec/envelope.md.

A canonical map; the Ed25519 signature covers ``crossbearing/1/header\\0`` and the exact header bytes. A header object
that exists is complete and within all limits, whether it was decoded or is about to be encoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise, product
from typing import Any, Final, NamedTuple

import msgpack

from schemas.codec import Fields, Value, decode, encode, pack
from schemas.envelope.words import (
    MARKINGS,
    MODES,
    PRECEDENCE_RANK,
    PRECEDENCES,
    RELATIONS,
    STATUSES,
    SUBJECTS,
    TOPICS,
)
from schemas.errors import BadAddress, BadId, Malformed
from schemas.ids import (
    AGENCY_IDS,
    DIGEST_SIZE,
    ID_SIZE,
    KEY_ID_SIZE,
    check_agency_id,
    check_id,
    check_slug,
    is_id,
    is_slug,
)
from schemas.keys import SigningKey, verify
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
from schemas.routing.address import ADDRESSES, parse_address

__all__ = [
    "PRECEDENCE_RANK",
    "AttachmentRef",
    "Header",
    "Recipient",
    "Relation",
    "decode_header",
    "encode_header",
    "sign_header",
    "verify_header",
]

VERSION: Final = 1
SUITE: Final = 1
"""Ed25519, X-Wing under HPKE, ChaCha20-Poly1305, BLAKE2b, SHA-256."""
OPENER_ID_SIZE: Final = 16
WRAP_SIZE: Final = 48
"""A 32-byte content key and the Poly1305 tag."""

_SIGNED: Final = b"crossbearing/1/header\0"


class Recipient(NamedTuple):
    """One recipient: which opener starts the pair key, and the content key under it."""

    agency: str
    opener_id: bytes
    wrap: bytes


class Relation(NamedTuple):
    """What this alert is to an earlier one: a reply to it, a correction of it ..."""

    type: str
    alert: bytes


class AttachmentRef(NamedTuple):
    """A sealed attachment: SHA-256 and size of its ciphertext."""

    digest: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The clear header. Times in ms. Raises `Malformed` (or `BadId`, `BadAddress`) if a field breaks its bounds."""

    version: int = VERSION
    suite: int = SUITE
    id: bytes
    sender: str
    key: bytes
    """Id of the signing key."""
    directory: int
    """Version of the directory it was resolved and sealed under."""
    created: int
    """Time of sealing."""
    expires: int
    precedence: str
    marking: str
    topic: str
    status: str
    operation: str | None
    modes: tuple[str, ...]
    """Sorted, each once."""
    subjects: tuple[str, ...]
    """Those types of the alert's subjects on which a standing request's copy rests; sorted, each once."""
    address: tuple[str, ...]
    """As the sender wrote it, in wire form."""
    relation: Relation | None
    recipients: tuple[Recipient, ...]
    """Sorted by agency; the sender is not among them."""
    commitment: bytes
    body_digest: bytes
    body_size: int
    attachments: tuple[AttachmentRef, ...]

    def recipient(self, agency: str) -> Recipient | None:
        """The recipient of that name, if it is one."""
        return next((_new_recipient(parts) for parts in _get_recipients(self) if parts[0] == agency), None)

    def __post_init__(self) -> None:
        if self.version != VERSION or self.suite != SUITE:
            raise _wrong("version", f"version {self.version} with suite {self.suite} is not known here")
        check_id(self.id)
        check_agency_id(self.sender)
        _check(len(self.key) == KEY_ID_SIZE, "key", f"is not {KEY_ID_SIZE} bytes long")
        _check(1 <= self.directory <= MAX_INDEX, "directory", "is not a directory version")
        _check(0 <= self.created <= MAX_TIME_MS, "created", "is not a time")
        _check(
            self.created < self.expires <= self.created + MAX_EXPIRY_MS, "expires", "is not within a year of created"
        )
        self._check_words()
        self._check_parties()
        if self.relation is not None:
            _check(self.relation.type in RELATIONS, "relation", f"is none of {', '.join(RELATIONS)}")
            check_id(self.relation.alert)
        _check(len(self.commitment) == DIGEST_SIZE, "commitment", f"is not {DIGEST_SIZE} bytes long")
        _check(len(self.body_digest) == DIGEST_SIZE, "body_digest", f"is not {DIGEST_SIZE} bytes long")
        _check(1 <= self.body_size <= MAX_BODY, "body_size", f"is not within 1 and {MAX_BODY}")
        self._check_attachments()

    def _check_words(self) -> None:
        for name, word, words in (
            ("precedence", self.precedence, PRECEDENCES),
            ("marking", self.marking, MARKINGS),
            ("topic", self.topic, TOPICS),
            ("status", self.status, STATUSES),
        ):
            _check(word in words, name, f"is none of {', '.join(words)}")
        _check(all(mode in MODES for mode in self.modes), "modes", f"has more than {', '.join(MODES)}")
        _check(_ascending(self.modes), "modes", "is not sorted, each once")
        _check(all(subject in SUBJECTS for subject in self.subjects), "subjects", "has an unknown type")
        _check(_ascending(self.subjects), "subjects", "is not sorted, each once")
        if self.operation is not None:
            check_slug(self.operation)

    def _check_parties(self) -> None:
        _check(1 <= len(self.address) <= MAX_ADDRESSES, "address", f"does not hold 1 to {MAX_ADDRESSES} addresses")
        _check(len(set(self.address)) == len(self.address), "address", "names something twice")
        if not ADDRESSES.all(self.address):
            for address in self.address:
                parse_address(address)
        agencies = [recipient.agency for recipient in self.recipients]
        _check(1 <= len(agencies) <= MAX_RECIPIENTS, "recipients", f"does not hold 1 to {MAX_RECIPIENTS} recipients")
        _check(_ascending(agencies), "recipients", "is not sorted by agency, each once")
        _check(self.sender not in agencies, "recipients", "holds the sender")
        sizes = {(len(recipient.opener_id), len(recipient.wrap)) for recipient in self.recipients}
        if sizes == {(OPENER_ID_SIZE, WRAP_SIZE)} and AGENCY_IDS.all(agencies):
            return
        for recipient in self.recipients:
            check_agency_id(recipient.agency)
            _check(len(recipient.opener_id) == OPENER_ID_SIZE, "recipients", "has an opener id of another length")
            _check(len(recipient.wrap) == WRAP_SIZE, "recipients", "has a wrap of another length")

    def _check_attachments(self) -> None:
        _check(len(self.attachments) <= MAX_ATTACHMENTS, "attachments", f"holds more than {MAX_ATTACHMENTS}")
        _check(
            len({attachment.digest for attachment in self.attachments}) == len(self.attachments),
            "attachments",
            "names one twice",
        )
        for attachment in self.attachments:
            _check(len(attachment.digest) == DIGEST_SIZE, "attachments", "has a digest of another length")
            _check(1 <= attachment.size <= MAX_ATTACHMENT, "attachments", f"has a size over {MAX_ATTACHMENT}")


_new_recipient: Final = partial(tuple.__new__, Recipient)
_get_recipients: Final = getattr(Header, "recipients").__get__  # noqa: B009  # a slot, which is no attribute of the type to the type checker
_set_recipients: Final = getattr(Header, "recipients").__set__  # noqa: B009


def _recipients(header: Header) -> tuple[Recipient, ...]:
    """As given; or, of a header that was decoded, made of their parts once somebody asks for all of them."""
    held: Any = _get_recipients(header)
    if type(held) is not list:
        given: tuple[Recipient, ...] = held
        return given
    made: tuple[Recipient, ...] = tuple(map(_new_recipient, held))
    _set_recipients(header, made)
    return made


setattr(Header, "recipients", property(_recipients, _set_recipients))  # noqa: B010  # still a field to the type checker


def encode_header(header: Header) -> bytes:
    """The canonical bytes of a header; the bounds of its fields keep them within MAX_HEADER."""
    recipients, attachments = [[*parts] for parts in header.recipients], [[*parts] for parts in header.attachments]
    value: dict[str, Any] = {
        "address": [*header.address],
        "attachments": attachments,
        "body_digest": header.body_digest,
        "body_size": header.body_size,
        "commitment": header.commitment,
        "created": header.created,
        "directory": header.directory,
        "expires": header.expires,
        "id": header.id,
        "key": header.key,
        "marking": header.marking,
        "modes": [*header.modes],
        "operation": header.operation,
        "precedence": header.precedence,
        "recipients": recipients,
        "relation": [*header.relation] if header.relation is not None else None,
        "sender": header.sender,
        "status": header.status,
        "subjects": [*header.subjects],
        "suite": header.suite,
        "topic": header.topic,
        "version": header.version,
    }
    # A header is within all bounds, but may have been made of other types that have lengths and orders.
    parts = chain(header.address, header.relation or (), *recipients, *attachments)
    typed = tuple(map(type, value.values())) in _TYPES and _LEAVES.issuperset(map(type, parts))
    return pack(value) if typed else encode(value)


def decode_header(data: bytes) -> Header:
    """Read a header strictly; only what `encode_header` writes passes.

    Raises `TooLarge`, `Truncated`, `NotCanonical`, `TooDeep` or `Malformed` naming the field.
    """
    return _read_good(data) or _read(data)


def sign_header(header_bytes: bytes, key: SigningKey) -> bytes:
    """The sender's signature over exactly these header bytes."""
    return key.sign(_SIGNED + header_bytes)


def verify_header(header_bytes: bytes, signature: bytes, public: bytes) -> None:
    """Check the sender's signature over exactly these header bytes. Raises `BadSignature`."""
    verify(public, _SIGNED + header_bytes, signature)


# -- reading what is wrong, field by field -----------------------------------------------------------------------------


def _read(data: bytes) -> Header:
    fields = Fields(decode(data, max_size=MAX_HEADER, max_depth=3), "header")
    try:
        header = Header(
            version=fields.integer("version"),
            suite=fields.integer("suite"),
            id=fields.blob("id", size=ID_SIZE),
            sender=fields.text("sender"),
            key=fields.blob("key", size=KEY_ID_SIZE),
            directory=fields.integer("directory"),
            created=fields.integer("created"),
            expires=fields.integer("expires"),
            precedence=fields.text("precedence"),
            marking=fields.text("marking"),
            topic=fields.text("topic"),
            status=fields.text("status"),
            operation=fields.optional_text("operation"),
            modes=fields.texts("modes"),
            subjects=fields.texts("subjects"),
            address=fields.texts("address"),
            relation=_relation(fields.value("relation")),
            recipients=tuple(_recipient(value) for value in fields.items("recipients")),
            commitment=fields.blob("commitment"),
            body_digest=fields.blob("body_digest"),
            body_size=fields.integer("body_size"),
            attachments=tuple(_attachment(value) for value in fields.items("attachments")),
        )
    except (BadId, BadAddress) as error:
        raise Malformed(f"header: {error.message}") from error
    fields.done()
    return header


def _relation(value: Value) -> Relation | None:
    match value:
        case None:
            return None
        case [str(kind), bytes(alert)]:
            return Relation(kind, alert)
    raise _wrong("relation", "is neither nil nor a type and an id")


def _recipient(value: Value) -> Recipient:
    match value:
        case [str(agency), bytes(opener_id), bytes(wrapped)]:
            return Recipient(agency, opener_id, wrapped)
    raise _wrong("recipients", "holds something else than agency, opener id and wrap")


def _attachment(value: Value) -> AttachmentRef:
    match value:
        case [bytes(digest), int(size)] if not isinstance(size, bool):
            return AttachmentRef(digest, size)
    raise _wrong("attachments", "holds something else than digest and size")


def _ascending(values: Iterable[str]) -> bool:
    return all(first < second for first, second in pairwise(values))


def _check(holds: bool, field: str, otherwise: str) -> None:
    if not holds:
        raise _wrong(field, otherwise)


def _wrong(field: str, what: str) -> Malformed:
    return Malformed(f"header.{field} {what}", field=f"header.{field}")


# -- reading what is good, a list at a time ----------------------------------------------------------------------------

_FIELDS: Final[tuple[tuple[str, tuple[type, ...]], ...]] = (
    ("address", (list,)),
    ("attachments", (list,)),
    ("body_digest", (bytes,)),
    ("body_size", (int,)),
    ("commitment", (bytes,)),
    ("created", (int,)),
    ("directory", (int,)),
    ("expires", (int,)),
    ("id", (bytes,)),
    ("key", (bytes,)),
    ("marking", (str,)),
    ("modes", (list,)),
    ("operation", (str, type(None))),
    ("precedence", (str,)),
    ("recipients", (list,)),
    ("relation", (list, type(None))),
    ("sender", (str,)),
    ("status", (str,)),
    ("subjects", (list,)),
    ("suite", (int,)),
    ("topic", (str,)),
    ("version", (int,)),
)
"""Each with its types, in the order of the encoding."""
_LEAVES: Final = frozenset({str, bytes, int})
_ORDER: Final = tuple(name for name, _ in _FIELDS)
_TYPES: Final = frozenset(product(*(types for _, types in _FIELDS)))
_LONGEST: Final = 2 * MAX_RECIPIENTS
"""Items of a list that msgpack makes room for: more than any may have, so that those that are too long are seen."""
_SETTERS: Final = tuple(_set_recipients if name == "recipients" else getattr(Header, name).__set__ for name in _ORDER)
"""They set a field of a header that nobody has seen yet; afterwards it is frozen."""


def _read_good(data: bytes) -> Header | None:
    """The header in ``data`` if it is good beyond doubt; None if there may be anything wrong, which `_read` then names.

    Everything that `_read` checks is checked here again, at a tenth of its cost.
    """
    if len(data) > MAX_HEADER:
        return None
    try:
        value = msgpack.unpackb(data, max_array_len=_LONGEST, max_map_len=len(_ORDER), max_ext_len=0)
    except ValueError:
        return None
    if type(value) is not dict or tuple(value) != _ORDER or tuple(map(type, value.values())) not in _TYPES:
        return None
    (
        address,
        attachments,
        body_digest,
        body_size,
        commitment,
        created,
        directory,
        expires,
        alert_id,
        key,
        marking,
        modes,
        operation,
        precedence,
        recipients,
        relation,
        sender,
        status,
        subjects,
        suite,
        topic,
        version,
    ) = value.values()
    good = (
        version == VERSION
        and suite == SUITE
        and is_id(alert_id)
        and AGENCY_IDS.all((sender,))
        and len(key) == KEY_ID_SIZE
        and 1 <= directory <= MAX_INDEX
        and 0 <= created <= MAX_TIME_MS
        and created < expires <= created + MAX_EXPIRY_MS
        and precedence in PRECEDENCES
        and marking in MARKINGS
        and topic in TOPICS
        and status in STATUSES
        and (operation is None or is_slug(operation))
        and (not modes or _good_words(modes, MODES))
        and (not subjects or _good_words(subjects, SUBJECTS))
        and _good_address(address)
        and (relation is None or _good_relation(relation))
        and _good_recipients(recipients, sender)
        and len(commitment) == DIGEST_SIZE
        and len(body_digest) == DIGEST_SIZE
        and 1 <= body_size <= MAX_BODY
        and _good_attachments(attachments)
        and pack(value) == data
    )
    if not good:
        return None
    header = object.__new__(Header)
    value["address"] = tuple(address)
    value["modes"] = tuple(modes)
    value["subjects"] = tuple(subjects)
    value["attachments"] = tuple(map(AttachmentRef._make, attachments))
    value["relation"] = None if relation is None else Relation._make(relation)
    for setter, part in zip(_SETTERS, value.values(), strict=True):
        setter(header, part)
    return header


def _good_words(values: list[Any], words: tuple[str, ...]) -> bool:
    return set(map(type, values)) == {str} and set(words).issuperset(values) and _ascending(values)


def _good_address(values: list[Any]) -> bool:
    return (
        len(values) <= MAX_ADDRESSES
        and set(map(type, values)) == {str}
        and len(set(values)) == len(values)
        and ADDRESSES.all(values)
    )


def _good_relation(value: list[Any]) -> bool:
    return list(map(type, value)) == [str, bytes] and value[0] in RELATIONS and is_id(value[1])


def _good_recipients(values: list[Any], sender: str) -> bool:
    last = ""
    for value in values:
        if type(value) is not list or len(value) != len(Recipient._fields):
            return False
        agency, opener_id, wrap = value
        if not (
            type(agency) is str
            and last < agency
            and type(opener_id) is bytes
            and len(opener_id) == OPENER_ID_SIZE
            and type(wrap) is bytes
            and len(wrap) == WRAP_SIZE
        ):
            return False
        last = agency
    agencies = [value[0] for value in values]
    return 1 <= len(values) <= MAX_RECIPIENTS and AGENCY_IDS.all(agencies) and sender not in agencies


def _good_attachments(values: list[Any]) -> bool:
    for value in values:
        if type(value) is not list or list(map(type, value)) != [bytes, int]:
            return False
        if len(value[0]) != DIGEST_SIZE or not 1 <= value[1] <= MAX_ATTACHMENT:
            return False
    return len(values) <= MAX_ATTACHMENTS and len({value[0] for value in values}) == len(values)
