from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from schemas.directory.documents import PurgeOrder
from schemas.envelope.carriage import sign_carried
from schemas.envelope.header import Recipient, Relation, sign_header
from schemas.ids import sha256
from schemas.limits import CLOCK_SKEW_MS, DAY_MS, SPREAD_MS
from schemas.log.entry import AlertEntry, DirectoryEntry, ReceiptEntry, RefusalEntry
from schemas.log.receipt import ReceiptItem, State
from tests.support.auditing import audit, audited, found, only
from tests.support.directory import make_world, record
from tests.support.log_builder import LogBuilder


def test_a_log_with_every_kind_of_entry_is_clean(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert("au-abf", ["region:asia"])
    log.receipt("sg-cnb", [index])
    log.receipt("sg-cnb", [index], "read")
    log.receipt("sg-cnb", [index], "actioned")
    log.receipt("hk-customs", [index], "refused")
    log.refusal("sg-cnb", "bad-signature")
    log.now += log.world.document.limits.retention
    log.purge(index)
    log.publish("targets", "au-abf")
    log.alert("sg-cnb", ["hk-customs"])
    report = audited(log, tmp_path)
    assert report.ok
    assert report.entries == {"directory": 7, "alert": 5, "receipt": 7, "refusal": 1, "purge": 1}
    assert report.unjudged == 0
    accounts = {account.agency: account for account in report.agencies}
    sg = accounts["sg-cnb"]
    assert (sg.sent, sg.addressed, sg.stored, sg.actioned, sg.receipts, sg.submissions_refused) == (2, 2, 1, 1, 4, 1)
    hk = accounts["hk-customs"]
    assert (hk.sent, hk.addressed, hk.stored, hk.refused, hk.unreceipted, hk.receipts) == (1, 3, 1, 1, 1, 2)


# -- the log's own order -----------------------------------------------------------------------------------------------


def test_an_entry_in_no_known_form(log: LogBuilder, tmp_path: Path) -> None:
    log.append(b"nonsense")
    report = audited(log, tmp_path)
    assert found(report) == [("entry-malformed", "broker", 11)]
    assert report.unjudged == 1


def test_time_that_runs_back(log: LogBuilder, tmp_path: Path) -> None:
    log.now -= 60_000
    log.refusal()
    log.now += 120_000
    log.refusal()
    assert found(audited(log, tmp_path)) == [("time-backwards", "broker", 11)]


@pytest.mark.parametrize("version", [4, 6])
def test_an_entry_under_another_directory_version(log: LogBuilder, tmp_path: Path, version: int) -> None:
    log.append(RefusalEntry(log.now, version, "hk-customs", "quota", bytes(32)))
    assert found(audited(log, tmp_path)) == [("wrong-directory", "broker", 11)]


def test_a_directory_version_without_its_threshold_binds_nobody(log: LogBuilder, tmp_path: Path) -> None:
    bad = log.world.bundle("targets", signers=["governor-1", "governor-2"])
    _enter(log, bad.bundle, version=2)
    log.refusal()
    assert found(audited(log, tmp_path)) == [
        ("directory-refused", "broker", 11),
        ("directory-unavailable", "copy", 11),
    ]


def _enter(log: LogBuilder, bundle: bytes, *, version: int, creates: int = 6, role: str = "targets") -> None:
    log.files[f"directory/{sha256(bundle).hex()}"] = bundle
    log.append(DirectoryEntry(log.now, creates, role, version, sha256(bundle), len(bundle)))


def test_a_directory_entry_that_skips_a_version(log: LogBuilder, tmp_path: Path) -> None:
    _enter(log, log.world.bundle("targets").bundle, version=2, creates=7)
    assert found(audited(log, tmp_path))[0] == ("wrong-directory", "broker", 11)


def test_a_log_of_other_governors_is_judged_by_the_root_given(log: LogBuilder, tmp_path: Path) -> None:
    log.world.trusted_root = make_world(["nz-customs"]).trusted_root + b"\n"
    report = audited(log, tmp_path)
    assert found(report) == [("directory-refused", "broker", 0), ("directory-unavailable", "copy", 0)]
    assert report.directory_version == 0


def test_after_a_lost_directory_file_nothing_is_judged_on_a_guess(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    lost = next(iter(log.files))
    (folder / lost).unlink()
    report = audit(log, folder)
    assert {finding.kind.code for finding in report.findings.kept} == {"missing-file", "directory-unavailable"}
    assert report.unjudged == log.size


def test_a_damaged_directory_entry_stops_the_judging_where_its_version_is_needed(
    log: LogBuilder, tmp_path: Path
) -> None:
    log.publish("targets")
    log.some_traffic(1)
    folder = log.write(tmp_path)
    path = folder / f"tile/entries/000.p/{log.size}"
    data = bytearray(path.read_bytes())
    at = sum(2 + len(entry) for entry in log.entries[:11]) + 20
    data[at] ^= 1
    path.write_bytes(data)
    assert found(audit(log, folder)) == [("entry-altered", "copy", 11), ("directory-unavailable", "copy", 12)]


# -- alerts ------------------------------------------------------------------------------------------------------------


def test_a_header_in_no_known_form(log: LogBuilder, tmp_path: Path) -> None:
    log.append(AlertEntry(log.now, 5, b"header", bytes(64)))
    assert found(audited(log, tmp_path)) == [("header-malformed", "broker", 11)]


def test_a_signature_that_is_not_the_senders(log: LogBuilder, tmp_path: Path) -> None:
    log.alert(signature=bytes(64))
    report = audited(log, tmp_path)
    assert only(report).kind.code == "sender-signature"
    assert next(a.sent for a in report.agencies if a.agency == "hk-customs") == 1, "the forged one is not counted"


def test_an_alert_signed_by_another_agency(log: LogBuilder, tmp_path: Path) -> None:
    sealed = log.seal("hk-customs", ["sg-cnb"])
    signature = sign_header(sealed.header, log.world.signing["au-abf"])
    log.append(AlertEntry(log.now, 5, sealed.header, signature))
    assert found(audited(log, tmp_path)) == [("sender-signature", "broker", 11)]


def test_a_sender_the_directory_does_not_know(log: LogBuilder, tmp_path: Path) -> None:
    log.alert(change=lambda header: replace(header, sender="nz-customs"))
    assert [row[0] for row in found(audited(log, tmp_path))] == ["sender-unknown", "routing-differs"]


def test_a_key_the_directory_does_not_know(log: LogBuilder, tmp_path: Path) -> None:
    log.alert(change=lambda header: replace(header, key=bytes(8)))
    assert found(audited(log, tmp_path)) == [("sender-key", "broker", 11)]


def test_an_expired_and_a_retired_key(tmp_path: Path) -> None:
    for number in range(2):
        log = LogBuilder()
        held = record(log.world.signing["hk-customs"].public)
        expired, retired = replace(held, not_after=log.now - log.now % 1000), replace(held, status="retired")
        changed = (expired, retired)[number]
        log.world.keys["hk-customs"] = replace(log.world.keys["hk-customs"], signing=(changed,))
        log.publish("hk-customs")
        log.alert()
        assert found(audited(log, tmp_path / str(number))) == [("sender-key", "broker", 6)]


def test_an_alert_of_a_suspended_agency(log: LogBuilder, tmp_path: Path) -> None:
    sealed = log.seal("hk-customs", ["sg-cnb"])
    log.world.change_agency("hk-customs", status="suspended")
    log.publish("targets")
    log.append(AlertEntry(log.now, 6, sealed.header, sealed.signature))
    assert found(audited(log, tmp_path)) == [("sender-suspended", "broker", 12)]


@pytest.mark.parametrize("offset", [CLOCK_SKEW_MS + 1, -CLOCK_SKEW_MS - 1])
def test_an_alert_sealed_too_far_from_its_entry(log: LogBuilder, tmp_path: Path, offset: int) -> None:
    log.alert(change=lambda header: replace(header, created=header.created + offset))
    assert found(audited(log, tmp_path)) == [("not-fresh", "broker", 11)]


@pytest.mark.parametrize("offset", [CLOCK_SKEW_MS, -CLOCK_SKEW_MS, 0])
def test_an_alert_sealed_within_five_minutes_is_fresh(log: LogBuilder, tmp_path: Path, offset: int) -> None:
    log.alert(change=lambda header: replace(header, created=header.created + offset))
    assert audited(log, tmp_path).ok


def test_an_alert_expired_when_entered(log: LogBuilder, tmp_path: Path) -> None:
    log.alert(change=lambda header: replace(header, created=header.created - 10, expires=header.created))
    assert found(audited(log, tmp_path)) == [("not-fresh", "broker", 11)]


def test_the_directory_version_may_be_the_one_before_but_no_older_and_not_from_the_future(
    log: LogBuilder, tmp_path: Path
) -> None:
    for version in (5, 4, 6):
        log.alert(change=lambda header, version=version: replace(header, directory=version))  # type: ignore[misc]
    assert [row for row in found(audited(log, tmp_path)) if row[0] == "version-stale"] == [
        ("version-stale", "broker", 13)
    ]
    log.publish("targets")
    log.alert(change=lambda header: replace(header, directory=5))
    assert [row[2] for row in found(audited(log, tmp_path / "later")) if row[0] == "version-stale"] == [13]
    log.alert(change=lambda header: replace(header, directory=4))
    assert [row[2] for row in found(audited(log, tmp_path / "last")) if row[0] == "version-stale"] == [13, 16]


def test_the_version_before_ends_when_the_change_had_time_to_spread(log: LogBuilder, tmp_path: Path) -> None:
    log.publish("targets")
    before = log.world.directory.version - 1
    log.now += SPREAD_MS - 1000
    log.alert(change=lambda header: replace(header, directory=before))
    assert audited(log, tmp_path).ok
    log.alert(change=lambda header: replace(header, directory=before))
    assert found(audited(log, tmp_path / "later")) == [("version-stale", "broker", log.size - 1)]


def test_recipients_other_than_the_rules_give(log: LogBuilder, tmp_path: Path) -> None:
    extra = Recipient("au-abf", bytes(16), bytes(48))
    log.alert(change=lambda header: replace(header, recipients=(extra, *header.recipients)))
    log.alert(change=lambda header: replace(header, recipients=(extra,)))
    report = audited(log, tmp_path)
    assert found(report) == [("routing-differs", "broker", 11), ("routing-differs", "broker", 12)]
    messages = [finding.message for finding in report.findings.kept]
    assert "too many: au-abf)" in messages[0]
    assert "too many: au-abf; missing: sg-cnb" in messages[1]


def test_an_address_that_leads_nowhere(log: LogBuilder, tmp_path: Path) -> None:
    log.alert(change=lambda header: replace(header, address=("region:oceania",)))
    assert "region" in only(audited(log, tmp_path)).message


def test_one_alert_id_entered_twice(log: LogBuilder, tmp_path: Path) -> None:
    sealed = log.seal("hk-customs", ["sg-cnb"])
    for _ in range(2):
        log.append(AlertEntry(log.now, 5, sealed.header, sealed.signature))
    finding = only(audited(log, tmp_path))
    assert (finding.kind.code, finding.entry) == ("duplicate-alert", 12)
    assert "as entry 11" in finding.message


def test_only_the_sender_recalls_and_corrects_and_only_parties_answer(log: LogBuilder, tmp_path: Path) -> None:
    earlier = log.alert("hk-customs", ["sg-cnb"])

    def related(sender: str, to: str, kind: str) -> int:
        relation = Relation(kind, log.header(earlier).id)
        return log.alert(sender, [to], change=lambda header: replace(header, relation=relation))

    for kind in ("recall", "correct", "follow-up", "reply"):
        related("hk-customs", "sg-cnb", kind)
    for kind in ("follow-up", "reply"):
        related("sg-cnb", "hk-customs", kind)
    assert audited(log, tmp_path).ok
    bad = [
        related("sg-cnb", "hk-customs", "recall"),
        related("sg-cnb", "hk-customs", "correct"),
        related("au-abf", "hk-customs", "reply"),
    ]
    log.alert(change=lambda header: replace(header, relation=Relation("reply", bytes([1, *header.id[1:]]))))
    assert found(audited(log, tmp_path / "later")) == [
        ("relation-foreign", "broker", index) for index in (*bad, log.size - 1)
    ]


# -- receipts ----------------------------------------------------------------------------------------------------------


def test_a_receipt_in_no_known_form(log: LogBuilder, tmp_path: Path) -> None:
    log.append(ReceiptEntry(log.now, 5, b"receipt", bytes(64)))
    assert found(audited(log, tmp_path)) == [("receipt-malformed", "broker", 11)]


def test_a_receipt_with_a_signature_that_is_not_its_agencys(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.receipt("sg-cnb", [index], signature=bytes(64))
    report = audited(log, tmp_path)
    assert found(report) == [("receipt-signature", "broker", 12)]
    assert next(a.unreceipted for a in report.agencies if a.agency == "sg-cnb") == 1


def test_a_receipt_under_a_key_of_another_agency(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.receipt("sg-cnb", [index], signer="au-abf")
    assert found(audited(log, tmp_path)) == [("receipt-signer", "broker", 12)]


def test_a_receipt_of_an_agency_nobody_knows(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.receipt("nz-customs", [index], signer="au-abf")
    assert found(audited(log, tmp_path)) == [("receipt-signer", "broker", 12)]


@pytest.mark.parametrize("wrong", ["index", "later", "id", "leaf", "kind"])
def test_a_receipt_for_something_the_log_does_not_hold(log: LogBuilder, tmp_path: Path, wrong: str) -> None:
    index = log.alert()
    good = ReceiptItem(index, log.header(index).id, log.tree.leaves[index])
    item = {
        "index": structs.replace(good, index=7),
        "later": structs.replace(good, index=index + 1),
        "id": structs.replace(good, alert_id=log.header(5).id),
        "leaf": structs.replace(good, leaf=bytes(32)),
        "kind": structs.replace(good, index=6),
    }[wrong]
    log.receipt("sg-cnb", [index], items=(item,))
    assert found(audited(log, tmp_path)) == [("receipt-mismatch", "sg-cnb", 12)]


def test_a_receipt_by_somebody_not_addressed(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.receipt("au-abf", [index])
    report = audited(log, tmp_path)
    assert found(report) == [("receipt-not-addressed", "au-abf", 12)]
    assert next(a.findings for a in report.agencies if a.agency == "au-abf") == 1


@pytest.mark.parametrize("had", ["stored", "read", "actioned"])
def test_a_refusal_of_what_was_signed_for_as_held_contradicts(log: LogBuilder, tmp_path: Path, had: State) -> None:
    index = log.alert()
    log.receipt("sg-cnb", [index], had)
    log.receipt("sg-cnb", [index], "refused")
    assert found(audited(log, tmp_path)) == [("receipt-contradicts", "sg-cnb", 13)]


def test_what_was_refused_may_be_opened_later(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.receipt("sg-cnb", [index], "refused")
    log.receipt("sg-cnb", [index], "stored")
    report = audited(log, tmp_path)
    assert report.ok
    assert next((a.stored, a.refused) for a in report.agencies if a.agency == "sg-cnb") == (2, 0)


def test_a_receipt_from_the_future(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.receipt("sg-cnb", [index], time=log.now + CLOCK_SKEW_MS + 1)
    log.receipt("sg-cnb", [index], time=log.now + CLOCK_SKEW_MS)
    log.receipt("sg-cnb", [index], time=0)
    assert found(audited(log, tmp_path)) == [("receipt-time", "sg-cnb", 12)]


def test_a_receipt_of_a_suspended_agency(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.world.change_agency("sg-cnb", status="suspended")
    log.publish("targets")
    log.receipt("sg-cnb", [index])
    assert found(audited(log, tmp_path)) == [("receipt-signer", "broker", 13)]


def test_a_receipt_repeated_or_late_contradicts_nothing(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    states: list[State] = ["actioned", "stored", "stored", "read"]
    for state in states:
        log.receipt("sg-cnb", [index], state)
    report = audited(log, tmp_path)
    assert report.ok
    assert next(a.actioned for a in report.agencies if a.agency == "sg-cnb") == 1


def test_a_receipt_or_deletion_of_an_entry_damaged_in_this_copy_is_held_against_nobody(
    log: LogBuilder, tmp_path: Path
) -> None:
    log.purge(5)
    folder = log.write(tmp_path)
    path = folder / "tile/entries/000.p/12"
    data = bytearray(path.read_bytes())
    data[sum(2 + len(entry) for entry in log.entries[:5]) + 30] ^= 1
    path.write_bytes(data)
    assert found(audit(log, folder)) == [("entry-altered", "copy", 5)]


# -- refusals and deletions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("agency", "code"), [("nz-customs", "quota"), ("hk-customs", "no-such-code")])
def test_a_refusal_of_nobody_or_without_known_reason(log: LogBuilder, tmp_path: Path, agency: str, code: str) -> None:
    log.refusal(agency, code)
    assert found(audited(log, tmp_path)) == [("refusal-malformed", "broker", 11)]


def test_deletions_of_no_alert_of_one_twice_and_on_a_made_up_basis(log: LogBuilder, tmp_path: Path) -> None:
    log.now += log.world.document.limits.retention
    log.purge(5)
    log.purge(5)
    log.purge(6)
    log.purge(99)
    log.purge(7, "whim", ("governors",))
    assert found(audited(log, tmp_path)) == [
        ("purge-malformed", "broker", 12),
        ("purge-malformed", "broker", 13),
        ("purge-malformed", "broker", 14),
        ("purge-malformed", "broker", 15),
    ]


@pytest.mark.parametrize("early", [0, 1])
def test_a_body_is_deleted_no_sooner_than_its_retention_is_over(log: LogBuilder, tmp_path: Path, early: int) -> None:
    index = log.alert("hk-customs", ["sg-cnb", "au-abf"])
    log.receipt("sg-cnb", [index])
    since = log.now
    log.receipt("au-abf", [index], "refused")
    log.receipt("sg-cnb", [index], "read")
    log.now = since + log.world.document.limits.retention - early
    place = log.purge(index)
    assert found(audited(log, tmp_path)) == [("purge-early", "broker", place)] * early


def test_an_alert_that_some_never_answered_is_kept_for_its_retention_after_it_expired(
    log: LogBuilder, tmp_path: Path
) -> None:
    index = log.alert("hk-customs", ["sg-cnb", "au-abf"], expires_hours=1)
    log.receipt("sg-cnb", [index])
    log.now = log.header(index).expires + log.world.document.limits.retention - 1
    early = log.purge(index)
    assert found(audited(log, tmp_path)) == [("purge-early", "broker", early)]


def test_a_recall_ends_the_wait(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    target, at = log.header(index).id, log.now
    log.alert(change=lambda header: replace(header, relation=Relation("recall", target)))
    log.now = at + log.world.document.limits.retention
    log.purge(index)
    assert audited(log, tmp_path).ok


def test_the_governors_order_stands_in_the_directory_with_its_basis(log: LogBuilder, tmp_path: Path) -> None:
    ordered, other = log.alert(), log.alert()
    order = PurgeOrder(log.alert_id(ordered), "Order 12/2026")
    log.world.document = replace(log.world.document, purges={order.alert: order})
    log.publish("targets")
    log.purge(ordered, "Order 12/2026", ("governors",))
    early = log.purge(other, "Order 12/2026", ("governors",))
    assert found(audited(log, tmp_path)) == [("purge-early", "broker", early)]


def test_in_a_copy_that_is_not_proven_nobody_is_held_to_anything(log: LogBuilder, tmp_path: Path) -> None:
    log.alert(signature=bytes(64))
    folder = log.write(tmp_path)
    for path in ("checkpoint", f"checkpoints/{log.size}"):
        (folder / path).unlink()
    (folder / "checkpoint").write_bytes(log.checkpoint(root=bytes(32)))
    report = audit(log, folder)
    assert not report.proven
    assert {party for _, party, _ in found(report)} == {"copy"}


# -- what was carried --------------------------------------------------------------------------------------------------


def carry(log: LogBuilder, days: int, *, word: bytes | None = None, to: str = "sg-cnb") -> AlertEntry:
    """An alert that is entered days after its sealing; the sender's word excuses it."""
    sealed = log.seal("hk-customs", [to])
    made = sign_carried(sealed.header, log.world.signing["hk-customs"]) if word is None else word
    log.now += days * DAY_MS
    return AlertEntry(log.now, log.world.directory.version, sealed.header, sealed.signature, made)


def test_what_a_courier_brought_is_clean(log: LogBuilder, tmp_path: Path) -> None:
    log.append(carry(log, 2))
    assert audited(log, tmp_path).ok


def test_what_a_courier_brought_across_a_change_elsewhere_is_clean(log: LogBuilder, tmp_path: Path) -> None:
    entry = carry(log, 2)
    log.publish("au-abf")
    log.append(replace(entry, directory=log.world.directory.version))
    assert audited(log, tmp_path).ok


def test_what_its_sender_does_not_say_was_carried_is_held_against_the_hub(log: LogBuilder, tmp_path: Path) -> None:
    log.append(replace(carry(log, 2), carried=b""))
    assert found(audited(log, tmp_path)) == [("not-fresh", "broker", 11)]


def test_a_word_of_carriage_that_the_sender_did_not_give(log: LogBuilder, tmp_path: Path) -> None:
    log.append(carry(log, 2, word=bytes(64)))
    assert found(audited(log, tmp_path)) == [("sender-signature", "broker", 11)]


def test_what_was_on_the_way_longer_than_the_governors_allow(log: LogBuilder, tmp_path: Path) -> None:
    log.append(carry(log, 8))
    assert found(audited(log, tmp_path)) == [("not-fresh", "broker", 11)]


def test_what_was_carried_to_others_than_the_rules_now_give(log: LogBuilder, tmp_path: Path) -> None:
    entry = carry(log, 2, to="region:asia")
    log.world.change_agency("au-abf", status="suspended")
    log.publish("targets")
    log.append(replace(entry, directory=log.world.directory.version))
    assert found(audited(log, tmp_path)) == [("version-stale", "broker", 12)]
