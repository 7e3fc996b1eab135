from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadProof, CheckpointUntrusted, CrossbearingError
from schemas.keys import SigningKey
from schemas.limits import MAX_INDEX, MAX_PROOF_HASHES
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.merkle import prove_inclusion
from schemas.log.note import note_key, sign_note
from schemas.log.proof import TlogProof, format_proof, parse_proof, verify_proof
from tests.support.trees import grow

ORIGIN = "log.example/crossbearing"
KEY = SigningKey(bytes(range(32)))
KEYS = [note_key(ORIGIN, KEY.public)]
TREE = grow(40)
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 40, TREE.roots[40]), KEY)
INDEX = 37
ENTRY = str(INDEX).encode()
PATH = prove_inclusion(INDEX, 40, TREE.read)
FILE = format_proof(INDEX, PATH, NOTE, ENTRY)


def test_a_proof_file_has_the_form_of_tlog_proof() -> None:
    head, _, note = FILE.decode().partition("\n\n")
    lines = head.split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra Mzc=", "index 37"]
    assert len(lines) == 3 + len(PATH)
    assert note.encode() == NOTE


def test_a_proof_file_proves_its_entry() -> None:
    proof = parse_proof(FILE)
    assert proof == TlogProof(INDEX, tuple(PATH), NOTE, ENTRY)
    assert verify_proof(proof, ENTRY, ORIGIN, KEYS) == Checkpoint(ORIGIN, 40, TREE.roots[40])


@given(st.integers(1, 40), st.data())
def test_proofs_of_every_size_parse_back_and_hold(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    note = sign_checkpoint(Checkpoint(ORIGIN, size, TREE.roots[size]), KEY)
    extra = data.draw(st.none() | st.binary(max_size=50))
    path = prove_inclusion(index, size, TREE.read)
    file = format_proof(index, path, note, extra)
    proof = parse_proof(file)
    assert proof == TlogProof(index, tuple(path), note, extra)
    verify_proof(proof, str(index).encode(), ORIGIN, KEYS)


def check_file(file: bytes) -> None:
    """What a holder of nothing but the log's key does with a file that carries its entry."""
    proof = parse_proof(file)
    verify_proof(proof, proof.extra or b"", ORIGIN, KEYS)


def test_a_changed_byte_anywhere_spoils_the_evidence() -> None:
    for at in range(len(FILE)):
        changed = bytearray(FILE)
        changed[at] ^= 0x01
        with pytest.raises(CrossbearingError):
            check_file(bytes(changed))


def test_a_proof_is_for_one_entry_one_log_and_its_keys() -> None:
    proof = parse_proof(FILE)
    with pytest.raises(BadProof):
        verify_proof(proof, b"38", ORIGIN, KEYS)
    with pytest.raises(CheckpointUntrusted):
        verify_proof(proof, ENTRY, "other.example", KEYS)
    with pytest.raises(CheckpointUntrusted):
        verify_proof(proof, ENTRY, ORIGIN, [note_key(ORIGIN, SigningKey(bytes(32)).public)])


def test_cosignatures_by_others_are_kept_and_ignored() -> None:
    text = NOTE.decode().rpartition("\n\n")[0] + "\n"
    cosigned = NOTE + sign_note(text, "witness.example", SigningKey(bytes(32))).line.encode()
    proof = parse_proof(format_proof(INDEX, PATH, cosigned, ENTRY))
    assert proof.checkpoint == cosigned
    verify_proof(proof, ENTRY, ORIGIN, KEYS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        NOTE,
        FILE.replace(b"@v1", b"@v2"),
        FILE.replace(b"c2sp.org/tlog-proof@v1\n", b""),
        FILE.replace(b"index 37", b"index 037"),
        FILE.replace(b"index 37", b"index +37"),
        FILE.replace(b"index 37", b"index  37"),
        FILE.replace(b"index 37", b"Index 37"),
        FILE.replace(b"index 37\n", b""),
        FILE.replace(b"index 37", b"index " + b"1" * 5000),
        FILE.replace(b"index 37", f"index {MAX_INDEX + 1}".encode()),
        FILE.replace(b"extra Mzc=", b"extra Mzc"),
        FILE.replace(b"extra Mzc=", b"extra  Mzc="),
        FILE.replace(b"extra Mzc=\n", b"extra Mzc=\nextra Mzc=\n"),
        FILE.replace(b"extra Mzc=\nindex 37\n", b"index 37\nextra Mzc=\n"),
        FILE.replace(b"\n\n", b"\n", 1),
        FILE.replace(b"\n\n", b"\nAAAA\n\n", 1),
        FILE.replace(b"\n\n", b"\n" + b"A" * 43 + b"=\n\n", 1).replace(
            b"A=\n\n", b"A=\n" * MAX_PROOF_HASHES + b"\n", 1
        ),
        FILE.replace(b"index", "\N{LATIN SMALL LETTER I WITH DIAERESIS}ndex".encode()),
        FILE.replace(b"\n", b"\r\n"),
        FILE[:-1],
        FILE + b"\n",
        b"x" * 2_000_000,
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    with pytest.raises(BadProof):
        parse_proof(data)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_a_proof_or_refused(data: bytes, at: int) -> None:
    for candidate in (data, FILE[:at] + data + FILE[at:]):
        try:
            proof = parse_proof(candidate)
        except BadProof:
            continue
        assert format_proof(proof.index, proof.path, proof.checkpoint, proof.extra) == candidate


@pytest.mark.parametrize(
    ("index", "path"), [(-1, PATH), (MAX_INDEX + 1, PATH), (1, [b"short"]), (1, [bytes(32)] * (MAX_PROOF_HASHES + 1))]
)
def test_impossible_proofs_are_not_written(index: int, path: list[bytes]) -> None:
    with pytest.raises(BadProof):
        format_proof(index, path, NOTE)
