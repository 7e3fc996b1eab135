"""Admission: every step, and for every step what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from broker.admission import AdmittedAlert, AlreadyLogged, admit_alert
from broker.draft import Work
from schemas.codec import Value, decode, encode
from schemas.directory.documents import ByPrecedence
from schemas.envelope.carriage import sign_carried
from schemas.envelope.header import AttachmentRef, Recipient, Relation, decode_header, encode_header, sign_header
from schemas.errors import CrossbearingError
from schemas.example import example_seed
from schemas.ids import sha256, uuid7
from schemas.keys import SealingKey, SigningKey
from schemas.limits import CLOCK_SKEW_MS, MAX_HEADER, MIN_BYTES_PER_DAY, SPREAD_MS
from schemas.log.entry import AlertEntry, RefusalEntry
from schemas.session.frames import Submit
from tests.support.directory import DAY_MS, NOW, make_world, record
from tests.support.envelope import counting_random, make_pairs
from tests.support.hub_core import HubCore, altered
from tests.support.publishing import publish

SENDER = "hk-customs"


@pytest.fixture
def core() -> HubCore:
    return HubCore(make_world())


def check(refusal: CrossbearingError, code: str, step: int) -> None:
    assert (refusal.code, refusal.context.get("step")) == (code, step), refusal.message
    assert refusal.hint
    assert " " in refusal.message


def test_a_good_alert_is_logged_as_it_was_signed(core: HubCore) -> None:
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    entry = core.entries()[index]
    assert entry == AlertEntry(NOW, core.world.directory.version, alert.header, alert.signature)
    assert core.engine.body(index) == alert.body


# -- step 1: strict decoding -------------------------------------------------------------------------------------------


def non_canonical(header: bytes) -> bytes:
    """The same value with the head of the key `address` one byte longer."""
    return header.replace(b"\xa7address", b"\xd9\x07address")


def fields_of(header: bytes) -> dict[str, Value]:
    value = decode(header, max_size=MAX_HEADER)
    assert isinstance(value, dict)
    return value


def deep(header: bytes) -> bytes:
    """The header with an address nested in forty lists."""
    data = encode({**fields_of(header), "address": []})
    return data.replace(b"\xa7address\x90", b"\xa7address" + b"\x91" * 40 + b"\x90")


MALFORMED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "truncated"),
    "noise": (lambda _: b"\xc1" * 40, "malformed"),
    "truncated": (lambda h: h[:-5], "truncated"),
    "trailing bytes": (lambda h: h + b"\x00", "malformed"),
    "non-canonical": (non_canonical, "not-canonical"),
    "too deep": (deep, "too-deep"),
    "oversized": (lambda _: bytes(MAX_HEADER + 1), "too-large"),
    "no map": (lambda _: encode([1, 2]), "malformed"),
    "a field less": (lambda h: encode({k: v for k, v in fields_of(h).items() if k != "marking"}), "malformed"),
    "a field more": (lambda h: encode({**fields_of(h), "zebra": 1}), "malformed"),
}


@pytest.mark.parametrize(("change", "code"), MALFORMED.values(), ids=MALFORMED)
def test_step_1_refuses_what_does_not_decode(core: HubCore, change: Callable[[bytes], bytes], code: str) -> None:
    good = core.alert()
    check(core.refused(SENDER, replace(good, header=change(good.header))), code, 1)


# -- step 2: the sender ------------------------------------------------------------------------------------------------


def test_step_2_refuses_another_sender_than_the_certificate_names(core: HubCore) -> None:
    check(core.refused("sg-cnb", core.alert(SENDER)), "wrong-sender", 2)


# -- step 3: replays ---------------------------------------------------------------------------------------------------


def test_step_3_gives_the_same_acceptance_again(core: HubCore) -> None:
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    size = core.engine.size()
    assert core.accepted(SENDER, alert) == index
    assert core.accepted(SENDER, replace(alert, openers=())) == index
    core.clock.now += DAY_MS
    assert core.accepted(SENDER, alert) == index, "however late"
    assert core.engine.size() == size


def test_step_3_gives_the_same_acceptance_within_a_block(core: HubCore) -> None:
    alert = core.alert()
    first, second = core.commit(Work(SENDER, alert), Work(SENDER, alert)).verdicts
    assert first == second


def test_step_3_refuses_the_same_id_with_other_bytes(core: HubCore) -> None:
    alert = core.alert()
    core.accepted(SENDER, alert)
    check(core.refused(SENDER, altered(core.world, alert, marking="green")), "replay-differs", 3)
    check(core.refused(SENDER, replace(alert, signature=bytes(64))), "replay-differs", 3)
    check(core.refused(SENDER, replace(alert, body=alert.body + b"x")), "replay-differs", 3)


# -- steps 4 to 6: agency, key, signature ------------------------------------------------------------------------------


def test_step_4_refuses_a_suspended_sender(core: HubCore) -> None:
    alert = core.alert()
    core.world.change_agency(SENDER, status="suspended")
    publish(core, "targets")
    check(core.refused(SENDER, alert), "suspended", 4)


def test_step_5_refuses_an_unknown_key(core: HubCore) -> None:
    alert = core.alert()
    stranger = SigningKey(example_seed("nobody", "signing"))
    header = encode_header(replace(decode_header(alert.header), key=stranger.key_id))
    sent = Submit(header, sign_header(header, stranger), alert.body, alert.openers)
    check(core.refused(SENDER, sent), "unknown-key", 5)


@pytest.mark.parametrize(
    ("starts", "ends"), [(NOW - 9 * DAY_MS, NOW - DAY_MS), (NOW + DAY_MS, NOW + 9 * DAY_MS)], ids=["expired", "not yet"]
)
def test_step_5_refuses_a_key_outside_its_validity(core: HubCore, starts: int, ends: int) -> None:
    public = core.world.signing[SENDER].public
    core.world.keys[SENDER] = replace(core.world.keys[SENDER], signing=(record(public, starts=starts, ends=ends),))
    publish(core, SENDER)
    check(core.refused(SENDER, core.alert()), "key-not-valid", 5)


def test_step_5_refuses_a_retired_key(core: HubCore) -> None:
    retired = replace(core.world.keys[SENDER].signing[0], status="retired")
    core.world.keys[SENDER] = replace(core.world.keys[SENDER], signing=(retired,))
    publish(core, SENDER)
    check(core.refused(SENDER, core.alert()), "key-retired", 5)


@pytest.mark.parametrize("signature", [b"", bytes(64), b"x" * 63], ids=["empty", "zeros", "short"])
def test_step_6_refuses_a_bad_signature(core: HubCore, signature: bytes) -> None:
    check(core.refused(SENDER, replace(core.alert(), signature=signature)), "bad-signature", 6)


def test_step_6_refuses_another_agencys_signature(core: HubCore) -> None:
    alert = core.alert()
    forged = sign_header(alert.header, core.world.signing["sg-cnb"])
    check(core.refused(SENDER, replace(alert, signature=forged)), "bad-signature", 6)


def test_step_6_refuses_a_changed_header(core: HubCore) -> None:
    alert = core.alert()
    header = encode_header(replace(decode_header(alert.header), precedence="flash"))
    check(core.refused(SENDER, replace(alert, header=header)), "bad-signature", 6)


# -- step 7: times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-CLOCK_SKEW_MS - 1, CLOCK_SKEW_MS + 1])
def test_step_7_refuses_a_clock_that_is_off_and_says_by_how_much(core: HubCore, offset: int) -> None:
    core.clock.now = NOW + offset
    alert = core.alert()
    core.clock.now = NOW
    refusal = core.refused(SENDER, alert)
    check(refusal, "clock-off", 7)
    assert refusal.context["offset"] == offset
    assert f"{abs(offset)} ms {'after' if offset > 0 else 'before'} now" in refusal.message


@pytest.mark.parametrize("offset", [-CLOCK_SKEW_MS, CLOCK_SKEW_MS])
def test_step_7_bears_five_minutes(core: HubCore, offset: int) -> None:
    core.clock.now = NOW + offset
    alert = core.alert()
    core.clock.now = NOW
    core.accepted(SENDER, alert)


def test_step_7_refuses_an_expired_alert(core: HubCore) -> None:
    alert = altered(core.world, core.alert(), expires=NOW + 1_000)
    core.clock.now += 1_000
    check(core.refused(SENDER, alert), "alert-expired", 7)
    core.clock.now += 500
    assert core.refused(SENDER, alert).message == "the alert expired 500 ms ago"


# -- step 8: the directory version -------------------------------------------------------------------------------------


def test_step_8_takes_the_newest_version_and_the_one_before(core: HubCore) -> None:
    one, two = core.alert(number=1), core.alert(number=2)
    core.accepted(SENDER, one)
    publish(core, "targets")
    core.accepted(SENDER, two)
    core.accepted(SENDER, core.alert(number=3))


@pytest.mark.parametrize(("later", "taken"), [(SPREAD_MS, True), (SPREAD_MS + 1, False)])
def test_step_8_takes_the_version_before_no_longer_than_a_change_spreads(
    core: HubCore, later: int, taken: bool
) -> None:
    before = core.world.directory.version
    publish(core, "targets")
    core.clock.now += later
    alert = altered(core.world, core.alert(), directory=before, created=core.clock.now)
    if taken:
        core.accepted(SENDER, alert)
    else:
        check(core.refused(SENDER, alert), "directory-stale", 8)


def test_step_8_refuses_an_older_version(core: HubCore) -> None:
    alert = core.alert()
    publish(core, "targets")
    publish(core, "targets")
    check(core.refused(SENDER, alert), "directory-stale", 8)


def test_step_8_refuses_a_version_yet_to_come(core: HubCore) -> None:
    alert = altered(core.world, core.alert(), directory=core.world.directory.version + 1)
    check(core.refused(SENDER, alert), "directory-unknown", 8)


# -- step 9: recipients ------------------------------------------------------------------------------------------------


def test_step_9_names_the_recipient_that_is_missing_and_the_rule(core: HubCore) -> None:
    alert = core.alert()
    fewer = decode_header(alert.header).recipients[:1]
    refusal = core.refused(SENDER, altered(core.world, alert, recipients=fewer))
    check(refusal, "routing-mismatch", 9)
    assert refusal.context["agency"] == "sg-cnb"
    assert refusal.context["rule"] == "built-in:addressed"
    assert refusal.message == "sg-cnb is missing from the recipients, by rule built-in:addressed"


def test_step_9_names_the_recipient_that_is_too_many(core: HubCore) -> None:
    refusal = core.refused(SENDER, altered(core.world, core.alert(), address=("sg-cnb",)))
    check(refusal, "routing-mismatch", 9)
    assert (refusal.context["agency"], refusal.context["rule"]) == ("au-abf", "built-in:not-addressed")
    assert refusal.message == "au-abf does not belong into the recipients, by rule built-in:not-addressed"


def test_step_9_names_a_recipient_that_the_directory_does_not_know(core: HubCore) -> None:
    alert = core.alert()
    one, two = decode_header(alert.header).recipients
    stranger = Recipient("us-cbp", bytes(16), one.wrap)
    refusal = core.refused(SENDER, altered(core.world, alert, recipients=(one, two, stranger)))
    check(refusal, "routing-mismatch", 9)
    assert (refusal.context["agency"], refusal.context["rule"]) == ("us-cbp", "none")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("sg-nobody", "unknown-agency"),
        ("region:nowhere", "unknown-region"),
        ("operation:none", "unknown-operation"),
        (SENDER, "nobody"),
    ],
)
def test_step_9_refuses_an_address_that_leads_nowhere(core: HubCore, address: str, code: str) -> None:
    check(core.refused(SENDER, altered(core.world, core.alert(), address=(address,))), code, 9)


def test_step_9_refuses_an_operation_that_is_over(core: HubCore) -> None:
    operation = replace(core.world.document.operations["marker"], ends=NOW - NOW % DAY_MS)
    core.world.document = replace(
        core.world.document, operations={"marker": replace(operation, starts=operation.ends - DAY_MS)}
    )
    publish(core, "targets")
    check(core.refused(SENDER, altered(core.world, core.alert(), operation="marker")), "operation-closed", 9)


@pytest.mark.parametrize("kind", ["recall", "correct"])
def test_step_9_lets_only_the_sender_recall_and_correct(core: HubCore, kind: str) -> None:
    theirs = core.alert("sg-cnb", number=1)
    core.accepted("sg-cnb", theirs)
    target = decode_header(theirs.header).id
    mine = core.alert(SENDER, number=2)
    check(core.refused(SENDER, altered(core.world, mine, relation=Relation(kind, target))), "not-a-party", 9)
    own = core.alert("sg-cnb", number=3)
    core.accepted("sg-cnb", altered(core.world, own, relation=Relation(kind, target)))


def test_step_9_lets_recipients_reply_and_nobody_else(core: HubCore) -> None:
    original = core.alert("sg-cnb", number=1, to=[SENDER])
    core.accepted("sg-cnb", original)
    reply = Relation("reply", decode_header(original.header).id)
    core.accepted(SENDER, altered(core.world, core.alert(SENDER, number=2), relation=reply))
    stranger = altered(core.world, core.alert("au-abf", number=3), relation=reply)
    check(core.refused("au-abf", stranger), "not-a-party", 9)


def test_step_9_refuses_a_reply_to_nothing(core: HubCore) -> None:
    reply = Relation("reply", uuid7(NOW, counting_random("never logged")))
    check(core.refused(SENDER, altered(core.world, core.alert(), relation=reply)), "not-a-party", 9)


# -- step 10: body, openers, attachments -------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"other"], ids=["empty", "other"])
def test_step_10_refuses_another_body(core: HubCore, body: bytes) -> None:
    check(core.refused(SENDER, replace(core.alert(), body=body)), "body-mismatch", 10)


def test_step_10_refuses_a_body_changed_in_one_bit(core: HubCore) -> None:
    alert = core.alert()
    body = alert.body[:-1] + bytes([alert.body[-1] ^ 1])
    check(core.refused(SENDER, replace(alert, body=body)), "body-mismatch", 10)


@pytest.mark.parametrize("offset", [-1, 1])
def test_step_10_refuses_a_body_of_another_size_than_named(core: HubCore, offset: int) -> None:
    alert = core.alert()
    size = decode_header(alert.header).body_size + offset
    check(core.refused(SENDER, altered(core.world, alert, body_size=size)), "body-mismatch", 10)


def allow(core: HubCore, **limits: object) -> None:
    document = core.world.document
    core.world.document = replace(document, limits=replace(document.limits, **limits))  # type: ignore[arg-type]  # replace checks the names
    publish(core, "targets")


def test_step_10_refuses_a_body_over_the_directorys_limit(core: HubCore) -> None:
    allow(core, body_bytes=1024)
    alert = core.alert()
    body = bytes(1025)
    big = altered(core.world, replace(alert, body=body), body_digest=sha256(body), body_size=len(body))
    refusal = core.refused(SENDER, big)
    check(refusal, "body-too-large", 10)
    assert refusal.context["limit"] == 1024
    check(core.refused(SENDER, replace(alert, body=body)), "body-too-large", 10)
    body = bytes(1024)
    core.accepted(SENDER, altered(core.world, replace(alert, body=body), body_digest=sha256(body), body_size=len(body)))


def test_step_10_refuses_an_alert_without_its_openers(core: HubCore) -> None:
    refusal = core.refused(SENDER, replace(core.alert(), openers=()))
    check(refusal, "opener-missing", 10)
    assert refusal.context["agency"] == "au-abf"


def test_step_10_remembers_openers(core: HubCore) -> None:
    first = core.alert(number=1)
    core.accepted(SENDER, first)
    again = altered(core.world, core.alert(number=2), recipients=decode_header(first.header).recipients)
    core.accepted(SENDER, replace(again, openers=()))


def test_step_10_an_opener_is_new_once(core: HubCore) -> None:
    def admitted(alert: Submit) -> AdmittedAlert | AlreadyLogged:
        return admit_alert(
            alert,
            agency=SENDER,
            view=core.engine,
            directories=core.history.version,
            newest=core.history.latest,
            now=NOW,
            afford=lambda _: (),
        )

    first = core.alert(number=1)
    recipients = decode_header(first.header).recipients
    ids = {recipient.opener_id for recipient in recipients}
    before = admitted(first)
    assert isinstance(before, AdmittedAlert)
    assert (set(before.openers), set(before.held)) == (ids, set())
    core.accepted(SENDER, first)
    after = admitted(replace(altered(core.world, core.alert(number=2), recipients=recipients), openers=first.openers))
    assert isinstance(after, AdmittedAlert)
    assert (set(after.openers), set(after.held)) == (set(), ids)
    assert all(after.held[identity] == core.engine.opener(identity) for identity in ids)


def test_step_10_refuses_openers_that_fit_nothing(core: HubCore) -> None:
    alert = core.alert()
    stray = make_pairs(core.world, SENDER, ["sg-cnb"], label="stray")["sg-cnb"].opener
    first = alert.openers[0]
    for openers, words in (
        ((*alert.openers, stray), "named by no recipient"),
        ((*alert.openers, first), "given twice"),
        ((first[:-1], *alert.openers[1:]), "has not 1168 bytes"),
        ((b"", *alert.openers), "has not 1168 bytes"),
    ):
        refusal = core.refused(SENDER, replace(alert, openers=openers))
        check(refusal, "opener-mismatch", 10)
        assert words in refusal.message


def test_step_10_refuses_an_opener_made_for_another(core: HubCore) -> None:
    first = core.alert(number=1)
    core.accepted(SENDER, first)
    one, two = decode_header(first.header).recipients
    swapped = (Recipient(one.agency, two.opener_id, one.wrap), Recipient(two.agency, one.opener_id, two.wrap))
    second = altered(core.world, replace(core.alert(number=2), openers=()), recipients=swapped)
    check(core.refused(SENDER, second), "opener-mismatch", 10)


def test_step_10_refuses_one_opener_for_two(core: HubCore) -> None:
    alert = core.alert()
    one, two = decode_header(alert.header).recipients
    shared = (one, Recipient(two.agency, one.opener_id, two.wrap))
    refusal = core.refused(SENDER, altered(core.world, alert, recipients=shared))
    check(refusal, "opener-mismatch", 10)
    assert "share" in refusal.message


def test_step_10_refuses_an_attachment_that_is_not_held_whole(core: HubCore) -> None:
    data = b"an X-ray image, sealed" * 100
    digest = sha256(data)
    alert = altered(core.world, core.alert(), attachments=(AttachmentRef(digest, len(data)),))
    check(core.refused(SENDER, alert), "attachment-missing", 10)
    core.engine.upload(SENDER, digest, 0, len(data), data[:100])
    check(core.refused(SENDER, alert), "attachment-missing", 10)
    core.engine.upload(SENDER, digest, 100, len(data), data[100:])
    wrong_size = altered(core.world, core.alert(), attachments=(AttachmentRef(digest, len(data) + 1),))
    check(core.refused(SENDER, wrong_size), "attachment-missing", 10)
    core.accepted(SENDER, alert)
    assert core.engine.party("sg-cnb", digest)


# -- step 11: the allowance --------------------------------------------------------------------------------------------


def test_a_flood_of_routine_leaves_flash_its_own_allowance(core: HubCore) -> None:
    allow(core, alerts_per_minute=ByPrecedence(1, 1, 1, 1))
    core.accepted(SENDER, core.alert(number=1, precedence="routine"))
    check(core.refused(SENDER, core.alert(number=2, precedence="routine")), "quota", 11)
    core.accepted(SENDER, core.alert(number=3, precedence="flash"))
    check(core.refused(SENDER, core.alert(number=4, precedence="flash")), "quota", 11)
    core.accepted(SENDER, core.alert(number=5, precedence="immediate"))


def test_a_days_volume_counts_header_body_and_attachments(core: HubCore) -> None:
    allow(core, bytes_per_day=ByPrecedence(*[MIN_BYTES_PER_DAY] * 4))
    data = bytes(MIN_BYTES_PER_DAY - 20_000)
    core.engine.upload(SENDER, sha256(data), 0, len(data), data)
    heavy = altered(
        core.world, core.alert(number=1, precedence="routine"), attachments=(AttachmentRef(sha256(data), len(data)),)
    )
    core.accepted(SENDER, heavy)
    for number in range(2, 40):
        if isinstance(
            found := core.verdict(SENDER, core.alert(number=number, precedence="routine")), CrossbearingError
        ):
            break
    assert isinstance(found, CrossbearingError)
    assert (found.code, found.context["step"]) == ("quota", 11)
    assert "bytes of routine alerts a day" in found.message
    assert 0 < found.retry_after < 600_000  # what is missing is the size of one small alert
    core.accepted(SENDER, core.alert(number=41, precedence="priority"))


def test_what_is_larger_than_a_days_volume_takes_a_whole_day_of_it(core: HubCore) -> None:
    allow(core, bytes_per_day=ByPrecedence(*[MIN_BYTES_PER_DAY] * 4))
    data = bytes(2 * MIN_BYTES_PER_DAY)
    core.engine.upload(SENDER, sha256(data), 0, len(data), data)
    core.accepted(
        SENDER,
        altered(
            core.world,
            core.alert(number=1, precedence="routine"),
            attachments=(AttachmentRef(sha256(data), len(data)),),
        ),
    )
    assert core.refused(SENDER, core.alert(number=2, precedence="routine")).retry_after > 0


def test_an_allowance_is_in_the_log_and_not_in_memory(core: HubCore) -> None:
    allow(core, alerts_per_minute=ByPrecedence(9, 9, 9, 1))
    core.accepted(SENDER, core.alert(number=1, precedence="routine"))
    again = HubCore(core.world, engine=core.engine, anchor=core.anchor, clock=core.clock, begun=True)
    check(again.refused(SENDER, again.alert(number=2, precedence="routine")), "quota", 11)


def test_what_is_refused_takes_nothing(core: HubCore) -> None:
    allow(core, alerts_per_minute=ByPrecedence(9, 9, 9, 1))
    for number in range(1, 5):
        core.refused(SENDER, replace(core.alert(number=number, precedence="routine"), signature=bytes(64)))
    core.accepted(SENDER, core.alert(number=5, precedence="routine"))


def test_step_11_refuses_more_than_the_allowance_and_spares_the_others(core: HubCore) -> None:
    allow(core, alerts_per_minute=ByPrecedence(9, 9, 9, 2))
    core.accepted(SENDER, core.alert(number=1, precedence="routine"))
    core.accepted(SENDER, core.alert(number=2, precedence="routine"))
    third = core.alert(number=3, precedence="routine")
    refusal = core.refused(SENDER, third)
    check(refusal, "quota", 11)
    assert refusal.retry_after == 30_000
    core.accepted("sg-cnb", core.alert("sg-cnb", number=4, precedence="routine"))
    core.clock.now += 30_000
    core.accepted(SENDER, third)


# -- refusals in the log -----------------------------------------------------------------------------------------------


def test_a_refusal_is_logged_with_the_digest_of_what_was_sent(core: HubCore) -> None:
    alert = replace(core.alert(), signature=bytes(64))
    core.refused(SENDER, alert)
    version = core.world.directory.version
    assert core.entries()[-1] == RefusalEntry(NOW, version, SENDER, "bad-signature", sha256(alert.header))


def test_refusals_are_logged_within_an_allowance() -> None:
    core = HubCore(make_world(), refusals_per_minute=3)
    bad = replace(core.alert(), signature=bytes(64))
    size = core.engine.size()
    for _ in range(10):
        core.refused(SENDER, bad)
    assert core.engine.size() == size + 3
    core.clock.now += 20_000
    core.refused(SENDER, bad)
    assert core.engine.size() == size + 4


# -- what was carried --------------------------------------------------------------------------------------------------


def carried(core: HubCore, alert: Submit) -> Submit:
    return replace(alert, carried=sign_carried(alert.header, core.world.signing[SENDER]))


def test_what_a_courier_brought_is_late_and_logged_with_its_senders_word(core: HubCore) -> None:
    alert = carried(core, core.alert())
    core.clock.now += 2 * DAY_MS
    publish(core, "au-abf")
    index = core.accepted(SENDER, alert)
    entry = core.entries()[index]
    assert isinstance(entry, AlertEntry)
    assert entry.carried == alert.carried
    assert core.accepted(SENDER, replace(alert, carried=b"")) == index, "the line is back"


def test_what_needs_no_excuse_is_logged_without_one(core: HubCore) -> None:
    index = core.accepted(SENDER, carried(core, core.alert()))
    entry = core.entries()[index]
    assert isinstance(entry, AlertEntry)
    assert entry.carried == b""


def test_without_the_senders_word_age_is_no_courier(core: HubCore) -> None:
    alert = core.alert()
    core.clock.now += 2 * DAY_MS
    check(core.refused(SENDER, alert), "clock-off", 7)
    check(core.refused(SENDER, replace(alert, carried=alert.signature)), "bad-signature", 6)


def test_what_was_carried_too_long_or_expired_on_the_way_is_refused(core: HubCore) -> None:
    late, short = carried(core, core.alert()), carried(core, core.alert(number=2, expires_hours=1))
    core.clock.now += 2 * DAY_MS
    check(core.refused(SENDER, short), "alert-expired", 7)
    core.clock.now += 6 * DAY_MS
    check(core.refused(SENDER, late), "clock-off", 7)


def test_what_was_carried_across_a_change_of_its_recipients_is_refused(core: HubCore) -> None:
    alert = carried(core, core.alert(to=["region:asia"]))
    core.world.change_agency("au-abf", status="suspended")
    publish(core, "targets")
    core.clock.now += DAY_MS
    refusal = core.refused(SENDER, alert)
    check(refusal, "routing-mismatch", 8)
    assert "au-abf" in refusal.message


def test_what_was_carried_across_a_change_of_a_recipients_key_is_refused(core: HubCore) -> None:
    alert = carried(core, core.alert())
    other = SealingKey(example_seed("au-abf", "newer"))
    core.world.keys["au-abf"] = replace(core.world.keys["au-abf"], sealing=(record(other.public),))
    publish(core, "au-abf")
    core.clock.now += DAY_MS
    refusal = core.refused(SENDER, alert)
    check(refusal, "directory-stale", 8)
    assert refusal.context["agency"] == "au-abf"


def test_what_was_carried_from_a_version_yet_to_come_is_refused(core: HubCore) -> None:
    alert = carried(core, altered(core.world, core.alert(), directory=core.world.directory.version + 1))
    core.clock.now += DAY_MS
    check(core.refused(SENDER, alert), "directory-unknown", 8)


def test_a_suspended_agency_carries_nothing(core: HubCore) -> None:
    alert = carried(core, core.alert())
    core.world.change_agency(SENDER, status="suspended")
    publish(core, "targets")
    core.clock.now += DAY_MS
    check(core.refused(SENDER, alert), "suspended", 4)
