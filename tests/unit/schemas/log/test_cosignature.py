from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadCheckpoint, BadSignature, CheckpointUntrusted
from schemas.keys import MlDsaKey, SigningKey, WitnessKey, verify, verify_ml_dsa
from schemas.limits import MAX_INDEX
from schemas.log.checkpoint import (
    Checkpoint,
    format_checkpoint,
    parse_tree,
    sign_checkpoint,
    verify_checkpoint,
    verify_signers,
)
from schemas.log.cosignature import Cosigner, Tree, check_signature, sign_text, sign_tree, signed_at
from schemas.log.note import (
    ED25519_COSIGNATURE,
    ML_DSA_44,
    WITNESS_TYPES,
    NoteKey,
    NoteSignature,
    SignedNote,
    format_note,
    note_key,
    parse_note,
    parse_vkey,
)
from tests.support.witnessing import COSIGNER, GROWN, LOG_KEY, LOG_KEYS, LOG_PQ, NOW, ORIGIN, WITNESS, note, tree

CLASSICAL = WitnessKey(b"\x03" * 32)
POST_QUANTUM = MlDsaKey(b"\x04" * 32)
TEXT = format_checkpoint(Checkpoint(ORIGIN, 7, GROWN.roots[7]))
SECONDS = NOW // 1000
ED, PQ = COSIGNER.keys
SPEC_NOTE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5\
/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs\
X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()
ED_LINE, PQ_LINE = COSIGNER.cosign(TEXT, tree(7), now=NOW)


def test_the_ed25519_message_is_that_of_tlog_cosignature() -> None:
    time, signature = ED_LINE.signature[:8], ED_LINE.signature[8:]
    assert time == struct.pack(">Q", SECONDS)
    verify(CLASSICAL.public, f"cosignature/v1\ntime {SECONDS}\n{TEXT}".encode(), signature)


def test_the_ml_dsa_message_is_that_of_tlog_cosignature() -> None:
    time, signature = PQ_LINE.signature[:8], PQ_LINE.signature[8:]
    name, origin = WITNESS.encode(), ORIGIN.encode()
    message = b"subtree/v1\n\0" + bytes([len(name)]) + name + time + bytes([len(origin)]) + origin
    verify_ml_dsa(POST_QUANTUM.public, message + struct.pack(">QQ", 0, 7) + GROWN.roots[7], signature)


def test_the_example_of_tlog_cosignature() -> None:
    [_, line] = parse_note(SPEC_NOTE).signatures
    key = note_key("witness.example.com/w1", CLASSICAL.public, ED25519_COSIGNATURE)
    assert (line.name, len(line.signature)) == (key.name, 72)
    assert signed_at(key, line) == 1_679_315_147_000
    assert parse_tree(parse_note(SPEC_NOTE).text).end == 20_852_163


def test_cosigned_lines_are_fit_for_their_keys() -> None:
    for key, line in zip(COSIGNER.keys, (ED_LINE, PQ_LINE), strict=True):
        assert (line.name, line.key_id) == (WITNESS, key.key_id)
        check_signature(key, TEXT, line.signature, tree=tree(7))
        assert signed_at(key, line) == SECONDS * 1000
        assert parse_vkey(key.vkey, WITNESS_TYPES) == key
        assert len(line.signature) == {ED25519_COSIGNATURE: 72, ML_DSA_44: 2428}[key.type]


@pytest.mark.parametrize(("key", "line"), [(ED, ED_LINE), (PQ, PQ_LINE)], ids=["ed25519", "ml-dsa-44"])
def test_a_changed_byte_anywhere_spoils_a_cosignature(key: NoteKey, line: NoteSignature) -> None:
    for at in range(len(line.signature)):
        changed = bytearray(line.signature)
        changed[at] ^= 0x01
        with pytest.raises(BadSignature):
            check_signature(key, TEXT, bytes(changed), tree=tree(7))


@pytest.mark.parametrize(("key", "line"), [(ED, ED_LINE), (PQ, PQ_LINE)], ids=["ed25519", "ml-dsa-44"])
@pytest.mark.parametrize("change", ["cut", "lengthened", "empty", "time out of range"])
def test_other_payloads_are_refused(key: NoteKey, line: NoteSignature, change: str) -> None:
    payload = {
        "cut": line.signature[:-1],
        "lengthened": line.signature + b"\0",
        "empty": b"",
        "time out of range": struct.pack(">Q", 1 << 63) + line.signature[8:],
    }[change]
    with pytest.raises(BadSignature):
        check_signature(key, TEXT, payload, tree=tree(7))


def test_ml_dsa_covers_name_log_size_root_and_time() -> None:
    for name, signed in [
        ("witness.example/w2", tree(7)),
        (WITNESS, Tree("log.example/other", 7, GROWN.roots[7])),
        (WITNESS, Tree(ORIGIN, 8, GROWN.roots[7])),
        (WITNESS, Tree(ORIGIN, 7, GROWN.roots[8])),
    ]:
        other = note_key(name, POST_QUANTUM.public, ML_DSA_44)
        with pytest.raises(BadSignature):
            check_signature(other, TEXT, PQ_LINE.signature, tree=signed)


def test_ed25519_covers_the_text_with_its_extension_lines() -> None:
    with pytest.raises(BadSignature):
        check_signature(ED, TEXT + "extension\n", ED_LINE.signature, tree=tree(7))
    check_signature(PQ, TEXT + "extension\n", PQ_LINE.signature, tree=tree(7))


def test_one_type_is_not_taken_for_another() -> None:
    plain = note_key(WITNESS, CLASSICAL.public)
    with pytest.raises(BadSignature):
        check_signature(plain, TEXT, ED_LINE.signature, tree=tree(7))
    with pytest.raises(BadSignature):
        check_signature(plain, TEXT, ED_LINE.signature[8:], tree=tree(7))


def test_a_part_of_the_tree_is_signed_without_a_time() -> None:
    part = Tree(ORIGIN, 8, GROWN.roots[4], start=4)
    line = sign_tree(part, WITNESS, POST_QUANTUM, now=0)
    check_signature(PQ, "", line.signature, tree=part)
    assert signed_at(PQ, line) == 0
    with pytest.raises(BadCheckpoint, match="no time"):
        sign_tree(part, WITNESS, POST_QUANTUM, now=NOW)
    timed = struct.pack(">Q", SECONDS) + line.signature[8:]
    with pytest.raises(BadSignature, match="no time"):
        check_signature(PQ, "", timed, tree=part)


@given(st.integers(1000, ((1 << 63) - 1) * 1000 + 999), st.integers(0, 300))
def test_any_time_and_size_can_be_cosigned(now: int, size: int) -> None:
    text = format_checkpoint(Checkpoint(ORIGIN, size, GROWN.roots[size]))
    line = sign_text(text, WITNESS, CLASSICAL, now=now)
    check_signature(ED, text, line.signature, tree=tree(size))
    assert signed_at(ED, line) == now // 1000 * 1000


def test_a_time_out_of_range_is_refused_though_it_was_signed() -> None:
    message = f"cosignature/v1\ntime {1 << 63}\n{TEXT}".encode()
    payload = struct.pack(">Q", 1 << 63) + CLASSICAL.sign(message)
    with pytest.raises(BadSignature, match="range"):
        check_signature(ED, TEXT, payload, tree=tree(7))
    last = struct.pack(">Q", (1 << 63) - 1) + CLASSICAL.sign(message.replace(b"5808", b"5807"))
    check_signature(ED, TEXT, last, tree=tree(7))


@pytest.mark.parametrize("now", [-1, (1 << 63) * 1000])
def test_times_out_of_range_are_not_signed(now: int) -> None:
    with pytest.raises(BadCheckpoint):
        sign_text(TEXT, WITNESS, CLASSICAL, now=now)


@pytest.mark.parametrize("now", [0, 999, -1])
def test_a_witness_always_says_when(now: int) -> None:
    with pytest.raises(BadCheckpoint):
        COSIGNER.cosign(TEXT, tree(7), now=now)
    assert len(COSIGNER.cosign(TEXT, tree(7), now=1000)) == 2


@pytest.mark.parametrize("name", ["", "a b", "a+b", "n" * 256, "\ud800"])
def test_names_no_line_can_carry_are_refused(name: str) -> None:
    with pytest.raises(BadCheckpoint):
        Cosigner(name, CLASSICAL, None)


@pytest.mark.parametrize("name", ["n", "n" * 255, "\N{GREEK SMALL LETTER OMEGA}" * 127])
def test_names_up_to_their_limit(name: str) -> None:
    line = sign_tree(Tree(name, 7, GROWN.roots[7]), name, POST_QUANTUM, now=((1 << 63) - 1) * 1000)
    key = note_key(name, POST_QUANTUM.public, ML_DSA_44)
    check_signature(key, TEXT, line.signature, tree=Tree(name, 7, GROWN.roots[7]))
    assert Cosigner(name, CLASSICAL, None).name == name


def test_a_cosigner_needs_a_key() -> None:
    assert [key.type for key in Cosigner(WITNESS, CLASSICAL, None).keys] == [ED25519_COSIGNATURE]
    assert [key.type for key in Cosigner(WITNESS, None, POST_QUANTUM).keys] == [ML_DSA_44]
    assert len(Cosigner(WITNESS, None, POST_QUANTUM).cosign(TEXT, tree(7), now=NOW)) == 1
    assert len(Cosigner(WITNESS, CLASSICAL, None).cosign(TEXT, tree(7), now=NOW)) == 1
    with pytest.raises(BadCheckpoint):
        Cosigner(WITNESS, None, None)


@pytest.mark.parametrize(
    ("origin", "end", "root", "start"),
    [
        ("", 1, bytes(32), 0),
        ("o" * 256, 1, bytes(32), 0),
        (ORIGIN, -1, bytes(32), 0),
        (ORIGIN, MAX_INDEX + 1, bytes(32), 0),
        (ORIGIN, 1, bytes(31), 0),
        (ORIGIN, 4, bytes(32), 8),
        (ORIGIN, 4, bytes(32), -4),
    ],
)
def test_trees_no_signature_can_cover_cannot_be_made(origin: str, end: int, root: bytes, start: int) -> None:
    with pytest.raises(BadCheckpoint):
        Tree(origin, end, root, start)


# -- in a checkpoint ---------------------------------------------------------------------------------------------------

SIGNED = sign_checkpoint(Checkpoint(ORIGIN, 7, GROWN.roots[7]), LOG_KEY, LOG_PQ, now=NOW)
COSIGNED = SIGNED + ED_LINE.line.encode() + PQ_LINE.line.encode()


def test_a_log_signs_with_both_keys() -> None:
    checkpoint = Checkpoint(ORIGIN, 7, GROWN.roots[7])
    for keys in (LOG_KEYS, LOG_KEYS[:1], LOG_KEYS[1:]):
        assert verify_checkpoint(SIGNED, ORIGIN, keys) == checkpoint
        assert verify_checkpoint(COSIGNED, ORIGIN, keys) == checkpoint
    signed = verify_signers(COSIGNED, (*LOG_KEYS, *COSIGNER.keys))
    assert [signed_at(key, line) for key, line in zip((*LOG_KEYS, ED, PQ), signed.signatures, strict=True)] == [
        None,
        NOW,
        NOW,
        NOW,
    ]


def test_a_log_may_state_no_time() -> None:
    untimed = sign_checkpoint(Checkpoint(ORIGIN, 7, GROWN.roots[7]), LOG_KEY, LOG_PQ)
    [line] = verify_signers(untimed, LOG_KEYS[1:]).signatures
    assert signed_at(LOG_KEYS[1], line) == 0


def test_a_cosignature_is_not_a_logs_signature() -> None:
    stranger = sign_checkpoint(Checkpoint(ORIGIN, 7, GROWN.roots[7]), SigningKey(bytes(32)))
    with pytest.raises(CheckpointUntrusted):
        verify_checkpoint(stranger + ED_LINE.line.encode(), ORIGIN, LOG_KEYS)


def test_a_cosignature_on_another_checkpoint_spoils_the_note() -> None:
    for line in (ED_LINE, PQ_LINE):
        moved = note(8) + line.line.encode()
        assert verify_checkpoint(moved, ORIGIN, LOG_KEYS).size == 8
        with pytest.raises(BadSignature):
            verify_signers(moved, (*LOG_KEYS, *COSIGNER.keys))


def test_a_changed_byte_spoils_a_cosigned_checkpoint() -> None:
    keys = (*LOG_KEYS, *COSIGNER.keys)
    for at in range(len(COSIGNED)):
        changed = bytearray(COSIGNED)
        changed[at] ^= 0x01
        try:
            signed = verify_signers(bytes(changed), keys)
        except (BadCheckpoint, BadSignature, CheckpointUntrusted):
            continue
        assert len(signed.signatures) < len(keys)  # a line whose name or key id changed is by nobody known


def test_a_signature_given_twice_is_refused() -> None:
    with pytest.raises(BadCheckpoint, match="twice"):
        verify_signers(COSIGNED + PQ_LINE.line.encode(), COSIGNER.keys)


def test_the_checkpoints_of_others_may_have_any_origin_and_extension_lines() -> None:
    text = TEXT.replace(ORIGIN, "go.sum database tree") + "first\nsecond\n"
    lines = COSIGNER.cosign(text, Tree("go.sum database tree", 7, GROWN.roots[7]), now=NOW)
    data = format_note(SignedNote(text, lines))
    assert len(verify_signers(data, COSIGNER.keys, any_log=True).signatures) == 2
    with pytest.raises(BadCheckpoint):
        verify_signers(data, COSIGNER.keys)


@pytest.mark.parametrize("text", [TEXT + "\n", TEXT + "a\n\nb\n", TEXT[:-1], TEXT.replace("7", "07", 1), "\n" + TEXT])
def test_the_checkpoints_of_others_have_a_form_too(text: str) -> None:
    data = (text + "\n" + ED_LINE.line).encode()
    with pytest.raises(BadCheckpoint):
        verify_signers(data, COSIGNER.keys, any_log=True)
