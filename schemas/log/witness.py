"""The witness protocol (C2SP tlog-witness): what a log asks, what a witness decides, what it answers. No I/O, no clock.

    old <size>
    <base64>                  the consistency proof from that size, a hash a line, at most 63

    <the checkpoint's signed note>

`decide` is the whole of the decision. Its numbered steps are those of docs/spec/witness.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from schemas.errors import BadCheckpoint, BadProof, BadSignature, CheckpointUntrusted, Malformed
from schemas.limits import MAX_INDEX, MAX_WITNESS_PROOF, MAX_WITNESS_REQUEST
from schemas.log.checkpoint import parse_tree, verify_signers
from schemas.log.cosignature import Tree, signed_at
from schemas.log.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from schemas.log.note import (
    NoteKey,
    NoteSignature,
    SignedNote,
    decode_base64,
    encode_base64,
    format_note,
    parse_note,
    parse_signatures,
)

SIZE_TYPE: Final = "text/x.tlog.size"
"""Content type of the answer that tells which size the witness holds."""

_NUMBER = r"(0|[1-9][0-9]{0,18})"
_OLD = re.compile(rf"old {_NUMBER}")
_SIZE_BODY = re.compile(rf"{_NUMBER}\n")

Evidence = Literal["fork", "inconsistent"]
"""``fork``: two signed trees of one size, which convict the log. ``inconsistent``: a signed tree whose proof fails."""


class Status(IntEnum):
    """What a witness answers, as the HTTP status that says it."""

    OK = 200
    MALFORMED = 400
    UNTRUSTED = 403
    UNKNOWN_LOG = 404
    CONFLICT = 409
    INCONSISTENT = 422


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign a checkpoint, none of it checked yet."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """To be made durable in place of what was held, and only then answered with cosignatures. Made by `decide` only."""

    tree: Tree
    note: SignedNote
    """With the signatures by the log's known keys, and no others."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not to be cosigned. ``evidence`` says that the log itself signed it, so that it may convict the log."""

    status: Status
    message: str
    held: int | None = None
    """The size held, where the answer must say it."""
    evidence: Evidence | None = None


def parse_request(data: bytes) -> AddCheckpoint:
    """Take a request apart. Raises `Malformed` for any other form than `format_request`'s."""
    if len(data) > MAX_WITNESS_REQUEST:
        raise Malformed(f"the request has more than {MAX_WITNESS_REQUEST} bytes")
    head, gap, note = data.partition(b"\n\n")
    try:
        first, *hashes = head.decode("ascii").split("\n")
        proof = tuple(decode_base64(line) for line in hashes)
        parse_note(note)
    except UnicodeDecodeError:
        raise Malformed("the lines above the checkpoint are not ASCII") from None
    except BadCheckpoint as error:
        raise Malformed(error.message) from None
    old = _OLD.fullmatch(first)
    if old is None or not gap:
        raise Malformed("the request does not begin with the old size in plain decimal")
    request = AddCheckpoint(int(old[1]), proof, note)
    if format_request(request) != data:
        raise Malformed("the request is not in its only form")
    return request


def format_request(request: AddCheckpoint) -> bytes:
    """The body of a request. Raises `Malformed` for what has no such form."""
    if not 0 <= request.old <= MAX_INDEX:
        raise Malformed("the old size is out of range")
    if len(request.proof) > MAX_WITNESS_PROOF or any(len(item) != HASH_SIZE for item in request.proof):
        raise Malformed(f"the proof is not of at most {MAX_WITNESS_PROOF} hashes of {HASH_SIZE} bytes")
    lines = [f"old {request.old}", *(encode_base64(item) for item in request.proof), "", ""]
    return "\n".join(lines).encode("ascii") + request.note


def decide(held: Tree | None, request: AddCheckpoint, logs: Mapping[str, Sequence[NoteKey]]) -> Accepted | Refused:
    """Whether the checkpoint may follow the one ``held`` of its log; ``logs`` gives each origin's trusted keys.

    ``held`` is what was last cosigned of that origin, None if nothing ever was. Nothing is decided for a caller who
    does not then compare and persist: between the two another request may have moved what is held.
    """
    try:  # 1 form
        tree = parse_tree(parse_note(request.note).text, any_log=True)
    except BadCheckpoint as error:
        return Refused(Status.MALFORMED, error.message)
    keys = logs.get(tree.origin)  # 2 log known
    if not keys:
        return Refused(Status.UNKNOWN_LOG, "this witness does not know the checkpoint's log")
    try:  # 3 signed by the log
        note = verify_signers(request.note, keys, any_log=True)
    except BadCheckpoint as error:
        return Refused(Status.MALFORMED, error.message)
    except (BadSignature, CheckpointUntrusted) as error:
        return Refused(Status.UNTRUSTED, error.message)
    if held is not None and held.origin != tree.origin:
        raise ValueError("what is held is of another log")
    forked = held is not None and held.end == tree.end and held.root != tree.root
    return _follow(held, request, tree, "fork" if forked else "inconsistent") or Accepted(tree, note)


def _follow(held: Tree | None, request: AddCheckpoint, tree: Tree, kind: Evidence) -> Refused | None:
    """Steps 4 to 6: why a checkpoint that its log signed cannot follow what is held; None if it can."""
    size, root = (held.end, held.root) if held is not None else (0, EMPTY_ROOT)
    fork: Evidence | None = "fork" if kind == "fork" else None
    if request.old > tree.end:  # 4 sizes in order
        return Refused(Status.MALFORMED, f"the old size {request.old} is above the checkpoint's {tree.end}", None, fork)
    if request.old != size:  # 5 from where this witness stands
        return Refused(Status.CONFLICT, f"the size last cosigned is {size}, not {request.old}", size, fork)
    try:  # 6 consistent
        verify_consistency(size, root, tree.end, tree.root, request.proof)
    except BadProof as error:
        return Refused(Status.INCONSISTENT, error.message, None, kind)
    return None


def format_answer(lines: Sequence[NoteSignature]) -> bytes:
    """The body of the answer to an accepted request: the cosignature lines."""
    return "".join(line.line for line in lines).encode()


def read_answer(answer: bytes, note: bytes, keys: Sequence[NoteKey]) -> tuple[NoteSignature, ...]:
    """The good cosignatures on the checkpoint ``note`` in a witness's answer; ``keys`` are that witness's.

    Lines by other keys are ignored. Raises `BadCheckpoint` for the answer's form, `BadSignature` if a line by one of
    the keys fails or has no time, `CheckpointUntrusted` if there is no line by any.
    """
    if len(answer) > MAX_WITNESS_REQUEST:
        raise BadCheckpoint(f"the answer has more than {MAX_WITNESS_REQUEST} bytes")
    text = parse_note(note).text
    joined = format_note(SignedNote(text, parse_signatures(answer)))
    lines = verify_signers(joined, keys, any_log=True).signatures
    by_name = {(key.name, key.key_id): key for key in keys}
    if any(signed_at(by_name[line.name, line.key_id], line) == 0 for line in lines):
        raise BadSignature("a witness's cosignature does not say when it was made")
    return lines


def format_size(size: int) -> bytes:
    """The body that tells which size the witness holds."""
    return f"{size}\n".encode("ascii")


def parse_size(body: bytes) -> int:
    """The size in such a body. Raises `Malformed` for any other form than `format_size`'s."""
    match = _SIZE_BODY.fullmatch(body.decode("ascii", "replace"))
    if match is None or int(match[1]) > MAX_INDEX:
        raise Malformed("the answer is not one plain decimal number")
    return int(match[1])
