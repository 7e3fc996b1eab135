"""Signed text: notes, checkpoints, proofs, policies, tiles, and what witnesses are asked and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.errors import (
    BadCheckpoint,
    BadPolicy,
    BadProof,
    BadSignature,
    CheckpointUntrusted,
    Malformed,
    Truncated,
)
from schemas.log.checkpoint import format_checkpoint, parse_checkpoint, parse_tree, verify_signers
from schemas.log.note import (
    LOG_TYPES,
    WITNESS_TYPES,
    SignedNote,
    decode_base64,
    encode_base64,
    format_note,
    parse_note,
    parse_signatures,
    parse_vkey,
)
from schemas.log.policy import format_policy, parse_policy
from schemas.log.proof import format_proof, parse_proof
from schemas.log.tiles import entries_path, entry_bundle, parse_tile_path, split_bundle, tile_path
from schemas.log.witness import (
    Accepted,
    decide,
    format_answer,
    format_request,
    format_size,
    parse_request,
    parse_size,
    read_answer,
)
from tests.fuzz.promise import Target
from tests.support.witnessing import COSIGNER, GROWN, LOG_KEYS, LOGS, NOW, ORIGIN, note, tree

HELD: Final = 20
"""The size that the witness under attack holds."""
_SIGNED = {size: note(size) for size in (HELD, 33)}
_COSIGNATURES = COSIGNER.cosign(parse_note(_SIGNED[33]).text, tree(33), now=NOW)


def known_note(size: int) -> bytes:
    """A checkpoint that the log signed; of 33 with both cosignatures."""
    return _SIGNED[size] + (format_answer(_COSIGNATURES) if size == 33 else b"")


def fuzz_note(data: bytes) -> bool:
    """A signed note is written as it was read."""
    try:
        parsed = parse_note(data)
    except BadCheckpoint:
        return False
    assert format_note(parsed) == data
    return True


def fuzz_signatures(data: bytes) -> bool:
    """Cosignature lines are written as they were read."""
    try:
        lines = parse_signatures(data)
    except BadCheckpoint:
        return False
    assert format_answer(lines) == data
    return True


def fuzz_checkpoint(data: bytes) -> bool:
    """A checkpoint's text is written as it was read; any log's text gives the same tree as ours where both read it."""
    text = data.decode("utf-8", "replace")
    try:
        anybody = parse_tree(text, any_log=True)
    except BadCheckpoint:
        anybody = None
    try:
        checkpoint = parse_checkpoint(text)
    except BadCheckpoint:
        return anybody is not None
    assert format_checkpoint(checkpoint) == text
    assert anybody is not None
    assert (anybody.origin, anybody.end, anybody.root) == (checkpoint.origin, checkpoint.size, checkpoint.root)
    return True


def fuzz_signed_checkpoint(data: bytes) -> bool:
    """Nothing verifies but what the log and the witness signed."""
    try:
        signed = verify_signers(data, (*LOG_KEYS, *COSIGNER.keys), any_log=True)
    except (BadCheckpoint, BadSignature, CheckpointUntrusted):
        return False
    assert any(signed.text == parse_note(known).text for known in _SIGNED.values())
    return True


def fuzz_vkey(data: bytes) -> bool:
    """A verifier key is written as it was read."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        key = parse_vkey(text, LOG_TYPES | WITNESS_TYPES)
    except BadCheckpoint:
        return False
    assert key.vkey == text
    return True


def fuzz_base64(data: bytes) -> bool:
    """Base64 has one form."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        value = decode_base64(text)
    except BadCheckpoint:
        return False
    assert encode_base64(value) == text
    return True


def fuzz_tile_path(data: bytes) -> bool:
    """A tile's path is written as it was read."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        level, index, width = parse_tile_path(text)
    except Malformed:
        return False
    assert text == (entries_path(index, width) if level is None else tile_path(level, index, width))
    return True


def fuzz_bundle(data: bytes) -> bool:
    """A bundle of entries is written as it was read; the first byte says how many there should be."""
    width, bundle = data[0] if data else 0, data[1:]
    try:
        entries = split_bundle(bundle, width)
    except (Malformed, Truncated):
        return False
    assert len(entries) == width
    assert entry_bundle(entries) == bundle
    return True


def fuzz_proof(data: bytes) -> bool:
    """A proof file is written as it was read."""
    try:
        proof = parse_proof(data)
    except BadProof:
        return False
    assert format_proof(proof.index, proof.path, proof.checkpoint, proof.extra) == data
    return True


def fuzz_policy(data: bytes) -> bool:
    """A policy reads the same after it was written, and its quorum can be asked."""
    try:
        policy = parse_policy(data)
    except BadPolicy:
        return False
    assert parse_policy(format_policy(policy)) == policy
    assert policy.reached_by(policy.witness_keys())
    assert policy.reached_by(()) == (policy.quorum == "none")
    return True


def fuzz_witness_request(data: bytes) -> bool:
    """A request is written as it was read, and nothing is accepted but the log's own history."""
    try:
        request = parse_request(data)
    except Malformed:
        return False
    assert format_request(request) == data
    verdict = decide(tree(HELD), request, LOGS)
    if isinstance(verdict, Accepted):
        assert request.old == HELD
        assert verdict.tree == tree(verdict.tree.end)
        assert verdict.tree.root == GROWN.roots[verdict.tree.end]
        assert verdict.tree.origin == ORIGIN
    return True


def fuzz_witness_answer(data: bytes) -> bool:
    """No cosignature is taken but the witness's own."""
    try:
        lines = read_answer(data, _SIGNED[33], COSIGNER.keys)
    except (BadCheckpoint, BadSignature, CheckpointUntrusted):
        return False
    assert set(lines) <= set(_COSIGNATURES)
    assert format_note(SignedNote(parse_note(_SIGNED[33]).text, lines))
    return True


def fuzz_witness_size(data: bytes) -> bool:
    """A size is written as it was read."""
    try:
        size = parse_size(data)
    except Malformed:
        return False
    assert format_size(size) == data
    return True


SIGNED_TEXT: Final[Mapping[str, Target]] = {
    "base64": fuzz_base64,
    "bundle": fuzz_bundle,
    "checkpoint": fuzz_checkpoint,
    "note": fuzz_note,
    "policy": fuzz_policy,
    "proof": fuzz_proof,
    "signatures": fuzz_signatures,
    "signed-checkpoint": fuzz_signed_checkpoint,
    "tile-path": fuzz_tile_path,
    "vkey": fuzz_vkey,
    "witness-answer": fuzz_witness_answer,
    "witness-request": fuzz_witness_request,
    "witness-size": fuzz_witness_size,
}
"""By the name of the folder in the corpus."""
