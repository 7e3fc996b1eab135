from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadCheckpoint, BadSignature, CheckpointUntrusted, Malformed
from schemas.keys import SigningKey, WitnessKey
from schemas.limits import MAX_INDEX, MAX_WITNESS_PROOF, MAX_WITNESS_REQUEST
from schemas.log.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint, sign_checkpoint
from schemas.log.cosignature import Cosigner, Tree, sign_text, sign_tree
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.note import NoteSignature, SignedNote, format_note, parse_note, sign_note
from schemas.log.witness import (
    Accepted,
    AddCheckpoint,
    Refused,
    Status,
    decide,
    format_answer,
    format_request,
    format_size,
    parse_request,
    parse_size,
    read_answer,
)
from tests.support.witnessing import (
    COSIGNER,
    GROWN,
    LOG_KEY,
    LOG_KEYS,
    LOG_PQ,
    LOGS,
    NOW,
    ORIGIN,
    body,
    note,
    proof,
    request,
    tree,
)

WRONG = b"\x5a" * 32


def refused(held: int | None, asked: AddCheckpoint) -> Refused:
    verdict = decide(None if held is None else tree(held), asked, LOGS)
    assert isinstance(verdict, Refused), verdict
    return verdict


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_request_has_one_form() -> None:
    first, second = (b64encode(item).decode() for item in proof(4, 6)[:1] + proof(4, 6)[:1])
    asked = AddCheckpoint(4, proof(4, 6)[:1] * 2, note(6))
    assert format_request(asked) == f"old 4\n{first}\n{second}\n\n".encode() + note(6)
    assert parse_request(format_request(asked)) == asked
    assert parse_request(body(0, 0)) == AddCheckpoint(0, (), note(0))


@given(st.integers(0, 300), st.integers(0, 300))
def test_requests_parse_back(one: int, other: int) -> None:
    old, new = sorted((one, other))
    assert parse_request(body(old, new)) == request(old, new)


HASH = b64encode(WRONG).decode()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "\n",
        "old\n",
        "old \n",
        "old 01\n",
        "old +1\n",
        "old -1\n",
        "old 1_0\n",
        "old 1.0\n",
        "old  1\n",
        " old 1\n",
        "old 1 \n",
        "Old 1\n",
        "old 0x1\n",
        "old \N{ARABIC-INDIC DIGIT ONE}\n",
        f"old {MAX_INDEX + 1}\n",
        f"old {'9' * 5000}\n",
        "size 1\n",
        "old 1\r\n",
        f"old 1\n{HASH[:-1]}\n",
        f"old 1\n{HASH}=\n",
        f"old 1\n{HASH} \n",
        f"old 1\n {HASH}\n",
        f"old 1\n{HASH[:20]}_{HASH[21:]}\n",
        f"old 1\n{b64encode(WRONG[:-1]).decode()}\n",
        f"old 1\n{b64encode(WRONG + b'x').decode()}\n",
        "old 1\n" + f"{HASH}\n" * (MAX_WITNESS_PROOF + 1),
        f"{HASH}\nold 1\n",
    ],
)
def test_other_heads_are_refused(head: str) -> None:
    with pytest.raises(Malformed):
        parse_request(f"{head}\n".encode() + note(1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"old 0",
        b"old 0\n",
        b"old 0\n\n",
        b"old 0\n" + note(1),
        b"old 0\n\n\n" + note(1)[:-1],
        b"old 0\n\n" + note(1)[:-1],
        b"old 0\n\n" + note(1).replace(b"\n", b"\r\n"),
        b"old 0\n\n" + note(1) + b"\xff\n",
        b"old 0\n\n" + b"x" * MAX_WITNESS_REQUEST + note(1),
    ],
)
def test_other_bodies_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_request(data)


@pytest.mark.parametrize(
    "asked",
    [
        AddCheckpoint(-1, (), note(1)),
        AddCheckpoint(MAX_INDEX + 1, (), note(1)),
        AddCheckpoint(1, (WRONG[:-1],), note(1)),
        AddCheckpoint(1, (WRONG,) * (MAX_WITNESS_PROOF + 1), note(1)),
    ],
)
def test_what_has_no_form_is_not_written(asked: AddCheckpoint) -> None:
    with pytest.raises(Malformed):
        format_request(asked)


def test_a_changed_byte_anywhere_is_refused_or_decided_against() -> None:
    good = body(20, 33)
    for at in range(len(good)):
        changed = bytearray(good)
        changed[at] ^= 0x01
        try:
            asked = parse_request(bytes(changed))
        except Malformed:
            continue
        assert isinstance(decide(tree(20), asked, LOGS), Refused)


@given(st.binary(max_size=80), st.integers(0, len(body(20, 33))))
def test_any_bytes_are_a_request_or_refused(data: bytes, at: int) -> None:
    good = body(20, 33)
    for candidate in (data, good[:at] + data, good[:at] + data + good[at:]):
        try:
            asked = parse_request(candidate)
        except Malformed:
            continue
        assert format_request(asked) == candidate


# -- decisions ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_consistent_checkpoint_is_accepted(one: int, other: int) -> None:
    old, new = sorted((one, other))
    verdict = decide(tree(old), request(old, new), LOGS)
    assert isinstance(verdict, Accepted)
    assert verdict.tree == tree(new)
    assert verdict.note == parse_note(note(new))
    if old == 0:
        assert decide(None, request(0, new), LOGS) == verdict


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_only_from_the_size_held(held: int, one: int, other: int) -> None:
    old, new = sorted((one, other))
    verdict = decide(tree(held), request(old, new), LOGS)
    if held == old:
        assert isinstance(verdict, Accepted)
    else:
        assert verdict == Refused(Status.CONFLICT, f"the size last cosigned is {held}, not {old}", held)


def test_statuses_are_those_of_http() -> None:
    assert [int(status) for status in Status] == [200, 400, 403, 404, 409, 422]


def test_only_the_logs_own_lines_are_kept() -> None:
    cosigned = (
        note(5) + COSIGNER.cosign(format_checkpoint(parse_checkpoint(text(5))), tree(5), now=NOW)[0].line.encode()
    )
    verdict = decide(None, AddCheckpoint(0, (), cosigned), LOGS)
    assert isinstance(verdict, Accepted)
    assert verdict.note == parse_note(note(5))


def text(size: int) -> str:
    return parse_note(note(size)).text


def signed(words: str, name: str = ORIGIN, key: SigningKey = LOG_KEY) -> bytes:
    return format_note(SignedNote(words, (sign_note(words, name, key),)))


@pytest.mark.parametrize(
    "words",
    ["no checkpoint\n", text(5) + "\n", text(5).replace("5", "05", 1), text(5).replace("5", "1_0", 1), "a\n1\nAA==\n"],
)
def test_malformed_checkpoints(words: str) -> None:
    assert refused(None, AddCheckpoint(0, (), signed(words))).status == 400


def test_an_unknown_log() -> None:
    other = sign_checkpoint(Checkpoint("log.example/other", 1, GROWN.roots[1]), LOG_KEY)
    assert refused(None, AddCheckpoint(0, (), other)).status == 404
    assert isinstance(decide(None, request(0, 1), {ORIGIN: ()}), Refused)


def test_a_stranger_or_a_failing_line() -> None:
    stranger = sign_checkpoint(Checkpoint(ORIGIN, 1, GROWN.roots[1]), SigningKey(b"\x09" * 32))
    failing = note(1) + NoteSignature(ORIGIN, LOG_KEYS[1].key_id, bytes(2428)).line.encode()
    for data in (stranger, failing):
        verdict = refused(None, AddCheckpoint(0, (), data))
        assert verdict.status == 403
        assert verdict.evidence is None


def test_a_known_key_that_signs_twice() -> None:
    twice = note(1) + sign_note(text(1), ORIGIN, LOG_KEY).line.encode()
    assert refused(None, AddCheckpoint(0, (), twice)).status == Status.MALFORMED


def test_an_old_size_above_the_checkpoint() -> None:
    assert refused(20, AddCheckpoint(20, (), note(19))).status == Status.MALFORMED


def test_the_size_held_is_told() -> None:
    verdict = refused(20, AddCheckpoint(0, (), note(33)))
    assert (verdict.status, verdict.held, verdict.evidence) == (409, 20, None)
    never = refused(None, AddCheckpoint(7, proof(7, 33), note(33)))
    assert (never.status, never.held) == (Status.CONFLICT, 0)


@pytest.mark.parametrize(
    ("held", "asked", "evidence"),
    [
        (0, AddCheckpoint(0, (), signed(text(0).replace(text(0).split("\n")[2], HASH))), "fork"),
        (None, AddCheckpoint(0, (), signed(text(0).replace(text(0).split("\n")[2], HASH))), "inconsistent"),
        (None, AddCheckpoint(0, (WRONG,), note(5)), "inconsistent"),
        (20, AddCheckpoint(20, (), note(33)), "inconsistent"),
        (20, AddCheckpoint(20, proof(19, 33), note(33)), "inconsistent"),
        (20, AddCheckpoint(20, (*proof(20, 33), WRONG), note(33)), "inconsistent"),
        (20, AddCheckpoint(20, proof(20, 33)[:-1], note(33)), "inconsistent"),
        (20, AddCheckpoint(20, proof(20, 33), note(33, WRONG)), "inconsistent"),
        (20, AddCheckpoint(20, (WRONG,), note(20)), "inconsistent"),
        (20, AddCheckpoint(20, (), note(20, WRONG)), "fork"),
    ],
)
def test_what_does_not_follow_is_evidence(held: int | None, asked: AddCheckpoint, evidence: str) -> None:
    verdict = refused(held, asked)
    assert verdict.status == 422
    assert verdict.evidence == evidence


@pytest.mark.parametrize("old", [0, 21])
def test_a_fork_is_evidence_whatever_else_is_wrong(old: int) -> None:
    verdict = refused(20, AddCheckpoint(old, (), note(20, WRONG)))
    assert verdict.status in {Status.CONFLICT, Status.MALFORMED}
    assert verdict.evidence == "fork"


def test_the_logs_of_others() -> None:
    origin = "go.sum database tree"
    words = f"{origin}\n5\n{text(5).split(chr(10))[2]}\nextension\n"
    keys = {origin: (LOG_KEYS[0],)}
    verdict = decide(None, AddCheckpoint(0, (), signed(words)), keys)
    assert isinstance(verdict, Accepted)
    assert verdict.tree == Tree(origin, 5, GROWN.roots[5])
    assert verdict.note.text == words


def test_a_log_that_signs_with_ml_dsa_only() -> None:
    line = sign_tree(tree(5), ORIGIN, LOG_PQ, now=0)
    data = format_note(SignedNote(text(5), (line,)))
    assert isinstance(decide(None, AddCheckpoint(0, (), data), LOGS), Accepted)
    assert isinstance(decide(None, AddCheckpoint(0, (), data), {ORIGIN: LOG_KEYS[:1]}), Refused)


def test_what_is_held_must_be_of_the_log() -> None:
    with pytest.raises(ValueError, match="another log"):
        decide(Tree("log.example/other", 0, EMPTY_ROOT), request(0, 1), LOGS)


# -- answers -----------------------------------------------------------------------------------------------------------

LINES = COSIGNER.cosign(text(5), tree(5), now=NOW)


def test_an_answer_is_cosignature_lines() -> None:
    answer = format_answer(LINES)
    assert answer == (LINES[0].line + LINES[1].line).encode()
    assert read_answer(answer, note(5), COSIGNER.keys) == LINES
    assert read_answer(answer, note(5), COSIGNER.keys[1:]) == LINES[1:]


def test_strangers_in_an_answer_are_ignored() -> None:
    stranger = Cosigner("stranger.example", WitnessKey(b"\x09" * 32), None).cosign(text(5), tree(5), now=NOW)
    assert read_answer(format_answer((*stranger, *LINES)), note(5), COSIGNER.keys) == LINES
    with pytest.raises(CheckpointUntrusted):
        read_answer(format_answer(stranger), note(5), COSIGNER.keys)


def test_cosignatures_on_another_checkpoint_are_refused() -> None:
    with pytest.raises(BadSignature):
        read_answer(format_answer(LINES), note(6), COSIGNER.keys)


def test_a_cosignature_without_a_time_is_refused() -> None:
    untimed = sign_text(text(5), COSIGNER.name, WitnessKey(b"\x03" * 32), now=0)
    with pytest.raises(BadSignature, match="when"):
        read_answer(format_answer([untimed]), note(5), COSIGNER.keys)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n",
        format_answer(LINES)[:-1],
        b"\n" + format_answer(LINES),
        format_answer(LINES[:1]) + b"\n" + format_answer(LINES[1:]),
        format_answer((*LINES, LINES[0])),
        b"200 OK\n",
        format_answer(LINES) * 40,
    ],
)
def test_other_answers_are_refused(answer: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        read_answer(answer, note(5), COSIGNER.keys)


@given(st.integers(0, MAX_INDEX))
def test_sizes_parse_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"1",
        b"\n",
        b"01\n",
        b"+1\n",
        b"-1\n",
        b"1_0\n",
        b" 1\n",
        b"1\r\n",
        b"1\n\n",
        b"\xd9\xa1\n",
        b"9" * 19 + b"\n",
    ],
)
def test_other_sizes_are_refused(answer: bytes) -> None:
    with pytest.raises(Malformed):
        parse_size(answer)
