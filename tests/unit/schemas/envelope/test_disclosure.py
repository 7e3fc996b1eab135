"""A disclosure proves one alert whole, or is refused at the step that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert.document import alert_to_wire
from schemas.codec import decode, encode
from schemas.directory.witness_policy import witness_name
from schemas.directory.witnesses import Witnesses
from schemas.envelope.disclosure import (
    FORMAT,
    STEPS,
    Disclosed,
    Disclosure,
    decode_disclosure,
    encode_disclosure,
    is_disclosure,
    known_lines,
    verify_disclosure,
)
from schemas.errors import CrossbearingError
from schemas.example import example_seed
from schemas.ids import format_id, sha256
from schemas.keys import WitnessKey
from schemas.log.cosignature import Cosigner, Tree
from schemas.log.note import SignedNote, format_note, note_key, parse_note
from tests.support.directory import NOW
from tests.support.disclosing import Disclosing
from tests.vectors.disclosure_cases import DEFECTS, FORMS, strangers_line


@pytest.fixture(scope="module")
def made() -> Disclosing:
    return Disclosing()


def verify(made: Disclosing, disclosure: Disclosure) -> Disclosed:
    return verify_disclosure(encode_disclosure(disclosure), keys=made.keys, trusted_root=made.world.trusted_root)


def test_a_good_file_proves_the_alert(made: Disclosing) -> None:
    told = verify(made, made.disclosure)
    assert alert_to_wire(told.alert) == alert_to_wire(made.alert)
    assert (told.header.sender, [r.agency for r in told.header.recipients]) == ("hk-customs", ["au-abf", "sg-cnb"])
    assert (told.index, told.entry.time, told.checkpoint.size) == (made.index, NOW, len(made.log.leaves))
    assert (told.witnesses, told.quorum) == ((), True), "this directory asks for none"
    assert (told.root_trusted, told.root) == (True, sha256(made.world.trusted_root))
    assert told.directory.version == 5


def test_without_a_root_of_ones_own_the_files_is_taken_and_named(made: Disclosing) -> None:
    told = verify_disclosure(made.data, keys=made.keys)
    assert (told.root_trusted, told.root) == (False, sha256(made.world.trusted_root))


def test_it_holds_no_secret_of_any_pair_nor_key_of_any_agency(made: Disclosing) -> None:
    secrets = [pair.secret for pair in made.pairs.values()] + [pair.opener for pair in made.pairs.values()]
    assert not [secret for secret in secrets if secret in made.data]


def test_the_key_opens_no_other_alert(made: Disclosing) -> None:
    other = Disclosing(number=2)
    assert decode_disclosure(other.data).content_key != made.disclosure.content_key


def test_a_disclosed_alert_comes_out_of_its_verification_only(made: Disclosing) -> None:
    told = verify(made, made.disclosure)
    with pytest.raises(TypeError):
        replace(told, _proof=None)


def test_it_is_told_from_a_proof_file(made: Disclosing) -> None:
    assert is_disclosure(made.data)
    assert not is_disclosure(b"c2sp.org/tlog-proof@v1\n" + encode(FORMAT))
    assert not is_disclosure(encode({"format": "another"}))


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_refused_at_its_step(made: Disclosing, defect: str) -> None:
    step, code, change = DEFECTS[defect]
    with pytest.raises(CrossbearingError) as refused:
        verify(made, change(made, made.disclosure))
    assert (refused.value.context.get("step"), refused.value.code) == (step, code)


def test_every_step_is_tested() -> None:
    assert {step for step, _, _ in DEFECTS.values()} == set(STEPS)


def test_another_root_than_the_governors_is_refused(made: Disclosing) -> None:
    with pytest.raises(CrossbearingError) as refused:
        verify_disclosure(made.data, keys=made.keys, trusted_root=made.world.trusted_root + b" ")
    assert (refused.value.code, refused.value.context["step"]) == ("directory-invalid", 4)


def test_the_log_key_decides_whose_log_it_is(made: Disclosing) -> None:
    with pytest.raises(CrossbearingError) as refused:
        verify_disclosure(made.data, keys=[note_key("other.example/log", made.world.log_key.public)])
    assert (refused.value.code, refused.value.context["step"]) == ("checkpoint-untrusted", 2)


@pytest.mark.parametrize("form", FORMS)
def test_another_form_is_refused(made: Disclosing, form: str) -> None:
    wire = decode(made.data, max_size=1 << 20)
    assert isinstance(wire, dict)
    with pytest.raises(CrossbearingError) as refused:
        verify_disclosure(encode(FORMS[form](wire)), keys=made.keys)
    assert (refused.value.code, refused.value.context["step"]) == ("malformed", 1)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_flipped_bit_is_refused(made: Disclosing, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made.data) - 1))
    bit = data.draw(st.integers(0, 7))
    bad = bytearray(made.data)
    bad[at] ^= 1 << bit
    with pytest.raises(CrossbearingError):
        verify_disclosure(bytes(bad), keys=made.keys, trusted_root=made.world.trusted_root)


def test_any_byte_cut_or_added_is_refused(made: Disclosing) -> None:
    for bad in (made.data[:-1], made.data + b"\0", b"", made.data[1:]):
        with pytest.raises(CrossbearingError):
            verify_disclosure(bad, keys=made.keys)


def test_lines_of_strangers_are_left_out_before(made: Disclosing) -> None:
    with_stranger = strangers_line(made, made.disclosure).checkpoint
    assert known_lines(with_stranger, made.world.directory, made.keys) == made.disclosure.checkpoint


def test_cosignatures_of_witnesses_are_counted() -> None:
    made = Disclosing(witnesses=Witnesses(2))
    note = parse_note(made.disclosure.checkpoint)
    tree = Tree(made.world.origin, len(made.log.leaves), made.log.checkpoint().root)
    lines = list(note.signatures)
    for agency in ("au-abf", "sg-cnb"):
        cosigner = Cosigner(witness_name(made.world.origin, agency), WitnessKey(example_seed(agency, "witness")), None)
        lines += cosigner.cosign(note.text, tree, now=NOW)
    for count, witnesses, quorum in ((1, (), False), (2, ("au-abf",), False), (3, ("au-abf", "sg-cnb"), True)):
        cosigned = format_note(SignedNote(note.text, tuple(lines[:count])))
        told = verify(made, replace(made.disclosure, checkpoint=cosigned))
        assert (told.witnesses, told.quorum) == (witnesses, quorum)
        assert known_lines(cosigned, made.world.directory, ()) == cosigned


def test_the_id_in_the_file_is_the_alerts(made: Disclosing) -> None:
    assert format_id(verify(made, made.disclosure).header.id) == made.alert.id
