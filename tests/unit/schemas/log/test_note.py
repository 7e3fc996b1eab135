from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadCheckpoint, BadSignature, CheckpointUntrusted, CrossbearingError
from schemas.keys import MlDsaKey, SigningKey
from schemas.limits import MAX_NOTE, MAX_NOTE_SIGNATURES
from schemas.log.note import (
    ED25519,
    ED25519_COSIGNATURE,
    LOG_TYPES,
    ML_DSA_44,
    WITNESS_TYPES,
    NoteSignature,
    SignedNote,
    decode_base64,
    encode_base64,
    format_note,
    note_key,
    parse_note,
    parse_signatures,
    parse_vkey,
    sign_note,
    verify_note,
    vkey,
)

NAME = "log.example/crossbearing"
KEY = SigningKey(bytes(range(32)))
KNOWN = note_key(NAME, KEY.public)
STRANGER = SigningKey(b"\x07" * 32)
TEXT = "one\n\ntwo\n"
NOTE = format_note(SignedNote(TEXT, (sign_note(TEXT, NAME, KEY),)))

# C2SP signed-note v1.0.0, section "Example".
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()


def test_the_example_of_signed_note() -> None:
    key = parse_vkey(SPEC_VKEY)
    assert (key.name, key.key_id.hex(), key.type) == ("example.com/foo", "530d903a", ED25519)
    assert vkey(key.name, key.type, key.public) == SPEC_VKEY
    note = verify_note(SPEC_NOTE, [key])
    assert note.text == "This is an example message.\n"
    assert format_note(note) == SPEC_NOTE


def test_a_signed_note_verifies() -> None:
    note = verify_note(NOTE, [KNOWN])
    assert note.text == TEXT
    assert [(s.name, s.key_id) for s in note.signatures] == [(NAME, KNOWN.key_id)]
    assert format_note(note) == NOTE


def test_a_changed_byte_anywhere_spoils_a_note() -> None:
    for at in range(len(NOTE)):
        for change in (0x01, 0x20, 0x80, 0xFF):
            changed = bytearray(NOTE)
            changed[at] ^= change
            with pytest.raises((BadCheckpoint, BadSignature, CheckpointUntrusted)):
                verify_note(bytes(changed), [KNOWN])


@given(st.integers(0, len(NOTE)), st.binary(max_size=3))
def test_a_cut_or_lengthened_note_is_refused(at: int, more: bytes) -> None:
    changed = NOTE[:at] + more
    if changed != NOTE:
        with pytest.raises((BadCheckpoint, BadSignature, CheckpointUntrusted)):
            verify_note(changed, [KNOWN])


@given(st.binary(max_size=100))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    for candidate in (data, NOTE[:20] + data, NOTE + data):
        try:
            note = parse_note(candidate)
        except BadCheckpoint:
            continue
        assert format_note(note) == candidate


def lines(*signatures: NoteSignature | str) -> bytes:
    shown = "".join(s if isinstance(s, str) else s.line for s in signatures)
    return (TEXT + "\n" + shown).encode()


def test_lines_by_unknown_keys_are_ignored() -> None:
    renamed = NoteSignature("other.example", KNOWN.key_id, bytes(64))
    other_id = NoteSignature(NAME, b"abcd", b"of any length")
    note = verify_note(lines(renamed, sign_note(TEXT, NAME, KEY), other_id), [KNOWN])
    assert [s.key_id for s in note.signatures] == [KNOWN.key_id]


def test_a_note_by_strangers_only_is_untrusted() -> None:
    with pytest.raises(CheckpointUntrusted):
        verify_note(lines(sign_note(TEXT, NAME, STRANGER)), [KNOWN])
    with pytest.raises(CheckpointUntrusted):
        verify_note(NOTE, [])


def test_one_failing_line_by_a_known_key_spoils_the_note() -> None:
    stranger = note_key("witness.example", STRANGER.public)
    forged = NoteSignature(stranger.name, stranger.key_id, bytes(64))
    short = NoteSignature(stranger.name, stranger.key_id, b"short")
    for bad in (forged, short):
        with pytest.raises(BadSignature):
            verify_note(lines(sign_note(TEXT, NAME, KEY), bad), [KNOWN, stranger])


def test_a_known_key_signs_once() -> None:
    good = sign_note(TEXT, NAME, KEY)
    for second in (good, NoteSignature(NAME, KNOWN.key_id, bytes(64))):
        with pytest.raises(BadCheckpoint, match="twice"):
            verify_note(lines(good, second), [KNOWN])
    unknown = sign_note(TEXT, "other.example", STRANGER)
    assert len(verify_note(lines(unknown, good, unknown), [KNOWN]).signatures) == 1


def test_every_known_signature_is_returned() -> None:
    stranger = note_key("witness.example", STRANGER.public)
    note = verify_note(lines(sign_note(TEXT, NAME, KEY), sign_note(TEXT, stranger.name, STRANGER)), [KNOWN, stranger])
    assert [s.name for s in note.signatures] == [NAME, "witness.example"]


GOOD = sign_note(TEXT, NAME, KEY)
PAYLOAD = GOOD.line.split(" ")[2].rstrip("\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        lines(),
        lines("\n"),
        lines(GOOD.line.rstrip("\n")),
        lines(GOOD.line.replace("\N{EM DASH}", "-")),
        lines(GOOD.line.replace("\N{EM DASH} ", "\N{EM DASH}")),
        lines(f"\N{EM DASH}  {PAYLOAD}\n"),
        lines(f"\N{EM DASH} {NAME}\n"),
        lines(f"\N{EM DASH} {NAME} \n"),
        lines(f"\N{EM DASH} {NAME} {PAYLOAD} \n"),
        lines(f"\N{EM DASH} {NAME} {PAYLOAD[:-1]}\n"),
        lines(f"\N{EM DASH} {NAME} {PAYLOAD.rstrip('=')}\n"),
        lines(f"\N{EM DASH} {NAME} {PAYLOAD}=\n"),
        lines(f"\N{EM DASH} a+b {PAYLOAD}\n"),
        lines(f"\N{EM DASH} a\N{NO-BREAK SPACE}b {PAYLOAD}\n"),
        lines(f"\N{EM DASH} {NAME} {b64encode(b'abcd').decode()}\n"),
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace(b"one", b"o\tne"),
        NOTE.replace(b"one", b"o\xffne"),
        lines(*[GOOD] * (MAX_NOTE_SIGNATURES + 1)),
        b"x" * MAX_NOTE + NOTE,
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        parse_note(data)


def test_as_many_signatures_as_allowed() -> None:
    assert len(parse_note(lines(*[GOOD] * MAX_NOTE_SIGNATURES)).signatures) == MAX_NOTE_SIGNATURES


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "cr\r\n"])
def test_a_text_no_note_can_carry_is_not_signed(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        sign_note(text, NAME, KEY)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\n"])
def test_a_name_no_note_can_carry_is_refused(name: str) -> None:
    with pytest.raises(BadCheckpoint):
        sign_note(TEXT, name, KEY)
    with pytest.raises(BadCheckpoint):
        vkey(name, ED25519, KEY.public)


@pytest.mark.parametrize("text", ["", "no newline", "a\n\n" + GOOD.line.rstrip("\n")])
def test_a_text_that_would_not_parse_back_is_not_formatted(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        format_note(SignedNote(text, (GOOD,)))


def test_a_note_needs_a_signature() -> None:
    with pytest.raises(BadCheckpoint):
        format_note(SignedNote(TEXT, ()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        SPEC_VKEY.replace("530d903a", "530D903A"),
        SPEC_VKEY.replace("530d903a", "530d903b"),
        SPEC_VKEY.replace("foo", "bar"),
        SPEC_VKEY.replace("+530d903a", "++530d903a"),
        SPEC_VKEY[1:],
        SPEC_VKEY + "=",
        SPEC_VKEY[:-4],
        SPEC_VKEY + "\n",
        " " + SPEC_VKEY,
        vkey("a", 2, KEY.public),
        vkey("a", ED25519, KEY.public + b"\0"),
        "+00000000+" + encode_base64(b"\x01" + KEY.public),
    ],
)
def test_other_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_vkey(text)


@given(st.binary(min_size=32, max_size=32))
def test_verifier_keys_parse_back(public: bytes) -> None:
    assert parse_vkey(vkey(NAME, ED25519, public)) == note_key(NAME, public)


@given(st.binary(max_size=80))
def test_base64_has_one_form(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


@pytest.mark.parametrize(
    "text", ["QQ", "QR==", "Q Q=", "QQ==\n", "-_==", "QQ===", "=", "\N{FULLWIDTH LATIN CAPITAL LETTER Q}Q=="]
)
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(CrossbearingError) as caught:
        decode_base64(text)
    assert caught.value.code == "bad-checkpoint"


WITNESS = note_key("witness.example", STRANGER.public, ED25519_COSIGNATURE)
POST_QUANTUM = note_key("witness.example", MlDsaKey(b"\x08" * 32).public, ML_DSA_44)


def test_verifier_keys_are_of_the_types_asked_for() -> None:
    for key, types in ((KNOWN, LOG_TYPES), (POST_QUANTUM, LOG_TYPES), (WITNESS, WITNESS_TYPES)):
        assert parse_vkey(key.vkey, types) == key
    for key, types in ((KNOWN, WITNESS_TYPES), (WITNESS, LOG_TYPES), (POST_QUANTUM, frozenset({ED25519}))):
        with pytest.raises(BadCheckpoint, match="type"):
            parse_vkey(key.vkey, types)


@pytest.mark.parametrize(("key_type", "size"), [(ED25519, 31), (ED25519_COSIGNATURE, 33), (ML_DSA_44, 32), (2, 32)])
def test_a_public_key_has_the_length_of_its_type(key_type: int, size: int) -> None:
    with pytest.raises(BadCheckpoint, match="length"):
        note_key(NAME, bytes(size), key_type)


def test_keys_that_sign_checkpoints_only_do_not_sign_other_notes() -> None:
    line = NoteSignature(WITNESS.name, WITNESS.key_id, STRANGER.sign(TEXT.encode()))
    with pytest.raises(BadSignature, match="checkpoints only"):
        verify_note(lines(line), [WITNESS])


def test_signature_lines_stand_alone() -> None:
    data = (GOOD.line * 2).encode()
    assert parse_signatures(data) == (GOOD, GOOD)
    for other in (b"", b"\n", data[:-1], b"\n" + data, data + b"\n", data + b"\n" + data, NOTE, TEXT.encode()):
        with pytest.raises(BadCheckpoint):
            parse_signatures(other)
