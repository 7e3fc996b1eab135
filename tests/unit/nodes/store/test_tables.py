"""The smaller subjects of the store: what each keeps, finds again and forgets."""

from __future__ import annotations

import shutil
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from nodes.store.database import Database, Tables
from nodes.store.directory import DirectoryRow
from nodes.store.events import Alarm, Said
from nodes.store.held import HeldCheckpoint
from nodes.store.openers import OpenerRow
from nodes.store.pairs import AHEAD, PairRow
from nodes.store.quarantine import Quarantined
from nodes.store.receipts import receipt_ref
from schemas.alert.document import Alert, encode_alert
from schemas.errors import NotFound
from schemas.ids import format_id, parse_id, sha256
from schemas.limits import MAX_RECEIPT_ITEMS, PAIR_KEY_ALERTS
from tests.support.directory import NOW
from tests.unit.nodes.store.conftest import KEY, Desk

ALERT = bytes.fromhex("01a0c4506c007000800000000000000f")


# Held -----------------------------------------------------------------------------------------------------------------


def test_a_new_store_holds_no_checkpoint(tables: Tables) -> None:
    assert tables.held.checkpoint is None
    assert tables.held.notices == 0


def test_the_checkpoint_held_is_the_last_one_set(tables: Tables) -> None:
    for size in (0, 5, 2**40):
        tables.held.set_checkpoint(HeldCheckpoint(size, bytes(32), b"note"))
        assert tables.held.checkpoint == HeldCheckpoint(size, bytes(32), b"note")


def test_the_notices_cursor_never_goes_back(tables: Tables) -> None:
    for index in (3, 9, 4):
        tables.held.set_notices(index)
    assert tables.held.notices == 9


def test_a_halt_lasts_until_it_is_ended(tables: Tables) -> None:
    seen = [tables.held.halted]
    tables.held.halt("/home/evidence/fork-1")
    seen.append(tables.held.halted)
    tables.held.resume()
    assert [*seen, tables.held.halted] == [None, "/home/evidence/fork-1", None]


# Events and alarms ----------------------------------------------------------------------------------------------------


def test_events_come_in_order_and_leave_out_what_is_not_there(tables: Tables) -> None:
    first = tables.events.add("receipt", {"alert": "x", "code": None}, now=NOW)
    second = tables.events.add("link", {"connected": True}, now=NOW + 1)
    assert tables.events.last() == second
    assert [event.as_dict() for event in tables.events.after(0)] == [
        {"seq": first, "type": "receipt", "time": NOW, "alert": "x"},
        {"seq": second, "type": "link", "time": NOW + 1, "connected": True},
    ]
    assert [event.seq for event in tables.events.after(first)] == [second]
    assert len(tables.events.after(0, limit=1)) == 1


def test_old_events_are_forgotten_but_not_before_the_handlers_saw_them(tables: Tables) -> None:
    seqs = [tables.events.add("link", {"connected": True}, now=NOW + n) for n in range(3)]
    tables.jobs.set_cursor("archive", seqs[0])
    tables.events.prune(NOW + 10)
    assert [event.seq for event in tables.events.after(0)] == seqs[1:]


def test_numbers_of_forgotten_events_are_not_used_again(tables: Tables) -> None:
    seqs = [tables.events.add("link", {"connected": True}, now=NOW) for _ in range(3)]
    tables.events.prune(NOW + 1)
    assert [event.seq for event in tables.events.after(0)] == seqs[-1:], "the newest keeps the place of the next"
    assert tables.events.add("link", {"connected": True}, now=NOW) > seqs[-1]


def test_what_arrived_together_is_told_one_by_one(tables: Tables, desk: Desk) -> None:
    expected: list[object] = []
    for count in (3, None, 1, 4):
        if count is None:
            tables.events.add("link", {"connected": True}, now=NOW)
            expected.append(None)
        else:
            together = [desk.opened(desk.make("hk-customs", operation="marker")) for _ in range(count)]
            tables.inbox.add_all(together, now=NOW)
            expected += [one.alert.id for one in together]
    assert tables.events.last() == len(expected)
    for seen in range(len(expected) + 1):
        for limit in range(1, len(expected) + 2):
            found = tables.events.after(seen, limit=limit)
            assert [event.seq for event in found] == list(range(seen + 1, len(expected) + 1))[:limit]
            assert [event.data.get("alert") for event in found] == expected[seen:][:limit]
    alert = desk.received(marking="green")
    assert tables.events.after(len(expected))[0].data == {
        "alert": alert.id,
        "sender": "hk-customs",
        "kind": alert.kind,
        "precedence": alert.precedence,
        "marking": "green",
        "status": alert.status,
    }


def test_an_alarm_tells_when_it_begins_and_ends(tables: Tables) -> None:
    for words in ("first words", "newer words"):
        tables.alarms.raise_("fork", words, "call somebody", now=NOW)
    assert tables.alarms.standing() == [Alarm("fork", "newer words", "call somebody", NOW)]
    assert tables.alarms.clear("fork", now=NOW + 1) is True
    assert tables.alarms.clear("fork", now=NOW + 2) is False
    told = [(event.data["code"], event.data.get("cleared")) for event in tables.events.after(0)]
    assert told == [("fork", None), ("fork", True)]


# Inbox ----------------------------------------------------------------------------------------------------------------


def test_an_arrival_is_unread_and_told_without_its_words(tables: Tables, desk: Desk) -> None:
    alert = desk.received(title="Secret title")
    assert tables.alerts.find(alert.id).state == "unread"
    (event,) = tables.events.after(0)
    assert (event.type, event.data["alert"], event.data["sender"]) == ("alert", alert.id, "hk-customs")
    assert "Secret title" not in str(event.data)


def test_a_received_alerts_state_only_moves_forward(tables: Tables, desk: Desk) -> None:
    alert_id = parse_id(desk.received().id)
    steps = [tables.inbox.set_state(alert_id, state, now=NOW) for state in ("read", "read", "actioned", "read")]
    assert steps == [True, False, True, False]
    assert tables.inbox.set_state(bytes(16), "read", now=NOW) is False


def test_our_own_alert_of_the_same_id_is_another_row(tables: Tables, desk: Desk) -> None:
    own = desk.sent()
    desk.take(own.model_copy(update={"sender": "hk-customs"}))
    assert tables.alerts.get("out", parse_id(own.id)) != tables.alerts.get("in", parse_id(own.id))


# Directory ------------------------------------------------------------------------------------------------------------


def test_directory_versions_come_back_in_order(tables: Tables) -> None:
    rows = [DirectoryRow(n, n * 10, b"entry", b"bundle") for n in (1, 2, 3)]
    for row in rows:
        tables.directory.add(row)
    assert tables.directory.all() == rows
    assert tables.directory.newest() == 3


# Events ---------------------------------------------------------------------------------------------------------------


def test_what_is_said_of_many_alerts_is_an_event_for_each(tables: Tables) -> None:
    alerts = [bytes([number]) + ALERT[1:] for number in range(5)]
    tables.events.add("link", {"connected": True}, now=NOW)
    tables.events.add_receipts(
        {
            Said("au-abf", "stored", None, None): alerts,
            Said("hk-customs", "refused", "body-unreadable", "Lee"): alerts[:2],
        },
        now=NOW,
    )
    tables.events.add("link", {"connected": False}, now=NOW)
    events = tables.events.after(0)
    assert [event.seq for event in events] == list(range(1, 10))
    assert tables.events.last() == 9
    assert events[1].data == {"alert": format_id(alerts[0]), "agency": "au-abf", "state": "stored"}
    assert events[7].data == {
        "alert": format_id(alerts[1]),
        "agency": "hk-customs",
        "state": "refused",
        "code": "body-unreadable",
        "officer": "Lee",
    }
    for seq in range(10):
        for limit in (1, 3, 256):
            assert tables.events.after(seq, limit=limit) == events[seq : seq + limit]


def test_however_much_was_said_its_events_can_be_read(tables: Tables) -> None:
    alerts = [number.to_bytes(6, "big") + ALERT[6:] for number in range(20 * MAX_RECEIPT_ITEMS + 1)]
    tables.events.add_receipts({Said("au-abf", "stored", None, None): alerts}, now=NOW)
    seen: list[object] = []
    while found := tables.events.after(len(seen)):
        assert [event.seq for event in found] == list(range(len(seen) + 1, len(seen) + len(found) + 1))
        seen += [event.data["alert"] for event in found]
    assert seen == [format_id(alert) for alert in alerts]


def test_a_row_of_events_is_kept_until_a_handler_has_seen_the_last_of_them(tables: Tables) -> None:
    tables.events.add_receipts({Said("au-abf", "stored", None, None): [ALERT] * 3}, now=NOW)
    tables.events.add("link", {"connected": False}, now=NOW)
    for seen, left in ((2, [3, 4]), (3, [4])):
        tables.jobs.set_cursor("folder", seen)
        tables.events.prune(NOW + 1)
        assert [event.seq for event in tables.events.after(seen)] == left


# Pair keys and openers ------------------------------------------------------------------------------------------------


def pair(name: bytes, *, created: int = NOW, recipient: str = "hk-customs") -> PairRow:
    return PairRow(name * 16, recipient, b"s" * 32, b"opener", b"to", b"by", created, 0, known=False)


def test_the_newest_pair_key_of_a_recipient_is_used(tables: Tables) -> None:
    for row in (pair(b"a", created=NOW - 1), pair(b"b"), pair(b"c", recipient="au-abf")):
        tables.pairs.add(row)
    assert tables.pairs.newest("hk-customs") == pair(b"b")
    assert tables.pairs.newest("jp-customs") is None


def test_uses_and_knowledge_of_pair_keys_are_kept(tables: Tables) -> None:
    tables.pairs.add(pair(b"a"))
    tables.pairs.use([b"a" * 16, b"a" * 16])
    tables.pairs.set_known([b"a" * 16], known=True)
    (row,) = tables.pairs.get([b"a" * 16, b"z" * 16])
    assert (row.uses, row.known) == (2, True)
    tables.pairs.prune(NOW + 1)
    assert tables.pairs.get([b"a" * 16]) == []


def test_uses_are_written_ahead_and_never_fewer_than_there_were(database: Database, tmp_path: Path) -> None:
    def reopened() -> PairRow:
        copy = Path(shutil.copytree(tmp_path, tmp_path / "copy", dirs_exist_ok=True))
        with closing(Database(copy / "node.db", KEY)) as again:
            (row,) = again.read(lambda tables: tables.pairs.get([b"a" * 16]))
        return row

    def use(tables: Tables, uses: int) -> None:
        assert tables.pairs.newest("hk-customs") is not None
        for _ in range(uses):
            tables.pairs.use([b"a" * 16])

    database.write(lambda tables: tables.pairs.add(pair(b"a")))
    used = 0
    for uses in (1, 1, AHEAD - 2, 1, PAIR_KEY_ALERTS - AHEAD - 2, 1):
        database.write(partial(use, uses=uses))
        used += uses
        assert used <= reopened().uses <= min(used - 1 + AHEAD, PAIR_KEY_ALERTS)
    assert reopened().uses == PAIR_KEY_ALERTS


def test_what_is_held_of_pair_keys_goes_with_what_is_rolled_back(database: Database) -> None:
    def broken(tables: Tables) -> None:
        tables.pairs.add(pair(b"b", created=NOW + 1))
        assert tables.pairs.newest("hk-customs") == pair(b"b", created=NOW + 1)
        raise NotFound("no")

    database.write(lambda tables: tables.pairs.add(pair(b"a")))
    with pytest.raises(NotFound):
        database.write(broken)
    assert database.read(lambda tables: tables.pairs.newest("hk-customs")) == pair(b"a")


def test_an_alert_is_at_hand_once_and_not_after_it_was_rolled_back(database: Database, desk: Desk) -> None:
    def broken(tables: Tables) -> None:
        added.append(desk.sent())
        raise NotFound("no")

    added: list[Alert] = []
    with pytest.raises(NotFound):
        database.write(broken)
    kept = desk.sent()
    number = desk.held(kept).number
    assert desk.tables.outbox.fresh(number) == (kept, encode_alert(kept))
    assert desk.tables.outbox.fresh(number) is None
    assert desk.tables.outbox.document(number) == encode_alert(kept)


def test_openers_are_kept_once_and_forgotten_when_old(tables: Tables) -> None:
    row = OpenerRow(b"o" * 16, "hk-customs", b"key", b"secret")
    tables.openers.add(row, now=NOW)
    tables.openers.add(OpenerRow(b"o" * 16, "au-abf", b"key", b"other"), now=NOW)
    assert tables.openers.get(b"o" * 16) == row
    tables.openers.prune(NOW + 1)
    assert tables.openers.get(b"o" * 16) is None


# Receipts -------------------------------------------------------------------------------------------------------------


def test_receipts_wait_until_they_are_answered(tables: Tables) -> None:
    for n in range(3):
        tables.receipts.add(b"receipt %d" % n, b"signature", now=NOW + n)
    refs = [receipt_ref(b"receipt %d" % n) for n in range(3)]
    assert [row.ref for row in tables.receipts.due(now=NOW, limit=2)] == refs[:2]
    assert [row.ref for row in tables.receipts.due(now=NOW, limit=2, except_refs=frozenset(refs[:1]))] == refs[1:]
    tables.receipts.done(refs[0])
    tables.receipts.postpone(refs[1], not_before=NOW + 100)
    assert [row.ref for row in tables.receipts.due(now=NOW, limit=9)] == refs[2:]
    assert tables.receipts.next_due(now=NOW) == NOW + 100
    assert tables.receipts.count() == len(tables.receipts.all()) == 2
    kept = tables.receipts.get(refs[1])
    assert kept is not None
    assert kept.attempts == 1
    assert tables.receipts.get(refs[0]) is None


# Quarantine -----------------------------------------------------------------------------------------------------------


def test_refused_material_is_kept_once(tables: Tables) -> None:
    item = Quarantined(7, ALERT, "hk-customs", "bad-signature", 5, "does not verify", NOW, b"entry", b"body")
    assert tables.quarantine.add(item) is True
    assert tables.quarantine.add(item) is False
    assert tables.quarantine.newest() == [item]
    assert tables.quarantine.get(7) == item
    assert tables.quarantine.get(8) is None
    assert tables.quarantine.count() == 1
    assert [event.data["code"] for event in tables.events.after(0)] == ["bad-signature"]


# Jobs -----------------------------------------------------------------------------------------------------------------


def quarantined(index: int, size: int = 10) -> Quarantined:
    return Quarantined(index, None, None, "not-included", 3, "no such entry", NOW, b"", bytes(size))


def test_the_newest_of_what_was_refused_is_kept(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.store.quarantine.MAX_QUARANTINE", 3)
    monkeypatch.setattr("nodes.store.quarantine.MAX_QUARANTINE_BYTES", 100)
    for index in range(5):
        tables.quarantine.add(quarantined(index))
    assert [item.index for item in tables.quarantine.newest()] == [4, 3, 2]
    tables.quarantine.add(quarantined(5, 85))
    assert [item.index for item in tables.quarantine.newest()] == [5, 4]
    tables.quarantine.add(quarantined(6, 500))
    assert [item.index for item in tables.quarantine.newest()] == [6], "the one that just came stays in any case"


def test_a_job_lives_until_it_is_done(tables: Tables) -> None:
    assert tables.jobs.cursor("archive") is None
    tables.jobs.set_cursor("archive", 4)
    tables.jobs.plan("archive", ALERT, 5, now=NOW)
    tables.jobs.plan("archive", ALERT, 5, now=NOW)
    (job,) = tables.jobs.due("archive", now=NOW)
    assert job.key == "01a0c450-6c00-7000-8000-00000000000f-archive-5"
    tables.jobs.retry_later(job.number, "no answer", not_before=NOW + 10)
    assert tables.jobs.due("archive", now=NOW) == []
    assert tables.jobs.next_due("archive") == NOW + 10
    tables.jobs.done(job.number)
    assert tables.jobs.next_due("archive") is None
    assert tables.jobs.cursor("archive") == 4


def test_a_dead_letter_can_be_tried_again(tables: Tables) -> None:
    tables.jobs.plan("archive", bytes(16), 5, now=NOW)
    (job,) = tables.jobs.due("archive", now=NOW)
    tables.jobs.bury(job.number, "gone", now=NOW + 1)
    assert tables.jobs.due("archive", now=NOW) == []
    assert [(dead.number, dead.error) for dead in tables.jobs.dead()] == [(job.number, "gone")]
    assert tables.jobs.count_dead() == 1
    tables.jobs.revive(job.number)
    assert [(again.number, again.attempts) for again in tables.jobs.due("archive", now=NOW)] == [(job.number, 0)]
    with pytest.raises(NotFound):
        tables.jobs.revive(job.number)


# Attachments ----------------------------------------------------------------------------------------------------------


def test_an_attachment_sealed_here_is_whole_and_not_uploaded(tables: Tables) -> None:
    parts = [b"h" * 24, bytes(300_000), b"end"]
    digest = sha256(b"".join(parts))
    for _ in range(2):  # the second time replaces the first
        assert tables.attachments.add(digest, parts, now=NOW) == 300_027
    row = tables.attachments.get(digest)
    assert row is not None
    assert (row.size, row.stored, row.complete, row.uploaded) == (300_027, 300_027, True, False)
    tables.attachments.set_uploaded(digest, uploaded=True)
    assert tables.attachments.incomplete() == []


@pytest.mark.parametrize("offset", [0, 10, 24, 25, 262_168, 300_020, 300_027])
def test_pieces_run_across_parts(tables: Tables, offset: int) -> None:
    data = b"h" * 24 + bytes(range(250)) * 1_200 + b"end"
    tables.attachments.add(sha256(data), [data[:24], data[24:-3], data[-3:]], now=NOW)
    assert tables.attachments.piece(sha256(data), offset, size=100_000) == data[offset : offset + 100_000]


def test_a_download_grows_and_is_finished(tables: Tables) -> None:
    digest = sha256(b"abcdef")
    with pytest.raises(NotFound):
        tables.attachments.append(digest, b"abc")
    tables.attachments.begin(digest, 6, now=NOW)
    tables.attachments.append(digest, b"abc")
    assert [row.stored for row in tables.attachments.incomplete()] == [3]
    tables.attachments.append(digest, b"def")
    tables.attachments.finish(digest)
    row = tables.attachments.get(digest)
    assert row is not None
    assert row.complete
    assert tables.attachments.piece(digest, 0, size=10) == b"abcdef"
    tables.attachments.drop(digest)
    assert tables.attachments.get(digest) is None
    assert tables.attachments.part(digest, 0) == b""
