from __future__ import annotations

import pytest

from nodes.store.alerts import AlertRow
from nodes.store.database import Tables
from schemas.alert.document import Alert
from schemas.errors import NotFound, OutboxFull
from schemas.ids import parse_id
from tests.support.directory import NOW
from tests.unit.nodes.store.conftest import Desk

HOUR = 3_600_000


def row(tables: Tables, alert: Alert) -> AlertRow:
    return tables.alerts.find(alert.id)


def recalling(desk: Desk, alert: Alert) -> Alert:
    return desk.sent(kind="recall", recall={"reason": "x"}, relation={"type": "recall", "alert": alert.id})


def correcting(desk: Desk, alert: Alert) -> Alert:
    return desk.sent(kind="correction", correction={"reason": "x"}, relation={"type": "correct", "alert": alert.id})


def waiting(tables: Tables, *, now: int = NOW, **more: object) -> list[bytes]:
    return [outgoing.id for outgoing in tables.outbox.waiting(now=now, limit=10, **more)]  # type: ignore[arg-type]


def test_the_most_urgent_goes_first_and_the_oldest_among_equals(tables: Tables, desk: Desk) -> None:
    alerts = [desk.sent(precedence=word) for word in ("routine", "flash", "routine", "priority")]
    order = [alerts[1], alerts[3], alerts[0], alerts[2]]
    assert waiting(tables) == [parse_id(alert.id) for alert in order]


def test_what_is_under_way_is_left_out(tables: Tables, desk: Desk) -> None:
    first, second = desk.sent(), desk.sent()
    assert waiting(tables, except_numbers=[row(tables, first).number]) == [parse_id(second.id)]


def test_the_limit_holds_beside_what_is_under_way(tables: Tables, desk: Desk) -> None:
    alerts = [desk.sent() for _ in range(4)]
    skip = [row(tables, alerts[0]).number]
    found = tables.outbox.waiting(now=NOW, limit=2, except_numbers=skip)
    assert [outgoing.id for outgoing in found] == [parse_id(alert.id) for alert in alerts[1:3]]


def test_expiry_counts_from_composing(tables: Tables, desk: Desk) -> None:
    assert row(tables, desk.sent(expires_hours=2)).expires == NOW + 2 * HOUR
    assert row(tables, desk.sent()).expires is None


def test_sealing_sets_the_bytes_and_the_recipients_they_are_for(tables: Tables, desk: Desk) -> None:
    alert = desk.sent(recipients=("hk-customs", "au-abf"))
    desk.seal(alert, recipients=("au-abf",))
    sealed = tables.outbox.get(row(tables, alert).number)
    assert (sealed.header, sealed.body, sealed.directory) == (b"header", b"body", 5)
    assert [delivery.agency for delivery in tables.alerts.deliveries(sealed.number)] == ["au-abf"]


def test_acceptance_ends_the_way_and_drops_the_body(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    desk.seal(alert)
    tables.outbox.accept(parse_id(alert.id), 41, now=NOW + 1)
    done = row(tables, alert)
    assert (done.state, done.index) == ("accepted", 41)
    assert waiting(tables) == []
    assert tables.outbox.count_waiting() == 0
    with pytest.raises(NotFound):
        tables.outbox.get(done.number)


def test_accepting_twice_tells_once(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    for _ in range(2):
        tables.outbox.accept(parse_id(alert.id), 41, now=NOW)
    assert [event.data["state"] for event in tables.events.after(0)] == ["accepted"]


@pytest.mark.parametrize("state", ["refused", "expired"])
def test_a_refusal_says_why_to_the_officer(tables: Tables, desk: Desk, state: str) -> None:
    alert = desk.sent()
    tables.outbox.refuse(parse_id(alert.id), "nobody", "reaches nobody", "say whom", now=NOW, state=state)
    done = row(tables, alert)
    assert (done.state, done.code, done.message, done.hint) == (state, "nobody", "reaches nobody", "say whom")
    assert [d.state for d in tables.alerts.deliveries(done.number)] == [state]
    assert waiting(tables) == []
    (event,) = tables.events.after(0)
    assert (event.data["state"], event.data["code"]) == (state, "nobody")


def test_sealing_again_drops_the_bytes_and_waits(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    desk.seal(alert)
    tables.outbox.seal_again(parse_id(alert.id), code="directory-stale", not_before=NOW + 500)
    assert waiting(tables) == []
    assert tables.outbox.next_due(now=NOW) == NOW + 500
    (again,) = tables.outbox.waiting(now=NOW + 500, limit=10)
    assert (again.body, again.directory, again.attempts) == (None, None, 1)


def test_postponing_keeps_the_bytes(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    desk.seal(alert)
    tables.outbox.postpone(parse_id(alert.id), code="quota", not_before=NOW + 500)
    assert waiting(tables) == []
    (again,) = tables.outbox.waiting(now=NOW + 500, limit=10)
    assert (again.body, again.attempts) == (b"body", 1)
    assert tables.outbox.next_due(now=NOW + 500) is None


def test_one_about_another_of_ours_waits_for_it(tables: Tables, desk: Desk) -> None:
    first = desk.sent()
    second = desk.sent(precedence="flash", relation={"type": "follow-up", "alert": first.id})
    assert waiting(tables) == [parse_id(first.id)]
    tables.outbox.accept(parse_id(first.id), 3, now=NOW)
    assert waiting(tables) == [parse_id(second.id)]


def test_one_about_an_alert_received_need_not_wait(tables: Tables, desk: Desk) -> None:
    received = desk.received()
    answer = desk.sent(relation={"type": "follow-up", "alert": received.id})
    assert waiting(tables) == [parse_id(answer.id)]


def test_a_recall_ends_the_wait_for_those_who_had_not_stored_it(tables: Tables, desk: Desk) -> None:
    alert = desk.sent(recipients=("hk-customs", "au-abf"))
    target = parse_id(alert.id)
    desk.seal(alert, recipients=("hk-customs", "au-abf"))
    tables.outbox.accept(target, 7, now=NOW)
    desk.hear(alert, "au-abf", "stored")
    recall = recalling(desk, alert)
    assert row(tables, alert).recalled_by == parse_id(recall.id)
    states = {d.agency: d.state for d in tables.alerts.deliveries(row(tables, alert).number)}
    assert states == {"hk-customs": "accepted", "au-abf": "stored"}, "as long as the recall is not in the log"
    tables.outbox.accept(parse_id(recall.id), 9, now=NOW)
    states = {d.agency: d.state for d in tables.alerts.deliveries(row(tables, alert).number)}
    assert states == {"hk-customs": "recalled", "au-abf": "stored"}

    late = desk.hear(alert, "hk-customs", "stored")
    assert late, "the alert was on its way when it was recalled"


def test_a_recall_marks_its_target_once(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    tables.outbox.accept(parse_id(alert.id), 7, now=NOW)
    first, second = (recalling(desk, alert) for _ in range(2))
    assert row(tables, alert).recalled_by == parse_id(first.id)
    tables.outbox.accept(parse_id(first.id), 8, now=NOW)
    tables.outbox.accept(parse_id(first.id), 8, now=NOW)  # the hub's answer again, after a receipt that said the same
    said = [event.data for event in tables.events.after(0) if event.data.get("state") == "recalled"]
    assert [event["alert"] for event in said] == [alert.id]
    tables.outbox.refuse(parse_id(second.id), "not-a-party", "no", "", now=NOW)
    assert row(tables, alert).recalled_by == parse_id(first.id)


@pytest.mark.parametrize("state", ["refused", "expired"])
def test_a_recall_that_never_enters_the_log_recalls_nothing(tables: Tables, desk: Desk, state: str) -> None:
    alert = desk.sent()
    tables.outbox.accept(parse_id(alert.id), 7, now=NOW)
    recall = recalling(desk, alert)
    tables.outbox.refuse(parse_id(recall.id), "suspended", "no", "", now=NOW, state=state)
    assert row(tables, alert).recalled_by is None
    assert [d.state for d in tables.alerts.deliveries(row(tables, alert).number)] == ["accepted"]


def test_the_last_correction_counts_and_one_that_is_refused_does_not(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    tables.outbox.accept(parse_id(alert.id), 7, now=NOW)
    first, second = (correcting(desk, alert) for _ in range(2))
    assert row(tables, alert).corrected_by == parse_id(second.id)
    tables.outbox.accept(parse_id(first.id), 8, now=NOW)
    tables.outbox.refuse(parse_id(second.id), "quota", "no", "", now=NOW)
    assert row(tables, alert).corrected_by == parse_id(first.id)
    tables.outbox.refuse(parse_id(first.id), "quota", "no", "", now=NOW)
    assert row(tables, alert).corrected_by is None


def test_what_never_left_is_withdrawn_with_all_that_is_about_it(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    correction = correcting(desk, alert)
    again = correcting(desk, correction)
    assert tables.outbox.never_left(parse_id(alert.id))
    tables.outbox.withdraw(parse_id(alert.id), now=NOW)
    for each in (alert, correction, again):
        assert row(tables, each).state == "withdrawn"
        assert [d.state for d in tables.alerts.deliveries(row(tables, each).number)] == ["withdrawn"]
        assert row(tables, each).corrected_by is None
    assert tables.outbox.count_waiting() == 0


def test_what_was_sealed_may_have_left(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    desk.seal(alert)
    assert not tables.outbox.never_left(parse_id(alert.id))
    tables.outbox.seal_again(parse_id(alert.id), code="clock-off", not_before=NOW)
    assert tables.outbox.never_left(parse_id(alert.id)), "the hub said that it did not take it"
    tables.outbox.accept(parse_id(alert.id), 7, now=NOW)
    assert not tables.outbox.never_left(parse_id(alert.id))


def test_an_alert_that_expires_before_it_leaves_is_told_at_once(tables: Tables, desk: Desk) -> None:
    alert, sealed = desk.sent(expires_hours=1), desk.sent(expires_hours=1)
    desk.seal(sealed)
    tables.outbox.expire(now=NOW + HOUR - 1)
    assert row(tables, alert).state == "waiting"
    tables.outbox.expire(now=NOW + HOUR)
    assert (row(tables, alert).state, row(tables, alert).code) == ("expired", "alert-expired")
    assert row(tables, sealed).state == "waiting", "the hub may have it"


def test_a_second_sealing_is_noted_with_what_changed_since_the_officer_was_told(tables: Tables, desk: Desk) -> None:
    alert = desk.sent(recipients=("hk-customs", "au-abf"))
    number = row(tables, alert).number
    desk.seal(alert, recipients=("au-abf", "hk-customs"))
    assert tables.outbox.resealings.get(number) is None
    for recipients in (("hk-customs",), ("fj-customs", "hk-customs")):
        tables.outbox.seal_again(parse_id(alert.id), code="directory-stale", not_before=NOW, anew=True)
        desk.seal(alert, recipients=recipients)
    found = tables.outbox.resealings.get(number)
    assert found is not None
    assert (found.directory, found.added, found.dropped) == (5, ("fj-customs",), ("au-abf",))


def test_a_first_sealing_for_others_than_told_is_noted_too(tables: Tables, desk: Desk) -> None:
    alert = desk.sent(recipients=())
    desk.seal(alert, recipients=("hk-customs",))
    found = tables.outbox.resealings.get(row(tables, alert).number)
    assert found is not None
    assert (found.added, found.dropped) == (("hk-customs",), ())


def test_a_newer_directory_ends_the_wait_of_what_is_to_be_sealed_again(tables: Tables, desk: Desk) -> None:
    stale, busy = desk.sent(), desk.sent()
    for alert in (stale, busy):
        desk.seal(alert)
    tables.outbox.seal_again(parse_id(stale.id), code="directory-stale", not_before=NOW + 30_000)
    tables.outbox.postpone(parse_id(busy.id), code="quota", not_before=NOW + 30_000)
    assert waiting(tables) == []
    tables.outbox.directory_changed(now=NOW)
    assert waiting(tables) == [parse_id(stale.id)]
    assert tables.outbox.get(row(tables, stale).number).attempts == 0
    assert tables.outbox.get(row(tables, busy).number).attempts == 1


def test_a_full_outbox_takes_in_what_is_urgent_and_what_takes_back(
    tables: Tables, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.store.outbox.MAX_OUTBOX", 2)
    first = desk.sent()
    desk.sent(precedence="priority")
    with pytest.raises(OutboxFull, match="2 alerts wait"):
        desk.sent(precedence="priority")
    recalling(desk, first)
    urgent = desk.sent(precedence="flash")
    with pytest.raises(OutboxFull, match="4 alerts wait"):
        desk.sent(precedence="flash")
    assert tables.outbox.count_waiting() == 4
    for alert in (first, urgent):
        tables.outbox.accept(parse_id(alert.id), 1, now=NOW)
    desk.sent(precedence="immediate")
    with pytest.raises(OutboxFull):
        desk.sent()
    assert tables.outbox.count_waiting() == 3


def test_the_bytes_that_wait_are_bounded_too(tables: Tables, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = {"digest": "ab" * 32, "sealed_size": 5_100, "size": 5_000, "key": "cd" * 32}
    files = [{"name": "x.png", "media_type": "image/png", **file}]
    monkeypatch.setattr("nodes.store.outbox.MAX_OUTBOX_BYTES", 10_000)
    first = desk.sent(attachments=files)
    assert 5_100 < tables.outbox.waiting_bytes() < 6_500
    with pytest.raises(OutboxFull):
        desk.sent(attachments=files)
    desk.sent()
    desk.sent(attachments=files, precedence="flash")
    assert tables.outbox.count_waiting() == 3
    tables.outbox.accept(parse_id(first.id), 1, now=NOW)
    assert 5_100 < tables.outbox.waiting_bytes() < 7_500
