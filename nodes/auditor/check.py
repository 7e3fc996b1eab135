"""Reading evidence: what a proof file proves, to somebody who has the log's public key and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodes.auditor.text import count, plain, size, when
from schemas.envelope.header import Header, decode_header
from schemas.errors import BadConfig, BadProof, CheckpointUntrusted
from schemas.ids import format_id
from schemas.log.checkpoint import Checkpoint, verify_signers
from schemas.log.entry import (
    AlertEntry,
    DirectoryEntry,
    Entry,
    EscalationEntry,
    PurgeEntry,
    ReceiptEntry,
    RefusalEntry,
    decode_entry,
)
from schemas.log.merkle import leaf_hash
from schemas.log.note import ED25519, NoteKey
from schemas.log.proof import parse_proof, verify_proof
from schemas.log.receipt import decode_receipt

MARKINGS = {
    "clear": "may be shared with anybody",
    "green": "may be shared within the community of partners",
    "amber": "for the recipients' organisations and those they protect",
    "amber+strict": "for the recipients' organisations only",
    "red": "for the named recipients only",
}
"""What the TLP 2.0 markings mean, in a line (FIRST, August 2022)."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof file proves; made by `check_proof` alone."""

    entry: Entry
    header: Header | None
    """Of an alert; None for other kinds of entry."""
    index: int
    leaf: bytes
    checkpoint: Checkpoint
    keys: tuple[NoteKey, ...]
    """Those of the log's keys that signed the checkpoint."""

    def as_dict(self) -> dict[str, object]:
        """Return the outcome as JSON-ready data."""
        found: dict[str, object] = {
            "ok": True,
            "log": self.checkpoint.origin,
            "index": self.index,
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "leaf": self.leaf.hex(),
            "entered": self.entry.time,
            "directory": self.entry.directory,
        }
        if self.header is not None:
            header = self.header
            found["alert"] = {
                "id": format_id(header.id),
                "sender": header.sender,
                "key": header.key.hex(),
                "recipients": [recipient.agency for recipient in header.recipients],
                "address": list(header.address),
                "kind": header.topic,
                "marking": header.marking,
                "precedence": header.precedence,
                "status": header.status,
                "operation": header.operation,
                "sealed": header.created,
                "expires": header.expires,
                "body": {"sha256": header.body_digest.hex(), "size": header.body_size},
            }
        return found


def check_proof(data: bytes, keys: Sequence[NoteKey]) -> Proven:
    """Check a proof file against the log's keys alone.

    Raises `BadProof`, `BadCheckpoint`, `CheckpointUntrusted`, `BadSignature` or `BadEntry`, and `BadConfig` for keys
    that cannot be those of one log.
    """
    if not keys or len({key.name for key in keys}) != 1:
        raise BadConfig("the log keys given are not those of one log", hint="Give the vkey the log's keeper published.")
    proof = parse_proof(data)
    if proof.extra is None:
        raise BadProof("the proof file does not carry the entry it speaks of", hint="Make it with bearing audit prove.")
    try:
        checkpoint = verify_proof(proof, proof.extra, keys[0].name, keys)
    except CheckpointUntrusted as error:
        raise CheckpointUntrusted(
            f"the log key given did not sign this proof's checkpoint: {error.message}",
            hint="Check that the key is that of the log the proof is from.",
        ) from error
    signers = {(signature.name, signature.key_id) for signature in verify_signers(proof.checkpoint, keys).signatures}
    signed_by = tuple(key for key in keys if (key.name, key.key_id) in signers)
    entry = decode_entry(proof.extra)
    header = decode_header(entry.header) if isinstance(entry, AlertEntry) else None
    return Proven(entry, header, proof.index, leaf_hash(proof.extra), checkpoint, signed_by)


def proven_lines(proven: Proven) -> Iterator[str]:
    """Yield in plain words what is proven, and what is not."""
    yield "THE PROOF IS GOOD. The log's own key vouches for the following."
    yield ""
    yield from _entry_lines(proven.entry, proven.header)
    yield ""
    yield f"Log         {plain(proven.checkpoint.origin)}"
    for key in proven.keys:
        shown = f"Ed25519 {key.public.hex()}" if key.type == ED25519 else "ML-DSA-44"
        yield f"Log key     {plain(key.name)}+{key.key_id.hex()}, {shown}"
    yield f"Entered     {when(proven.entry.time)}, by the hub's clock"
    yield f"Place       entry {proven.index:,} of a log of {proven.checkpoint.size:,}"
    yield f"Directory   version {proven.entry.directory} was in force"
    yield f"Leaf hash   {proven.leaf.hex()}"
    yield f"Tree root   {proven.checkpoint.root.hex()}"
    yield ""
    yield "What this means: the log cannot deny or change this entry without contradicting its own signature."
    if proven.header is not None:
        yield "The body is sealed; nothing about its content is shown here. The sender's own signature is part of the"
        yield "entry, and is checked against the agencies' directory by bearing audit verify."


def _entry_lines(entry: Entry, header: Header | None) -> Iterator[str]:
    match entry:
        case AlertEntry() if header is not None:
            yield from alert_lines(header)
        case ReceiptEntry():
            receipt = decode_receipt(entry.receipt)
            yield f"Receipt     {plain(receipt.state)}, by {receipt.agency}, key {receipt.key.hex()}"
            yield f"About       {count(len(receipt.items), 'alert')} of {receipt.sender}"
            for item in receipt.items:
                yield f"            entry {item.index:,}, alert {format_id(item.alert_id)}"
        case DirectoryEntry():
            yield f"Directory   {plain(entry.role)} version {entry.version}, file {entry.digest.hex()}"
        case RefusalEntry():
            yield f"Refusal     of what {entry.agency} sent, with the code {plain(entry.code)}"
        case EscalationEntry():
            reached = "" if entry.contact is None else f", contact {entry.contact}"
            yield f"Escalation  of entry {entry.index:,} for {entry.agency}: {entry.outcome}{reached}"
        case PurgeEntry():
            yield f"Deletion    of the body of entry {entry.index:,}: {plain(entry.basis)}"
            yield f"Approved    {', '.join(plain(name) for name in entry.approvers) or 'by nobody'}"


def alert_lines(header: Header) -> Iterator[str]:
    """Yield in plain words what an alert's clear header says."""
    recipients = [recipient.agency for recipient in header.recipients]
    yield f"Alert       {format_id(header.id)}"
    yield f"From        {header.sender}, signing key {header.key.hex()}"
    yield f"To          {', '.join(recipients)} ({count(len(recipients), 'agency', 'agencies')})"
    yield f"Addressed   {', '.join(plain(address) for address in header.address)}"
    yield f"Kind        {header.topic}, {header.precedence}, {header.status}"
    yield f"Marking     {header.marking}: {MARKINGS[header.marking]}"
    if header.operation is not None:
        yield f"Operation   {header.operation}"
    if header.relation is not None:
        yield f"Relation    {header.relation.type} to {format_id(header.relation.alert)}"
    yield f"Sealed      {when(header.created)}, by the sender's clock; expires {when(header.expires)}"
    yield f"Body        {size(header.body_size)}, sealed, SHA-256 {header.body_digest.hex()}"
    for attachment in header.attachments:
        yield f"Attachment  {size(attachment.size)}, sealed, SHA-256 {attachment.digest.hex()}"
