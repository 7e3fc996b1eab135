from __future__ import annotations

import pytest

from nodes.store.alerts import _BY_TAIL, Filter
from nodes.store.database import Tables
from nodes.store.recipients import Delivery
from nodes.store.sent import Word
from schemas.alert.document import alert_to_wire
from schemas.errors import BadId, NotFound
from schemas.ids import parse_id
from tests.support.directory import NOW
from tests.unit.nodes.store.conftest import Desk


def test_an_alert_is_found_by_whole_id_and_by_its_end(tables: Tables, desk: Desk) -> None:
    alert = desk.received(title="One")
    other = desk.received(title="Other")
    ends = [alert.id[-length:] for length in range(4, 13) if not other.id.endswith(alert.id[-length:])]
    assert len(ends) > 5
    for text in (alert.id, alert.id.upper(), *ends, f" {alert.id[-8:]}\n"):
        assert tables.alerts.find(text).title == "One"


def test_the_end_of_an_id_is_looked_for_in_the_index_of_ids_alone(tables: Tables) -> None:
    plan = str(tables.alerts._db.execute("EXPLAIN QUERY PLAN " + _BY_TAIL, (-4, bytes(4))).fetchall())
    assert "COVERING INDEX" in plan


@pytest.mark.parametrize("text", ["abc", "xyzw", "1234567890123", "", "018f0000-0000-4000-8000-000000000000"])
def test_what_is_no_id_is_refused(tables: Tables, text: str) -> None:
    with pytest.raises(BadId):
        tables.alerts.find(text)


def test_an_id_that_is_not_here_is_not_found(tables: Tables, desk: Desk) -> None:
    desk.received()
    with pytest.raises(NotFound):
        tables.alerts.find("0000")
    with pytest.raises(NotFound):
        tables.alerts.by_number(99)
    with pytest.raises(NotFound):
        tables.alerts.content(99)


def test_an_end_that_fits_two_alerts_is_refused_with_longer_ones(tables: Tables, desk: Desk) -> None:
    first, second = desk.make("hk-customs"), desk.make("hk-customs")
    desk.take(first)
    desk.take(second.model_copy(update={"id": second.id[:-4] + first.id[-4:]}))
    with pytest.raises(BadId, match="fits 2 alerts") as refusal:
        tables.alerts.find(first.id[-4:])
    assert first.id[-8:] in refusal.value.hint


def test_pages_are_newest_first_and_go_on_from_a_number(tables: Tables, desk: Desk) -> None:
    titles = [desk.received(title=f"n {n}").title for n in range(5)]
    page = tables.alerts.page(Filter("in", limit=2))
    rest = tables.alerts.page(Filter("in", before=page[-1].number))
    assert [row.title for row in page + rest] == titles[::-1]


def test_filters_narrow_the_page(tables: Tables, desk: Desk) -> None:
    desk.received("hk-customs", operation="marker")
    desk.received("au-abf")
    tables.inbox.set_state(tables.alerts.page(Filter("in"))[0].id, "read", now=NOW)
    assert len(tables.alerts.page(Filter("in", sender="au-abf"))) == 1
    assert len(tables.alerts.page(Filter("in", operation="marker"))) == 1
    assert len(tables.alerts.page(Filter("in", state="read"))) == 1
    assert len(tables.alerts.page(Filter("in", kind="watch"))) == 2
    assert tables.alerts.page(Filter("out")) == []
    assert (
        tables.alerts.count("in"),
        tables.alerts.count("in", "unread"),
        tables.alerts.count("in", "unread", "read"),
    ) == (2, 1, 2)


def test_content_and_proof_are_what_was_put_in(tables: Tables, desk: Desk) -> None:
    alert = desk.received()
    row = tables.alerts.find(alert.id)
    content, proof = tables.alerts.content(row.number), tables.alerts.proof(row.number)
    assert content.document == alert_to_wire(alert)
    assert content.header == b"header"
    assert proof is not None
    assert (proof.entry, proof.path, proof.note) == (b"entry", (b"a" * 32, b"b" * 32), b"note")


def test_deliveries_and_counts_follow_the_receipts(tables: Tables, desk: Desk) -> None:
    alert = desk.sent(recipients=("au-abf", "hk-customs"))
    row = tables.alerts.find(alert.id)
    assert tables.alerts.counts([row.number]) == {row.number: {"waiting": 2}}
    tables.outbox.accept(row.id, 7, now=NOW + 1)
    sent = tables.sent.find(row.id)
    assert sent is not None
    tables.sent.note_receipt(sent, Word("au-abf", "read", NOW + 5, "Lee"), now=NOW + 6)
    assert tables.alerts.deliveries(row.number) == [
        Delivery("au-abf", "read", NOW + 5, None, "Lee"),
        Delivery("hk-customs", "accepted", NOW + 1, None, None),
    ]
    assert tables.alerts.counts([row.number]) == {row.number: {"read": 1, "accepted": 1}}


def test_a_thread_joins_what_refers_to_each_other_in_both_directions(tables: Tables, desk: Desk) -> None:
    first = desk.received(title="first")
    reply = desk.sent(
        title="reply", kind="response", response={"answers": ["yes"]}, relation={"type": "reply", "alert": first.id}
    )
    third = desk.received(title="third", relation={"type": "follow-up", "alert": reply.id})
    desk.received(title="unrelated")
    for member in (first, reply, third):
        thread = tables.alerts.thread(parse_id(member.id))
        assert [row.title for row in thread] == ["first", "reply", "third"]


@pytest.mark.parametrize(
    "query", ["lantern", "LANTERN drums", "csqu3054383", "csqu30", "seven lan", '"lantern', "-lantern"]
)
def test_search_finds_words_and_beginnings(tables: Tables, desk: Desk, query: str) -> None:
    desk.received(narrative="Seven drums of lantern oil.")
    desk.received(kind="bulletin", title="other", subjects=[], bulletin={"topic": "training", "points": ["one"]})
    found = tables.alerts.search(query)
    assert [row.title for row in found] == ["Container to be looked at"]


@pytest.mark.parametrize("query", ["", "   ", "lantern AND", "nowhere"])
def test_search_takes_no_operators(tables: Tables, desk: Desk, query: str) -> None:
    desk.received(narrative="Seven drums of lantern oil.")
    assert tables.alerts.search(query) == []
