"""Cosignatures by the example agencies, as their nodes make them."""

from __future__ import annotations

from schemas.directory.witness_policy import witness_name
from schemas.example import example_seed
from schemas.keys import WitnessKey
from schemas.log.checkpoint import parse_tree
from schemas.log.cosignature import Cosigner, Tree
from schemas.log.note import SignedNote, format_note, parse_note
from tests.support.directory import NOW


def cosigned(note: bytes, *agencies: str, falsely: bool = False) -> bytes:
    """The note with the Ed25519 cosignatures of these agencies, made over another text if `falsely`."""
    parsed = parse_note(note)
    tree = parse_tree(parsed.text)
    lines = list(parsed.signatures)
    for agency in agencies:
        cosigner = cosigner_of(agency, tree.origin)
        lines += cosigner.cosign("x\n" if falsely else parsed.text, Tree(tree.origin, tree.end, tree.root), now=NOW)
    return format_note(SignedNote(parsed.text, tuple(lines)))


def cosigner_of(agency: str, origin: str) -> Cosigner:
    """The agency's node as a witness, with its Ed25519 key."""
    return Cosigner(witness_name(origin, agency), WitnessKey(example_seed(agency, "witness")), None)
