"""A disclosure proves one alert whole, or is refused at the step that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert.document import alert_to_wire
from schemas.codec import Value, decode, encode
from schemas.envelope.body import commitment, seal_body
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
from schemas.envelope.header import decode_header, encode_header, sign_header
from schemas.errors import CrossbearingError
from schemas.ids import format_id, sha256
from schemas.keys import SigningKey
from schemas.log.checkpoint import sign_checkpoint
from schemas.log.entry import AlertEntry, RefusalEntry, decode_entry, encode_entry
from schemas.log.note import SignedNote, format_note, note_key, parse_note, sign_note
from tests.support.directory import NOW, make_world
from tests.support.disclosing import Disclosing

Change = Callable[[Disclosing, Disclosure], Disclosure]


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
    assert told.signers == (made.world.origin,)
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


def resigned(made: Disclosing, disclosure: Disclosure, **changes: object) -> Disclosure:
    """The file for a header with fields changed, signed by its sender, and entered in a log of its own."""
    entry = decode_entry(disclosure.entry)
    assert isinstance(entry, AlertEntry)
    header = encode_header(replace(decode_header(entry.header), **changes))  # type: ignore[arg-type]  # replace checks
    signature = sign_header(header, made.world.signing["hk-customs"])
    return entered(made, disclosure, replace(entry, header=header, signature=signature))


def entered(made: Disclosing, disclosure: Disclosure, entry: AlertEntry) -> Disclosure:
    """The file with another entry in the place of the alert's, and all proofs made for that log."""
    return made.with_entry(disclosure, encode_entry(entry))


def with_inner(made: Disclosing, disclosure: Disclosure, inner: dict[str, Value]) -> Disclosure:
    """The file for another plaintext, sealed and signed as it should be."""
    body = seal_body(inner, disclosure.content_key)
    changed = replace(disclosure, body=body, plaintext=encode(inner))
    return resigned(made, changed, body_digest=sha256(body), body_size=len(body))


def inner_of(disclosure: Disclosure) -> dict[str, Value]:
    value = decode(disclosure.plaintext, max_size=1 << 20)
    assert isinstance(value, dict)
    return value


def alert_of(disclosure: Disclosure) -> dict[str, Value]:
    alert = inner_of(disclosure)["alert"]
    assert isinstance(alert, dict)
    return alert


def other_signature(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    entry = decode_entry(disclosure.entry)
    assert isinstance(entry, AlertEntry)
    return entered(made, disclosure, replace(entry, signature=sign_header(entry.header, made.world.signing["sg-cnb"])))


def strangers_line(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    note = parse_note(disclosure.checkpoint)
    line = sign_note(note.text, "stranger.example", SigningKey(bytes(32)))
    return replace(disclosure, checkpoint=format_note(SignedNote(note.text, (*note.signatures, line))))


def of_another_key(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    return replace(disclosure, checkpoint=sign_checkpoint(made.log.checkpoint(), SigningKey(bytes(32))))


def not_an_alert(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    return made.with_entry(disclosure, encode_entry(RefusalEntry(NOW, 5, "sg-cnb", "quota", bytes(32))))


def suspended(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    return Disclosing(suspended=True).disclosure


def last(disclosure: Disclosure) -> Disclosure:
    return replace(disclosure, directory=disclosure.directory[:-1])


KEY = b"\x07" * 32
DEFECTS: dict[str, tuple[int, str, Change]] = {
    "entry of another kind": (1, "bad-entry", not_an_alert),
    "entry cut": (1, "bad-entry", lambda m, d: replace(d, entry=d.entry[:-1])),
    "checkpoint of another key": (2, "checkpoint-untrusted", of_another_key),
    "checkpoint cut": (2, "bad-checkpoint", lambda m, d: replace(d, checkpoint=d.checkpoint[:-1])),
    "another index": (3, "bad-proof", lambda m, d: replace(d, index=d.index + 1)),
    "another path": (3, "bad-proof", lambda m, d: replace(d, path=d.path[::-1])),
    "directory entry of another place": (
        3,
        "bad-proof",
        lambda m, d: replace(d, directory=(replace(d.directory[0], index=1), *d.directory[1:])),
    ),
    "directory without its last version": (4, "wrong-directory", lambda m, d: last(d)),
    "no directory": (4, "wrong-directory", lambda m, d: replace(d, directory=())),
    "directory out of order": (4, "wrong-directory", lambda m, d: replace(d, directory=d.directory[::-1])),
    "directory with another bundle": (
        4,
        "directory-invalid",
        lambda m, d: replace(d, directory=(*d.directory[:-1], replace(d.directory[-1], bundle=b"\x92\xc4\0\xc4\0"))),
    ),
    "a stranger's line": (4, "bad-checkpoint", strangers_line),
    "a suspended sender": (4, "suspended", suspended),
    "a key of nobody": (4, "unknown-key", lambda m, d: resigned(m, d, key=bytes(8))),
    "a signature by another": (5, "bad-signature", other_signature),
    "another content key": (6, "commitment-mismatch", lambda m, d: replace(d, content_key=KEY)),
    "another body": (7, "body-unreadable", lambda m, d: replace(d, body=d.body[:-1] + b"\0")),
    "a body of another key": (
        8,
        "body-unreadable",
        lambda m, d: resigned(m, d, commitment=commitment(d.content_key)[::-1]),
    ),
    "another plaintext": (
        8,
        "inner-mismatch",
        lambda m, d: replace(d, plaintext=d.plaintext.replace(b"watch", b"wotch")),
    ),
    "an inner id of another alert": (
        9,
        "inner-mismatch",
        lambda m, d: with_inner(m, d, inner_of(d) | {"id": bytes(16)}),
    ),
    "a marking that the header does not have": (
        9,
        "inner-mismatch",
        lambda m, d: with_inner(m, d, inner_of(d) | {"alert": alert_of(d) | {"marking": "red"}}),
    ),
    "no title": (
        10,
        "bad-document",
        lambda m, d: with_inner(m, d, inner_of(d) | {"alert": alert_of(d) | {"title": ""}}),
    ),
}
DEFECTS["a body of another key"] = (
    8,
    "body-unreadable",
    lambda m, d: resigned(m, replace(d, content_key=KEY), commitment=commitment(KEY)),
)


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


@pytest.mark.parametrize(
    "change",
    [
        lambda wire: wire | {"version": 2},
        lambda wire: wire | {"format": "another"},
        lambda wire: wire | {"more": 1},
        lambda wire: {name: value for name, value in wire.items() if name != "plaintext"},
        lambda wire: wire | {"content_key": bytes(31)},
        lambda wire: wire | {"path": [bytes(31)]},
        lambda wire: wire | {"directory": [[0, b"", []]]},
        lambda wire: wire | {"directory": [[True, b"", [], b""]]},
        lambda wire: wire | {"index": -1},
    ],
)
def test_another_form_is_refused(made: Disclosing, change: Callable[[dict[str, Value]], dict[str, Value]]) -> None:
    wire = decode(made.data, max_size=1 << 20)
    assert isinstance(wire, dict)
    with pytest.raises(CrossbearingError) as refused:
        verify_disclosure(encode(change(wire)), keys=made.keys)
    assert refused.value.context["step"] == 1


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
    assert known_lines(with_stranger, made.world.directory) == made.disclosure.checkpoint


def test_the_id_in_the_file_is_the_alerts(made: Disclosing) -> None:
    assert format_id(verify(made, made.disclosure).header.id) == made.alert.id
    assert make_world().trusted_root == made.world.trusted_root
