from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadCheckpoint, BadSignature, CheckpointUntrusted, CrossbearingError
from schemas.keys import MlDsaKey, SigningKey
from schemas.limits import MAX_INDEX
from schemas.log.checkpoint import (
    Checkpoint,
    _verify,
    format_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.note import ED25519, ML_DSA_44, NoteKey, SignedNote, format_note, note_key, sign_note

ORIGIN = "log.example/crossbearing"
KEY = SigningKey(bytes(range(32)))
KEYS = [note_key(ORIGIN, KEY.public)]
ROOT = bytes(range(32))
TEXT = f"{ORIGIN}\n109482\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


def test_a_checkpoint_has_three_lines() -> None:
    checkpoint = Checkpoint(ORIGIN, 109_482, ROOT)
    assert format_checkpoint(checkpoint) == TEXT
    assert parse_checkpoint(TEXT) == checkpoint


def test_an_empty_log_has_the_empty_root() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert format_checkpoint(empty) == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert parse_checkpoint(format_checkpoint(empty)) == empty
    with pytest.raises(BadCheckpoint, match="empty root"):
        Checkpoint(ORIGIN, 0, ROOT)


@given(st.integers(1, MAX_INDEX), st.binary(min_size=32, max_size=32))
def test_checkpoints_parse_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint
    assert verify_checkpoint(sign_checkpoint(checkpoint, KEY), ORIGIN, KEYS) == checkpoint


def test_a_changed_byte_anywhere_spoils_a_signed_checkpoint() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 109_482, ROOT), KEY)
    for at in range(len(note)):
        changed = bytearray(note)
        changed[at] ^= 0x01
        with pytest.raises((BadCheckpoint, BadSignature, CheckpointUntrusted)):
            verify_checkpoint(bytes(changed), ORIGIN, KEYS)


def _verdict(judge: Callable[[bytes, str, list[NoteKey]], Checkpoint], data: bytes, keys: list[NoteKey]) -> object:
    try:
        return judge(data, ORIGIN, keys)
    except CrossbearingError as error:
        return error.code, error.message


OTHER = note_key(ORIGIN, SigningKey(bytes(32)).public)
NAMELESS = note_key("elsewhere.example", KEY.public)
ML_DSA = MlDsaKey(bytes(32))
POST_QUANTUM = note_key(ORIGIN, ML_DSA.public, ML_DSA_44)
TWIN = NoteKey(ORIGIN, KEYS[0].key_id, ED25519, OTHER.public)
"""Of the same id as the key that signs, which costs four billion tries."""


@given(
    st.sampled_from([1, 255, 109_482, MAX_INDEX]),
    st.lists(st.sampled_from([*KEYS, OTHER, NAMELESS, POST_QUANTUM, TWIN]), max_size=3),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255), st.sampled_from("=+-")), max_size=2),
)
def test_a_note_read_at_once_has_the_verdict_that_it_has_piece_by_piece(
    size: int, keys: list[NoteKey], both: bool, changes: list[tuple[int, int, str]]
) -> None:
    note = bytearray(sign_checkpoint(Checkpoint(ORIGIN, size, ROOT), KEY, ML_DSA if both else None))
    for at, byte, how in changes:
        place = at % len(note)
        note[place : place + (how != "+")] = b"" if how == "-" else bytes((byte,))
    assert _verdict(verify_checkpoint, bytes(note), keys) == _verdict(_verify, bytes(note), keys)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n0109482\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n0\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n{MAX_INDEX + 1}\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n109482\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
        f"{'o' * 300}\n109482\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ],
)
def test_a_text_that_no_checkpoint_has_is_refused_though_signed(text: str) -> None:
    origin = text.partition("\n")[0]
    note = format_note(SignedNote(text, (sign_note(text, origin, KEY),)))
    for judge in (verify_checkpoint, _verify):
        with pytest.raises(BadCheckpoint):
            judge(note, origin, [note_key(origin, KEY.public)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "extension\n",
        TEXT.replace("109482", "0109482"),
        TEXT.replace("109482", "+109482"),
        TEXT.replace("109482", "-1"),
        TEXT.replace("109482", "1_0"),
        TEXT.replace("109482", " 10"),
        TEXT.replace("109482", ""),
        TEXT.replace("109482", "\N{ARABIC-INDIC DIGIT ONE}"),
        TEXT.replace("109482", str(MAX_INDEX + 1)),
        TEXT.replace("109482", "1" * 5000),
        TEXT.replace("109482", "0"),
        TEXT.replace("Hh8=", "Hh9="),
        TEXT.replace("Hh8=", "Hh8"),
        TEXT.replace("Hh8=", "Hg=="),
        TEXT.replace(ORIGIN, ""),
        TEXT.replace(ORIGIN, "log example"),
        TEXT.replace(ORIGIN, "log+example"),
        TEXT.replace(ORIGIN, "l\N{LATIN SMALL LETTER O WITH DIAERESIS}g"),
        TEXT.replace("\n", "\r\n"),
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_checkpoint(text)


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (MAX_INDEX + 1, ROOT), (1, ROOT[:-1])])
def test_impossible_checkpoints_cannot_be_made(size: int, root: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        Checkpoint(ORIGIN, size, root)


def test_extension_lines_are_refused_even_when_signed() -> None:
    text = TEXT + "extension\n"
    note = format_note(SignedNote(text, (sign_note(text, ORIGIN, KEY),)))
    with pytest.raises(BadCheckpoint, match="three lines"):
        verify_checkpoint(note, ORIGIN, KEYS)


def test_the_checkpoint_of_another_log_is_not_trusted() -> None:
    other = Checkpoint("other.example", 1, ROOT)
    text = format_checkpoint(other)
    note = format_note(SignedNote(text, (sign_note(text, ORIGIN, KEY),)))
    with pytest.raises(CheckpointUntrusted, match="another log"):
        verify_checkpoint(note, ORIGIN, KEYS)


def test_a_checkpoint_by_another_key_is_not_trusted() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, ROOT), SigningKey(bytes(32)))
    with pytest.raises(CheckpointUntrusted):
        verify_checkpoint(note, ORIGIN, KEYS)
