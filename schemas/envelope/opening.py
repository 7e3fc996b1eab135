"""Opening an alert: eleven numbered steps between bytes from the hub and an alert that may be shown.

    1   entry and header decode strictly
    2   the checkpoint is signed by a log key and consistent with the last one held
    3   the entry is included in it
    4   sender and signing key are valid in the directory in force at the entry's index
    5   the header's signature verifies
    6   this agency is a recipient
    7   the opener is known, was fetched, or opens
    8   the content key unwraps and matches the commitment
    9   the body has the digest named, decrypts, and is padded as the format says
    10  what the body says of itself equals the header
    11  the alert fits its schema

Step 2 is taken once for many alerts, by `trust_checkpoint`. A refusal carries the number of its step in its context.
The same numbers stand in docs/spec/envelope.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from msgspec import Struct

from schemas.alert.document import Alert, alert_from_wire
from schemas.codec import Value
from schemas.directory.history import Directory, DirectoryHistory
from schemas.envelope.body import commitment, open_body
from schemas.envelope.carriage import verify_carried
from schemas.envelope.header import Header, Recipient, decode_header, verify_header
from schemas.envelope.opener import unwrap
from schemas.errors import (
    BadEntry,
    BadProof,
    BodyUnreadable,
    CheckpointUntrusted,
    CommitmentMismatch,
    Fork,
    InnerMismatch,
    NotIncluded,
    NotRecipient,
    Refusal,
    Suspended,
    WrongDirectory,
)
from schemas.ids import format_id, sha256
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.entry import AlertEntry, Entry, decode_entry
from schemas.log.inclusion import InclusionChecker
from schemas.log.merkle import leaf_hash, verify_consistency
from schemas.log.note import NoteKey
from schemas.routing.resolve import disclosed_in
from schemas.steps import step

STEPS: Final = {
    1: "entry and header decode strictly",
    2: "the checkpoint is signed by a log key and consistent with the last one held",
    3: "the entry is included in it",
    4: "sender and signing key are valid in the directory in force at the entry's index",
    5: "the header's signature verifies",
    6: "this agency is a recipient",
    7: "the opener is known, was fetched, or opens",
    8: "the content key unwraps and matches the commitment",
    9: "the body has the digest named, decrypts, and is padded as the format says",
    10: "what the body says of itself equals the header",
    11: "the alert fits its schema",
}

SecretFor = Callable[[bytes, str, bytes], bytes]
"""``(opener id, sender, sender's signing key id)`` to the pair secret; raises `OpenerUnknown`."""

_VERIFIED: Final = object()
"""Known to this module alone, so that what must not exist unverified is made nowhere else."""


@dataclass(frozen=True, slots=True)
class TrustedCheckpoint:
    """A checkpoint that passed step 2, with its signed note. Made by `trust_checkpoint` only."""

    checkpoint: Checkpoint
    note: bytes
    _proof: object = field(default=None, repr=False, compare=False)
    inclusion: InclusionChecker = field(init=False, repr=False, compare=False)
    """Proves that entries are in it."""

    def __post_init__(self) -> None:
        _only_verified(self._proof)
        object.__setattr__(self, "inclusion", InclusionChecker(self.checkpoint.size, self.checkpoint.root))


class IncludedEntry(Struct, frozen=True):
    """An entry of any kind that passed steps 1 and 3, an alert's header apart. Made by `include_item` only."""

    index: int
    entry: Entry
    leaf: bytes
    """The leaf hash, which the receipt names."""
    _proof: object = None

    def __post_init__(self) -> None:
        _only_verified(self._proof)


class IncludedAlert(Struct, frozen=True):
    """An alert that passed steps 1 to 3, with its header read. Made by `read_included` and `open_alert` only."""

    index: int
    entry: AlertEntry
    header: Header
    leaf: bytes
    _proof: object = None

    def __post_init__(self) -> None:
        _only_verified(self._proof)


class OpenedAlert(Struct, frozen=True):
    """An alert that passed all eleven steps. Made by `open_alert` only."""

    index: int
    entry: AlertEntry
    header: Header
    alert: Alert
    leaf: bytes
    """The leaf hash, which the receipt names."""
    document: dict[str, Value]
    """The alert's wire map: what `schemas.alert.document.alert_to_wire` writes of it."""
    _proof: object = None

    def __post_init__(self) -> None:
        _only_verified(self._proof)


def trust_checkpoint(
    note: bytes, *, origin: str, keys: Sequence[NoteKey], held: Checkpoint, proof: Sequence[bytes]
) -> TrustedCheckpoint:
    """Step 2: the checkpoint in ``note``, if it is the log's and continues ``held`` by the consistency ``proof``.

    At the first contact ``held`` has size 0. Raises `CheckpointUntrusted`, `BadCheckpoint`, `BadSignature` or `Fork`.
    """
    with step(2):
        checkpoint = verify_checkpoint(note, origin, keys)
        if held.origin != origin:
            raise CheckpointUntrusted(f"the checkpoint held is of the log {held.origin}, not of {origin}")
        try:
            verify_consistency(held.size, held.root, checkpoint.size, checkpoint.root, proof)
        except BadProof as error:
            sizes = f"the checkpoint of size {checkpoint.size} does not continue the one of size {held.size}"
            raise Fork(f"{sizes}: {error.message}") from error
    return TrustedCheckpoint(checkpoint, note, _VERIFIED)


def verify_item(index: int, entry: bytes, path: Sequence[bytes], trusted: TrustedCheckpoint) -> Entry:
    """Steps 1 and 3 for an entry of any kind. Raises `BadEntry` or `NotIncluded`."""
    return include_item(index, entry, path, trusted).entry


def include_item(index: int, entry: bytes, path: Sequence[bytes], trusted: TrustedCheckpoint) -> IncludedEntry:
    """Steps 1 and 3 for an entry of any kind, kept for what follows. Raises `BadEntry` or `NotIncluded`."""
    with step(1):
        decoded = decode_entry(entry)
    leaf = leaf_hash(entry)
    with step(3):
        _check_included(index, leaf, path, trusted)
    return IncludedEntry(index, decoded, leaf, _VERIFIED)


def read_included(included: IncludedEntry) -> IncludedAlert:
    """The rest of step 1 for an alert that is in the log. Raises `BadEntry`, or what `decode_header` raises."""
    with step(1):
        entry, header = _read_alert(included.entry)
    return IncludedAlert(included.index, entry, header, included.leaf, _VERIFIED)


def open_alert(
    index: int,
    entry: bytes,
    path: Sequence[bytes],
    trusted: TrustedCheckpoint,
    *,
    history: DirectoryHistory,
    me: str,
    body: bytes,
    secret_for: SecretFor,
) -> OpenedAlert:
    """Open the alert that is entry ``index`` of the log, as the agency ``me``.

    ``body`` is the sealed body; ``secret_for`` gives our pair secret. Raises the refusal of the step that fails.
    """
    with step(1):
        decoded, header = _read_alert(decode_entry(entry))
    leaf = leaf_hash(entry)
    with step(3):
        _check_included(index, leaf, path, trusted)
    included = IncludedAlert(index, decoded, header, leaf, _VERIFIED)
    return open_included(included, history=history, me=me, body=body, secret_for=secret_for)


def open_included(
    included: IncludedAlert, *, history: DirectoryHistory, me: str, body: bytes, secret_for: SecretFor
) -> OpenedAlert:
    """Steps 4 to 11, for an alert that passed the others. Raises the refusal of the step that fails."""
    index, decoded, header = included.index, included.entry, included.header
    with step(4):
        public = sender_key(index, decoded, header, history)
    with step(5):
        verify_header(decoded.header, decoded.signature, public)
        if decoded.carried:
            verify_carried(decoded.header, decoded.carried, public)
    with step(6):
        recipient = _find_recipient(header, me)
    with step(7):
        secret = secret_for(recipient.opener_id, header.sender, header.key)
    with step(8):
        content_key = unwrap(secret, header.id, header.commitment, recipient.wrap)
        if commitment(content_key) != header.commitment:
            raise CommitmentMismatch("the content key is not the one that the header commits to")
    with step(9):
        if len(body) != header.body_size or sha256(body) != header.body_digest:
            raise BodyUnreadable("the body is not the one that the header names")
        inner = open_body(body, content_key)
    with step(10):
        wire = alert_inside(inner, header, history.version(header.directory))
    with step(11):
        alert = alert_from_wire(wire, size=len(body))
    return OpenedAlert(index, decoded, header, alert, included.leaf, wire, _VERIFIED)


def _read_alert(entry: Entry) -> tuple[AlertEntry, Header]:
    if not isinstance(entry, AlertEntry):
        raise BadEntry("the entry is not an alert")
    return entry, decode_header(entry.header)


def _check_included(index: int, leaf: bytes, path: Sequence[bytes], trusted: TrustedCheckpoint) -> None:
    try:
        trusted.inclusion.check(leaf, index, path)
    except BadProof as error:
        raise NotIncluded(error.message, index=index) from error


def sender_key(index: int, entry: AlertEntry, header: Header, history: DirectoryHistory) -> bytes:
    """The sender's key under the directory in force at the index; its validity counts at the time of entry."""
    directory = history.check_entry(index, entry)
    if header.directory > entry.directory:
        raise WrongDirectory(f"the alert was sealed under version {header.directory}, later than {entry.directory}")
    if not directory.is_active(directory.agency(header.sender).id):
        raise Suspended(f"{header.sender} was suspended at index {index}")
    return directory.signing_key(header.sender, header.key, entry.time)


def _find_recipient(header: Header, me: str) -> Recipient:
    recipient = header.recipient(me)
    if recipient is not None:
        return recipient
    raise NotRecipient(f"{me} is not among the {len(header.recipients)} recipients")


def alert_inside(inner: Value, header: Header, directory: Directory) -> dict[str, Value]:
    """The alert inside the body, if everything that the header repeats of it is the same there.

    ``directory`` is the version that the header was sealed under. Raises `InnerMismatch`.
    """
    if not isinstance(inner, dict) or inner.keys() != _INSIDE:
        raise InnerMismatch("the body is not an id, a sender and an alert")
    alert_id, sender, alert = inner["id"], inner["sender"], inner["alert"]
    if not (isinstance(alert_id, bytes) and isinstance(sender, str) and isinstance(alert, dict)):
        raise InnerMismatch("the body is not an id, a sender and an alert")
    if alert_id != header.id or sender != header.sender:
        raise InnerMismatch("the body was made for another alert, or by another sender")
    outside = _repeated(header)
    if [*map(alert.get, _REPEATED)] != outside:
        name = next(name for name, held in zip(_REPEATED, outside, strict=True) if alert.get(name) != held)
        raise InnerMismatch(f"{name} inside the body is not what the header says", field=name)
    if _sorted_texts(alert.get("modes")) != list(header.modes):
        raise InnerMismatch("modes inside the body are not what the header says", field="modes")
    if _attachments(alert.get("attachments")) != [(a.digest.hex(), a.size) for a in header.attachments]:
        raise InnerMismatch("attachments inside the body are not what the header says", field="attachments")
    _check_disclosed(alert.get("subjects"), header, directory)
    return alert


_INSIDE: Final = frozenset({"id", "sender", "alert"})
_REPEATED: Final = ("id", "sender", "kind", "marking", "precedence", "status", "operation", "to", "relation")
"""Fields of an alert that its header repeats."""


_words: Final = attrgetter("sender", "topic", "marking", "precedence", "status", "operation")


def _repeated(header: Header) -> list[Value]:
    relation: Value = None
    if header.relation is not None:
        relation = {"type": header.relation.type, "alert": format_id(header.relation.alert)}
    return [format_id(header.id), *_words(header), [*header.address], relation]


def _check_disclosed(value: Value, header: Header, directory: Directory) -> None:
    """The header discloses exactly those types of subjects that decide, under the directory it was sealed with."""
    listed = value if isinstance(value, list) else []
    kinds = [subject.get("type") for subject in listed if isinstance(subject, dict)]
    subjects = tuple(sorted({kind for kind in kinds if isinstance(kind, str)}))
    try:
        due = disclosed_in(header, subjects, directory)
    except Refusal as refusal:
        raise InnerMismatch(f"subjects cannot be judged: {refusal.message}", field="subjects") from refusal
    if due != header.subjects:
        raise InnerMismatch("subjects inside the body are not what the header says", field="subjects")


def _sorted_texts(value: Value) -> list[str] | None:
    """The sorted texts of an optional list; None for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    texts = [item for item in value if isinstance(item, str)]
    return sorted(texts) if len(texts) == len(value) else None


def _attachments(value: Value) -> list[tuple[Value, Value]] | None:
    """Digest and sealed size of each attachment in an optional list; None for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    maps = [item for item in value if isinstance(item, dict)]
    return [(item.get("digest"), item.get("sealed_size")) for item in maps] if len(maps) == len(value) else None


def _only_verified(proof: object) -> None:
    if proof is not _VERIFIED:
        raise TypeError("this type exists only as the result of its verification")
