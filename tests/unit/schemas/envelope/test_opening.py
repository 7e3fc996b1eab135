"""The eleven steps: each with every way it can fail, its code, and its number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from schemas.alert.document import Alert, alert_from_wire, alert_to_wire
from schemas.codec import Value
from schemas.directory.history import DirectoryHistory
from schemas.envelope.body import commitment, seal_body
from schemas.envelope.carriage import sign_carried
from schemas.envelope.header import Header, decode_header, encode_header, sign_header
from schemas.envelope.opener import wrap
from schemas.envelope.opening import (
    STEPS,
    IncludedAlert,
    IncludedEntry,
    OpenedAlert,
    SecretFor,
    TrustedCheckpoint,
    alert_inside,
    include_item,
    open_alert,
    open_included,
    read_included,
    trust_checkpoint,
    verify_item,
)
from schemas.envelope.seal import PairKey, Sealed
from schemas.errors import CrossbearingError
from schemas.ids import sha256
from schemas.keys import SigningKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.entry import AlertEntry, RefusalEntry, encode_entry
from schemas.log.merkle import EMPTY_ROOT, leaf_hash, prove_consistency
from schemas.routing.requests import StandingRequest
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import DAY_MS, NOW, World, make_world, record
from tests.support.envelope import SmallLog, alert_entry, make_alert, seal_alert, secrets_of

ME = "sg-cnb"
FIELDS: dict[str, Any] = {
    "to": ["all"],
    "operation": "marker",
    "modes": ["sea", "air"],
    "relation": {"type": "reply", "alert": "0190a0b0-c0d0-7000-8000-00000000000a"},
    "attachments": [
        {
            "name": "a.png",
            "media_type": "image/png",
            "size": 1,
            "sealed_size": 42,
            "digest": "ab" * 32,
            "key": "cd" * 32,
        }
    ],
}


@dataclass
class Case:
    """One alert in one log, of which any part can be exchanged before it is opened."""

    world: World
    alert: Alert
    sealed: Sealed
    pairs: dict[str, PairKey]
    log: SmallLog
    index: int

    def open(self, **changes: Any) -> OpenedAlert:
        arguments: dict[str, Any] = {
            "index": self.index,
            "entry": self.log.leaves[self.index],
            "path": self.log.path(self.index),
            "trusted": self.log.trusted(),
            "history": self.world.history,
            "me": ME,
            "body": self.sealed.body,
            "secret_for": self.secrets(),
            **changes,
        }
        positional = [arguments.pop(name) for name in ("index", "entry", "path", "trusted")]
        return open_alert(*positional, **arguments)

    def secrets(self, me: str = ME) -> SecretFor:
        return secrets_of(self.world, me, [pair.opener for pair in self.pairs.values()])

    @property
    def header(self) -> Header:
        return decode_header(self.sealed.header)

    def reopen(
        self, header: Header, *, key: SigningKey | None = None, body: bytes | None = None, time: int = NOW
    ) -> OpenedAlert:
        """Sign and log another header as a faulty sender would, and open that."""
        data = encode_header(header)
        signature = sign_header(data, key or self.world.signing["hk-customs"])
        entry = AlertEntry(time, self.world.directory.version, data, signature)
        index = self.log.append(entry)
        return self.open(
            index=index,
            entry=self.log.leaves[index],
            path=self.log.path(index),
            body=self.sealed.body if body is None else body,
        )

    def resealed(self, inner: dict[str, Value], **header: Any) -> OpenedAlert:
        """Seal another plaintext under the same header, as a faulty sender would, and open that."""
        key = b"n" * 32
        body = seal_body(inner, key)
        return self.with_body(body, key, **header)

    def with_body(self, body: bytes, key: bytes, **header: Any) -> OpenedAlert:
        committed = commitment(key)
        recipients = tuple(
            structs.replace(r, wrap=wrap(self.pairs[r.agency].secret, self.header.id, committed, key))
            for r in self.header.recipients
        )
        named = {"body_digest": sha256(body), "body_size": len(body), **header}
        changed = replace(self.header, commitment=committed, recipients=recipients, **named)
        return self.reopen(changed, body=body)

    def inner(self, **changes: Value) -> dict[str, Value]:
        return {"id": self.header.id, "sender": "hk-customs", "alert": {**alert_to_wire(self.alert), **changes}}


@pytest.fixture
def case() -> Case:
    world = make_world()
    alert = make_alert(world, "hk-customs", **FIELDS)
    sealed, pairs = seal_alert(world, alert)
    log = SmallLog(world)
    log.append(RefusalEntry(NOW, 5, "au-abf", "quota", bytes(32)))
    index = log.append(alert_entry(world, sealed))
    log.append(RefusalEntry(NOW, 5, "au-abf", "quota", bytes(32)))
    return Case(world, alert, sealed, pairs, log, index)


def refused(step: int, code: str, act: Callable[[], object]) -> CrossbearingError:
    with pytest.raises(CrossbearingError) as caught:
        act()
    assert (caught.value.context.get("step"), caught.value.code) == (step, code), caught.value.message
    assert " " in caught.value.message
    return caught.value


def test_an_alert_opens(case: Case) -> None:
    opened = case.open()
    assert opened.alert == case.alert
    assert opened.header == case.header
    assert opened.entry == alert_entry(case.world, case.sealed)
    assert (opened.index, opened.leaf) == (case.index, leaf_hash(case.log.leaves[case.index]))
    assert opened.document == alert_to_wire(case.alert)
    other = case.open(me="au-abf", secret_for=case.secrets("au-abf"))
    assert other.alert == case.alert


def test_an_alert_without_anything_optional_opens(case: Case) -> None:
    alert = make_alert(case.world, "hk-customs", number=2)
    bare = alert.model_copy(update={"modes": []})
    sealed, pairs = seal_alert(case.world, bare)
    index = case.log.append(alert_entry(case.world, sealed))
    secrets = secrets_of(case.world, ME, [pair.opener for pair in pairs.values()])
    arguments = {"entry": case.log.leaves[index], "path": case.log.path(index), "secret_for": secrets}
    assert case.open(index=index, body=sealed.body, **arguments).alert == bare


def test_the_steps_are_numbered_without_gap() -> None:
    assert list(STEPS) == list(range(1, 12))


def test_nothing_verified_is_made_by_hand(case: Case) -> None:
    opened = case.open()
    with pytest.raises(TypeError, match="only as the result of its verification"):
        TrustedCheckpoint(case.log.checkpoint(), case.log.note())
    with pytest.raises(TypeError):
        OpenedAlert(opened.index, opened.entry, opened.header, opened.alert, opened.leaf, opened.document)
    with pytest.raises(TypeError):
        IncludedEntry(opened.index, opened.entry, opened.leaf)
    with pytest.raises(TypeError):
        IncludedAlert(opened.index, opened.entry, opened.header, opened.leaf)


def test_an_alert_is_opened_in_parts_as_in_one(case: Case) -> None:
    included = include_item(case.index, case.log.leaves[case.index], case.log.path(case.index), case.log.trusted())
    alert = read_included(included)
    assert (alert.index, alert.entry, alert.header, alert.leaf) == (
        case.index,
        alert_entry(case.world, case.sealed),
        case.header,
        leaf_hash(case.log.leaves[case.index]),
    )
    given: dict[str, Any] = {"history": case.world.history, "body": case.sealed.body, "secret_for": case.secrets()}
    assert open_included(alert, me=ME, **given) == case.open()
    refused(6, "not-recipient", lambda: open_included(alert, me="jp-customs", **given))


def test_the_header_of_an_included_entry_is_read_strictly(case: Case) -> None:
    def read(index: int) -> IncludedAlert:
        return read_included(include_item(index, case.log.leaves[index], case.log.path(index), case.log.trusted()))

    refused(1, "bad-entry", lambda: read(0))
    index = case.log.append(AlertEntry(NOW, 5, case.sealed.header[:-1], case.sealed.signature))
    refused(1, "truncated", lambda: read(index))


# -- step 1 ------------------------------------------------------------------------------------------------------------


def test_step_1_strict_decode(case: Case) -> None:
    entry = case.log.leaves[case.index]
    for faulty in (b"", entry[:-1], entry + b"\0", b"\x80"):
        refused(1, "bad-entry", partial(case.open, entry=faulty))
        refused(1, "bad-entry", partial(verify_item, case.index, faulty, [], case.log.trusted()))
    refused(1, "bad-entry", lambda: case.open(index=0, entry=case.log.leaves[0], path=case.log.path(0)))
    header = case.sealed.header
    for data, code in (
        (header[:-1], "truncated"),
        (header + b"\0", "malformed"),
        (b"\x80", "malformed"),
        (header.replace(b"\xa7version\x01", b"\xa7version\xcc\x01"), "not-canonical"),
    ):
        entry = encode_entry(AlertEntry(NOW, 5, data, case.sealed.signature))
        refused(1, code, partial(case.open, entry=entry))


# -- step 2 ------------------------------------------------------------------------------------------------------------


def trust(case: Case, note: bytes, **changes: Any) -> TrustedCheckpoint:
    arguments: dict[str, Any] = {
        "origin": case.world.origin,
        "keys": case.world.directory.log_keys(),
        "held": Checkpoint(case.world.origin, 0, EMPTY_ROOT),
        "proof": [],
        **changes,
    }
    return trust_checkpoint(note, **arguments)


def test_step_2_the_log_signed_it(case: Case) -> None:
    note, checkpoint = case.log.note(), case.log.checkpoint()
    trusted = trust(case, note)
    assert (trusted.checkpoint, trusted.note) == (checkpoint, note)
    stranger = SigningKey(b"s" * 32)
    refused(2, "checkpoint-untrusted", lambda: trust(case, sign_checkpoint(checkpoint, stranger)))
    refused(2, "checkpoint-untrusted", lambda: trust(case, note, keys=[]))
    refused(2, "bad-signature", lambda: trust(case, note.replace(b"\n8\n", b"\n9\n")))
    refused(2, "bad-checkpoint", lambda: trust(case, note[:-1]))
    other = sign_checkpoint(replace(checkpoint, origin="other.example/log"), case.world.log_key)
    refused(2, "checkpoint-untrusted", lambda: trust(case, other))
    refused(2, "checkpoint-untrusted", lambda: trust(case, note, held=replace(checkpoint, origin="other.example/log")))


def test_step_2_it_continues_what_was_held(case: Case) -> None:
    held = case.log.checkpoint()
    case.log.append(RefusalEntry(NOW, 5, "au-abf", "quota", bytes(32)))
    proof = prove_consistency(held.size, held.size + 1, case.log.read)
    note = case.log.note()
    assert trust(case, note, held=held, proof=proof).checkpoint.size == held.size + 1
    error = refused(2, "fork", lambda: trust(case, note, held=held))
    assert f"of size {held.size + 1} does not continue the one of size {held.size}" in error.message
    refused(2, "fork", lambda: trust(case, note, held=replace(held, root=bytes(32)), proof=proof))
    refused(2, "fork", lambda: trust(case, note, held=replace(case.log.checkpoint(), root=bytes(32))))
    older = sign_checkpoint(held, case.world.log_key)
    refused(2, "fork", lambda: trust(case, older, held=case.log.checkpoint()))


# -- step 3 ------------------------------------------------------------------------------------------------------------


def test_step_3_inclusion(case: Case) -> None:
    path = case.log.path(case.index)
    assert verify_item(case.index, case.log.leaves[case.index], path, case.log.trusted()) == alert_entry(
        case.world, case.sealed
    )
    for index, faulty in (
        (case.index, path[:-1]),
        (case.index, path[::-1]),
        (case.index - 1, path),
        (99, path),
        (-1, path),
    ):
        error = refused(3, "not-included", partial(case.open, index=index, path=faulty))
        assert error.context["index"] == index
    refused(3, "not-included", lambda: verify_item(0, case.log.leaves[case.index], path, case.log.trusted()))
    later = replace(alert_entry(case.world, case.sealed), time=NOW + 1)
    refused(3, "not-included", lambda: case.open(entry=encode_entry(later)))


# -- step 4 ------------------------------------------------------------------------------------------------------------


def test_step_4_directory_in_force(case: Case) -> None:
    def entered(version: int, history: DirectoryHistory) -> OpenedAlert:
        index = case.log.append(replace(alert_entry(case.world, case.sealed), directory=version))
        return case.open(index=index, entry=case.log.leaves[index], path=case.log.path(index), history=history)

    refused(4, "wrong-directory", lambda: entered(4, case.world.history))
    refused(4, "directory-unknown", lambda: entered(6, case.world.history))
    refused(4, "directory-unknown", lambda: entered(5, DirectoryHistory()))
    refused(4, "wrong-directory", lambda: case.reopen(replace(case.header, directory=6)))


def test_step_4_sender_and_key(case: Case) -> None:
    refused(4, "unknown-agency", lambda: case.reopen(replace(case.header, sender="jp-customs")))
    refused(4, "unknown-key", lambda: case.reopen(replace(case.header, key=bytes(8))))
    refused(4, "key-not-valid", lambda: case.reopen(case.header, time=NOW + 731 * DAY_MS))
    refused(4, "key-not-valid", lambda: case.reopen(case.header, time=NOW - 31 * DAY_MS))


def test_step_4_retired_and_suspended_count_from_their_own_entry_on(case: Case) -> None:
    held = case.world.keys["hk-customs"]
    case.world.keys["hk-customs"] = replace(held, signing=(replace(held.signing[0], status="retired"),))
    entry = case.world.publish("hk-customs", index=len(case.log.leaves))
    case.log.append(entry)
    refused(4, "key-retired", lambda: case.reopen(case.header))
    assert case.open().alert == case.alert
    case.world.keys["hk-customs"] = replace(held, signing=(record(case.world.signing["hk-customs"].public),))
    case.log.append(case.world.publish("hk-customs", index=len(case.log.leaves)))
    assert case.reopen(case.header).alert == case.alert
    case.world.change_agency("hk-customs", status="suspended")
    case.log.append(case.world.publish("targets", index=len(case.log.leaves)))
    refused(4, "suspended", lambda: case.reopen(case.header))
    assert case.open().alert == case.alert


# -- steps 5 and 6 -----------------------------------------------------------------------------------------------------


def test_step_5_signature(case: Case) -> None:
    refused(5, "bad-signature", lambda: case.reopen(case.header, key=case.world.signing["au-abf"]))


def test_step_5_the_word_that_it_was_carried(case: Case) -> None:
    def carried(word: bytes) -> OpenedAlert:
        index = case.log.append(replace(alert_entry(case.world, case.sealed), carried=word))
        return case.open(index=index, entry=case.log.leaves[index], path=case.log.path(index))

    word = sign_carried(case.sealed.header, case.world.signing["hk-customs"])
    assert carried(word).alert == case.alert
    refused(5, "bad-signature", lambda: carried(case.sealed.signature))
    refused(5, "bad-signature", lambda: carried(sign_carried(case.sealed.header, case.world.signing["au-abf"])))


def test_step_6_recipient(case: Case) -> None:
    refused(6, "not-recipient", lambda: case.open(me="hk-customs"))


# -- steps 7 and 8 -----------------------------------------------------------------------------------------------------


def test_step_7_opener(case: Case) -> None:
    refused(7, "opener-unknown", lambda: case.open(secret_for=secrets_of(case.world, ME, [])))
    foreign = {**case.pairs, ME: replace(case.pairs[ME], opener=case.pairs["au-abf"].opener)}

    def wrong_opener(identity: bytes, sender: str, key: bytes) -> bytes:
        found = secrets_of(case.world, ME, [pair.opener for pair in foreign.values()])
        return found(case.pairs["au-abf"].opener_id, sender, key)

    refused(7, "opener-unknown", lambda: case.open(secret_for=wrong_opener))


def test_step_8_content_key(case: Case) -> None:
    refused(8, "wrap-failed", lambda: case.open(secret_for=lambda *_: bytes(32)))
    mine = next(n for n, r in enumerate(case.header.recipients) if r.agency == ME)
    recipients = list(case.header.recipients)
    recipients[mine] = structs.replace(recipients[mine], wrap=bytes(48))
    refused(8, "wrap-failed", lambda: case.reopen(replace(case.header, recipients=tuple(recipients))))


def test_step_8_commitment(case: Case) -> None:
    """A sender who would show one recipient another text wraps another key, which the commitment does not fit."""
    mine = next(n for n, r in enumerate(case.header.recipients) if r.agency == ME)
    recipients = list(case.header.recipients)
    other = wrap(case.pairs[ME].secret, case.header.id, case.header.commitment, b"o" * 32)
    recipients[mine] = structs.replace(recipients[mine], wrap=other)
    refused(8, "commitment-mismatch", lambda: case.reopen(replace(case.header, recipients=tuple(recipients))))


# -- step 9 ------------------------------------------------------------------------------------------------------------


def test_step_9_body(case: Case) -> None:
    body = case.sealed.body
    for faulty in (b"", body[:-1], body + b"\0", bytes(len(body))):
        refused(9, "body-unreadable", partial(case.open, body=faulty))
    junk = bytes(64)
    refused(9, "body-unreadable", lambda: case.with_body(junk, b"n" * 32))
    key = b"n" * 32
    sealed = seal_body(case.inner(), key)
    assert case.with_body(sealed, key).alert == case.alert
    refused(9, "body-unreadable", lambda: case.with_body(sealed, key, body_size=len(sealed) + 1))
    refused(9, "body-unreadable", lambda: case.with_body(sealed, key, body_digest=sha256(b"another")))
    unpadded = ChaCha20Poly1305(b"n" * 32).encrypt(bytes(12), bytes(64), b"crossbearing/1/body\0")
    refused(9, "body-unreadable", lambda: case.with_body(unpadded, b"n" * 32))


# -- step 10 -----------------------------------------------------------------------------------------------------------


def test_a_resealed_alert_opens(case: Case) -> None:
    assert case.resealed(case.inner()).alert == case.alert


@pytest.mark.parametrize(
    "inner",
    [
        {},
        {"id": "x"},
        {"id": bytes(16), "sender": "hk-customs", "alert": "text"},
        {"id": bytes(16), "sender": "hk-customs", "alert": {}, "surprise": 1},
    ],
)
def test_step_10_the_body_is_an_id_a_sender_and_an_alert(case: Case, inner: dict[str, Value]) -> None:
    refused(10, "inner-mismatch", lambda: case.resealed(inner))


def test_step_10_what_has_other_fields_or_types_is_not_taken_for_a_stolen_plaintext(case: Case) -> None:
    good = case.inner()
    odd: list[dict[str, Value]] = [{**good, "id": "x" * 16}, {**good, "sender": b"hk-customs"}, {**good, "alert": []}]
    odd += [{**good, "surprise": 1}, {"id": good["id"], "sender": good["sender"]}, cast("Any", [*good]), cast("Any", 1)]
    for inner in odd:
        error = refused(10, "inner-mismatch", lambda i=inner: case.resealed(i))  # type: ignore[misc]  # a value kept, not a parameter
        assert error.message == "the body is not an id, a sender and an alert"


def test_step_10_a_stolen_plaintext_cannot_be_passed_off(case: Case) -> None:
    refused(10, "inner-mismatch", lambda: case.resealed({**case.inner(), "sender": "au-abf"}))
    refused(10, "inner-mismatch", lambda: case.resealed({**case.inner(), "id": bytes(16)}))
    refused(10, "inner-mismatch", lambda: case.resealed(case.inner(sender="au-abf")))


REPEATED: dict[str, Value] = {
    "id": "0190a0b0-c0d0-7000-8000-00000000000b",
    "kind": "risk",
    "marking": "clear",
    "precedence": "flash",
    "status": "test",
    "operation": "other",
    "to": ["sg-cnb"],
    "relation": {"type": "recall", "alert": "0190a0b0-c0d0-7000-8000-00000000000a"},
    "modes": ["sea"],
    "attachments": [],
}


@pytest.mark.parametrize("name", REPEATED)
def test_step_10_what_the_header_repeats_is_the_same_inside(case: Case, name: str) -> None:
    error = refused(10, "inner-mismatch", lambda: case.resealed(case.inner(**{name: REPEATED[name]})))
    assert name in error.message
    assert error.context["field"] == name


@pytest.fixture
def asked() -> Case:
    """A log in which au-abf asks for alerts about containers, and a rule permits it."""
    permit = Rule("permit", "permit", Condition(), Target(agencies=("au-abf",)), None, "Agreed.")
    world = make_world(rules=[permit])
    request = StandingRequest("boxes", (), (), ("container", "vessel"), "We trace containers.")
    world.keys["au-abf"] = replace(world.keys["au-abf"], requests=(request,))
    world.publish("au-abf")
    alert = make_alert(world, "hk-customs", to=[ME])
    sealed, pairs = seal_alert(world, alert)
    log = SmallLog(world)
    return Case(world, alert, sealed, pairs, log, log.append(alert_entry(world, sealed)))


def test_step_10_the_header_discloses_exactly_what_was_asked_about(asked: Case) -> None:
    header = asked.open().header
    assert header.subjects == ("container",)
    assert [recipient.agency for recipient in header.recipients] == ["au-abf", ME]
    for subjects in ((), ("container", "vessel"), ("vessel",)):
        error = refused(10, "inner-mismatch", lambda s=subjects: asked.resealed(asked.inner(), subjects=s))  # type: ignore[misc]  # a value kept, not a parameter
        assert (error.context["field"], "subjects" in error.message) == ("subjects", True)
    person: Value = [{"type": "person", "role": "crew"}]
    for inside in (person, "none", 7, [7]):
        refused(10, "inner-mismatch", lambda i=inside: asked.resealed(asked.inner(subjects=i)))  # type: ignore[misc]  # as above


def test_step_10_subjects_that_cannot_be_judged_are_a_mismatch(asked: Case) -> None:
    error = refused(10, "inner-mismatch", lambda: asked.resealed(asked.inner(operation="gone"), operation="gone"))
    assert error.message.startswith("subjects cannot be judged")
    assert error.context["field"] == "subjects"


def test_step_10_the_header_discloses_no_type_that_nobody_asked_about(case: Case) -> None:
    error = refused(10, "inner-mismatch", lambda: case.resealed(case.inner(), subjects=("container",)))
    assert "subjects" in error.message


@pytest.mark.parametrize("name", ["operation", "relation", "modes", "attachments"])
def test_step_10_what_the_header_leaves_out_is_absent_inside(case: Case, name: str) -> None:
    empty: dict[str, Any] = {"operation": None, "relation": None, "modes": (), "attachments": ()}
    refused(10, "inner-mismatch", lambda: case.resealed(case.inner(), **{name: empty[name]}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("modes", "sea"),
        ("modes", 1),
        ("modes", ["sea", 1]),
        ("attachments", "one"),
        ("attachments", 1),
        ("attachments", ["one"]),
        ("attachments", [{}]),
    ],
)
def test_step_10_lists_of_another_type(case: Case, name: str, value: Value) -> None:
    refused(10, "inner-mismatch", lambda: case.resealed(case.inner(**{name: value})))


@pytest.mark.parametrize("name", ["modes", "attachments"])
def test_step_10_what_is_no_item_of_a_list_is_not_passed_over(case: Case, name: str) -> None:
    whole = case.inner()["alert"]
    assert isinstance(whole, dict)
    listed = whole[name]
    assert isinstance(listed, list)
    refused(10, "inner-mismatch", lambda: case.resealed(case.inner(**{name: [*listed, 1]})))


@pytest.mark.parametrize("kind", [7, None, b"container", ["container"], {"container": 1}])
def test_a_subject_whose_type_is_no_text_is_refused_like_any_other_fault(case: Case, kind: Value) -> None:
    subjects: Value = [{"type": "container", "number": "CSQU3054383"}, {"type": kind}]
    refused(11, "bad-document", lambda: case.resealed(case.inner(subjects=subjects)))


KEYS = st.sampled_from(["type", "number", "digest", "sealed_size", "surprise"])
LEAVES = st.none() | st.booleans() | st.integers(0, 2**63) | st.text(max_size=8) | st.binary(max_size=8)
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, min_size=1, max_size=2), min_size=1, max_size=2)
WORLD = make_world()
GOOD = make_alert(WORLD, "hk-customs", **FIELDS)
GOOD_HEADER = decode_header(seal_alert(WORLD, GOOD)[0].header)


@settings(max_examples=5 * settings().max_examples)
@given(st.sampled_from([*alert_to_wire(GOOD), "surprise"]), VALUES | RECORDS)
def test_whatever_a_sender_puts_inside_is_opened_or_refused(name: str, value: Value) -> None:
    wire = {**alert_to_wire(GOOD), name: value}
    inner: Value = {"id": GOOD_HEADER.id, "sender": "hk-customs", "alert": wire}
    with suppress(CrossbearingError):
        assert alert_from_wire(alert_inside(inner, GOOD_HEADER, WORLD.directory)).id == GOOD.id


# -- step 11 -----------------------------------------------------------------------------------------------------------


def test_step_11_schema(case: Case) -> None:
    refused(11, "bad-document", lambda: case.resealed(case.inner(title="")))
    refused(11, "bad-document", lambda: case.resealed(case.inner(surprise=1)))
    refused(11, "bad-document", lambda: case.resealed(case.inner(version=2)))


# -- every byte --------------------------------------------------------------------------------------------------------


def test_no_byte_of_entry_body_path_or_checkpoint_can_change(case: Case) -> None:
    entry, path, note = case.log.leaves[case.index], case.log.path(case.index), case.log.note()
    trusted = case.log.trusted()
    for position in range(len(entry)):
        with pytest.raises(CrossbearingError):
            case.open(entry=flipped(entry, position), trusted=trusted, path=path)
    for position in range(len(case.sealed.body)):
        with pytest.raises(CrossbearingError):
            case.open(body=flipped(case.sealed.body, position), trusted=trusted, path=path)
    for number, node in enumerate(path):
        for position in range(0, 32, 5):
            faulty = [*path[:number], flipped(node, position), *path[number + 1 :]]
            with pytest.raises(CrossbearingError):
                case.open(path=faulty, trusted=trusted)
    for position in range(len(note)):
        with pytest.raises(CrossbearingError):
            trust(case, flipped(note, position))


def flipped(data: bytes, position: int) -> bytes:
    bit = 1 << hashlib.sha256(position.to_bytes(4, "big")).digest()[0] % 8
    return data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]
