"""The clear header of an alert: all that the hub may know. See docs/spec/envelope.md.

A canonical map; the Ed25519 signature covers ``crossbearing/1/header\\0`` and the exact header bytes. A header object
that exists is complete and within all limits, whether it was decoded or is about to be encoded.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import astuple

from schemas.codec import Fields, Value, decode, encode
from schemas.envelope.header_wire import (
    FIELDS,
    OPENER_ID_SIZE,
    SUITE,
    VERSION,
    WRAP_SIZE,
    AttachmentRef,
    HeaderWire,
    Recipient,
    Relation,
    ascending,
    encode_wire,
    is_typed,
    read_good,
)
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
from schemas.ids import AGENCY_IDS, DIGEST_SIZE, ID_SIZE, KEY_ID_SIZE, check_agency_id, check_id, check_slug
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
from schemas.typed import unchecked

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

_SIGNED: Final = b"crossbearing/1/header\0"


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
        at = bisect_left(self.recipients, agency, key=_agency)
        found = self.recipients[at : at + 1]
        return found[0] if found and found[0].agency == agency else None

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
        _check(ascending(self.modes), "modes", "is not sorted, each once")
        _check(all(subject in SUBJECTS for subject in self.subjects), "subjects", "has an unknown type")
        _check(ascending(self.subjects), "subjects", "is not sorted, each once")
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
        _check(ascending(agencies), "recipients", "is not sorted by agency, each once")
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


_agency: Final = attrgetter("agency")
_parts: Final = attrgetter(*FIELDS)
_make: Final = unchecked(Header, FIELDS)


def encode_header(header: Header) -> bytes:
    """The canonical bytes of a header; the bounds of its fields keep them within MAX_HEADER."""
    wire = HeaderWire(*_parts(header))
    # A header is within all bounds, but may have been made of other types that have lengths and orders.
    return encode_wire(wire) if is_typed(wire) else encode(_wire(header))


def decode_header(data: bytes) -> Header:
    """Read a header strictly; only what `encode_header` writes passes.

    Raises `TooLarge`, `Truncated`, `NotCanonical`, `TooDeep` or `Malformed` naming the field.
    """
    wire = read_good(data)
    return _read(data) if wire is None else _make(astuple(wire))


def sign_header(header_bytes: bytes, key: SigningKey) -> bytes:
    """The sender's signature over exactly these header bytes."""
    return key.sign(_SIGNED + header_bytes)


def verify_header(header_bytes: bytes, signature: bytes, public: bytes) -> None:
    """Check the sender's signature over exactly these header bytes. Raises `BadSignature`."""
    verify(public, _SIGNED + header_bytes, signature)


def _wire(header: Header) -> dict[str, Value]:
    value: dict[str, Any] = dict(zip(FIELDS, _parts(header), strict=True))
    lists = {name: [*part] for name, part in value.items() if isinstance(part, tuple)}
    inner = {"recipients": [[*astuple(recipient)] for recipient in header.recipients]}
    return value | lists | inner | {"attachments": [[*attachment] for attachment in header.attachments]}


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


def _check(holds: bool, field: str, otherwise: str) -> None:
    if not holds:
        raise _wrong(field, otherwise)


def _wrong(field: str, what: str) -> Malformed:
    return Malformed(f"header.{field} {what}", field=f"header.{field}")
