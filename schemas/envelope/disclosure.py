"""Disclosing one alert: a file that proves to anybody what was sent, by whom, to whom and when.

It holds one alert's plaintext, content key and envelope, the proof that the log has it, and the directory that the log
had then, signed version by version. No key of any agency is in it, nor anything about another alert. Whoever checks it
needs the log's public key and, to rely on nobody's word for who the governors are, their first root metadata. The steps
are those of docs/spec/disclosure.md:

    1   the file, the alert's entry and its header decode strictly
    2   the checkpoint is signed by a key of the log
    3   the alert's entry and those of every directory version up to its own are included in it
    4   the directory follows from the trusted root; sender and key were valid; no checkpoint line is a stranger's
    5   the header's signature verifies
    6   the content key is the one that the header commits to
    7   the sealed body is the one that the header names
    8   it decrypts, under the content key, to exactly the plaintext in the file
    9   what the body says of itself equals the header
    10  the alert fits its schema

A refusal carries the number of its step in its context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.alert.document import Alert, alert_from_wire
from schemas.codec import Fields, Value, decode, encode
from schemas.directory.history import Directory, DirectoryHistory
from schemas.directory.metadata import decode_bundle
from schemas.directory.witness_policy import policy_of, witness_of
from schemas.envelope.body import CONTENT_KEY_SIZE, commitment, open_body
from schemas.envelope.carriage import verify_carried
from schemas.envelope.header import Header, decode_header, verify_header
from schemas.envelope.opening import alert_inside, sender_key
from schemas.errors import (
    BadCheckpoint,
    BadEntry,
    BodyUnreadable,
    CommitmentMismatch,
    InnerMismatch,
    Malformed,
    WrongDirectory,
)
from schemas.ids import sha256
from schemas.limits import MAX_DISCLOSURE, MAX_INDEX
from schemas.log.checkpoint import Checkpoint, verify_checkpoint, verify_signers
from schemas.log.entry import AlertEntry, DirectoryEntry, decode_entry
from schemas.log.evidence import read_path
from schemas.log.merkle import leaf_hash, verify_inclusion
from schemas.log.note import NoteKey, format_note, parse_note
from schemas.steps import step

STEPS: Final = {
    1: "the file, the alert's entry and its header decode strictly",
    2: "the checkpoint is signed by a key of the log",
    3: "the alert's entry and those of every directory version up to its own are included in it",
    4: "the directory follows from the trusted root; sender and key were valid; no checkpoint line is a stranger's",
    5: "the header's signature verifies",
    6: "the content key is the one that the header commits to",
    7: "the sealed body is the one that the header names",
    8: "it decrypts, under the content key, to exactly the plaintext in the file",
    9: "what the body says of itself equals the header",
    10: "the alert fits its schema",
}

FORMAT: Final = "crossbearing-disclosure"
VERSION: Final = 1
_VERIFIED: Final = object()


@dataclass(frozen=True, slots=True)
class DirectoryItem:
    """One version of the directory: where its entry stands, the entry, its inclusion proof, and the signed bundle."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a disclosure file holds, none of it checked yet."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]
    checkpoint: bytes
    """The signed note."""
    directory: tuple[DirectoryItem, ...]
    """Versions 1, 2, ... up to the one that the alert was entered under."""
    body: bytes
    """Sealed."""
    content_key: bytes = field(repr=False)
    plaintext: bytes = field(repr=False)
    """What was sealed, without its padding."""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A disclosed alert that passed all ten steps. Made by `verify_disclosure` only."""

    index: int
    entry: AlertEntry
    header: Header
    alert: Alert
    checkpoint: Checkpoint
    witnesses: tuple[str, ...]
    """Agencies and outside witnesses that cosigned the checkpoint."""
    quorum: bool
    """Whether they are as many as the directory asks for."""
    directory: Directory
    root: bytes
    """SHA-256 of the root metadata that the directory begins with."""
    root_trusted: bool
    """That root was given by whoever checked; otherwise it is the file's own."""
    _proof: object = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._proof is not _VERIFIED:
            raise TypeError("this type exists only as the result of its verification")


def encode_disclosure(disclosure: Disclosure) -> bytes:
    """The file: one canonical map."""
    return encode(
        {
            "format": FORMAT,
            "version": VERSION,
            "index": disclosure.index,
            "entry": disclosure.entry,
            "path": list(disclosure.path),
            "checkpoint": disclosure.checkpoint,
            "directory": [[item.index, item.entry, list(item.path), item.bundle] for item in disclosure.directory],
            "body": disclosure.body,
            "content_key": disclosure.content_key,
            "plaintext": disclosure.plaintext,
        }
    )


def decode_disclosure(data: bytes) -> Disclosure:
    """Read a file strictly; only what `encode_disclosure` writes passes. Raises an `EncodingRefusal`."""
    fields = Fields(decode(data, max_size=MAX_DISCLOSURE, max_depth=4), "disclosure")
    if fields.text("format") != FORMAT or fields.integer("version") != VERSION:
        raise Malformed(f"the file is no {FORMAT} of version {VERSION}")
    disclosure = Disclosure(
        index=fields.integer("index", low=0, high=MAX_INDEX),
        entry=fields.blob("entry"),
        path=read_path(fields.value("path")),
        checkpoint=fields.blob("checkpoint"),
        directory=tuple(_directory_item(value) for value in fields.items("directory")),
        body=fields.blob("body"),
        content_key=fields.blob("content_key", size=CONTENT_KEY_SIZE),
        plaintext=fields.blob("plaintext"),
    )
    fields.done()
    return disclosure


def is_disclosure(data: bytes) -> bool:
    """Whether a file claims to be a disclosure."""
    return encode(FORMAT) in data and data[:1] != b"c"


def known_lines(note: bytes, directory: Directory, keys: Sequence[NoteKey]) -> bytes:
    """The checkpoint's note with only the lines by the log's ``keys`` and by those whom the directory lists.

    Raises `BadSignature` for a bad line among them, and `CheckpointUntrusted` without any.
    """
    return format_note(verify_signers(note, _known(directory, keys)))


def verify_disclosure(data: bytes, *, keys: Sequence[NoteKey], trusted_root: bytes | None = None) -> Disclosed:
    """Check a disclosure file against the log's ``keys`` and the governors' first root metadata.

    Without ``trusted_root`` the governors are whoever the file says. Raises the refusal of the step that fails.
    """
    with step(1):
        told = decode_disclosure(data)
        entry = decode_entry(told.entry)
        if not isinstance(entry, AlertEntry):
            raise BadEntry("the entry is not an alert")
        header = decode_header(entry.header)
    with step(2):
        checkpoint = verify_checkpoint(told.checkpoint, keys[0].name, keys)
    with step(3):
        _check_included(told.index, told.entry, told.path, checkpoint)
        for item in told.directory:
            _check_included(item.index, item.entry, item.path, checkpoint)
    with step(4):
        history, root = _replay(told, entry, trusted_root)
        public = sender_key(told.index, entry, header, history)
        witnesses, quorum = _witnesses(told.checkpoint, keys, history.latest)
    with step(5):
        verify_header(entry.header, entry.signature, public)
        if entry.carried:
            verify_carried(entry.header, entry.carried, public)
    with step(6):
        if commitment(told.content_key) != header.commitment:
            raise CommitmentMismatch("the content key is not the one that the header commits to")
    with step(7):
        if len(told.body) != header.body_size or sha256(told.body) != header.body_digest:
            raise BodyUnreadable("the sealed body is not the one that the header names")
    with step(8):
        inner = open_body(told.body, told.content_key)
        if encode(inner) != told.plaintext:
            raise InnerMismatch("the plaintext is not what the body decrypts to")
    with step(9):
        wire = alert_inside(inner, header, history.version(header.directory))
    with step(10):
        alert = alert_from_wire(wire)
    given = trusted_root is not None
    return Disclosed(
        told.index, entry, header, alert, checkpoint, witnesses, quorum, history.latest, sha256(root), given, _VERIFIED
    )


def _check_included(index: int, entry: bytes, path: Sequence[bytes], checkpoint: Checkpoint) -> None:
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, path, checkpoint.root)


def _replay(told: Disclosure, entry: AlertEntry, trusted_root: bytes | None) -> tuple[DirectoryHistory, bytes]:
    """The directory as it was when the alert was entered: every version up to that, and none left out."""
    if not told.directory or len(told.directory) != entry.directory or told.directory[-1].index >= told.index:
        raise WrongDirectory(f"the file does not hold exactly the directory versions 1 to {entry.directory}")
    root = trusted_root if trusted_root is not None else decode_bundle(told.directory[0].bundle).metadata
    history = DirectoryHistory()
    for item in told.directory:
        made = decode_entry(item.entry)
        if not isinstance(made, DirectoryEntry):
            raise WrongDirectory(f"the entry at index {item.index} is no directory entry")
        history.accept(item.index, made, item.bundle, trusted_root=root)
    return history, root


def _known(directory: Directory, keys: Sequence[NoteKey]) -> tuple[NoteKey, ...]:
    return tuple(dict.fromkeys((*keys, *directory.log_keys(), *policy_of(directory).witness_keys())))


def _witnesses(note: bytes, keys: Sequence[NoteKey], directory: Directory) -> tuple[tuple[str, ...], bool]:
    """Who cosigned the checkpoint, and whether they are enough. Raises `BadCheckpoint` for a stranger's line."""
    policy = policy_of(directory)
    signed = verify_signers(note, _known(directory, keys))
    if len(signed.signatures) != len(parse_note(note).signatures):
        raise BadCheckpoint("the checkpoint carries a line by somebody whom the directory does not list")
    lines = {(line.name, line.key_id) for line in signed.signatures}
    cosigned = {name: w.key for name, w in policy.witnesses.items() if (w.key.name, w.key.key_id) in lines}
    return tuple(sorted(set(map(witness_of, cosigned)))), policy.reached_by(set(cosigned.values()))


def _directory_item(value: Value) -> DirectoryItem:
    match value:
        case [int(index), bytes(entry), list(path), bytes(bundle)] if not isinstance(index, bool) and index >= 0:
            return DirectoryItem(index, entry, read_path(path), bundle)
    raise Malformed("a directory version is no index, entry, inclusion proof and bundle")
