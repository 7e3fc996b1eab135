"""What is heard of sent alerts: states only move forward, and what is in memory is what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.store import deliveries
from nodes.store.database import Database, Tables
from nodes.store.deliveries import read_recipients
from nodes.store.fresh import Outgoing
from nodes.store.outbox import _SELECT
from schemas.errors import NotFound
from schemas.ids import parse_id
from tests.support.directory import NOW, World
from tests.unit.nodes.store.conftest import KEY, Desk

HOUR = 3_600_000
NAMES = ("au-abf", "fj-customs", "hk-customs", "nz-customs")


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("waiting", "stored", True),
        ("stored", "read", True),
        ("read", "actioned", True),
        ("read", "stored", False),
        ("actioned", "read", False),
        ("stored", "stored", False),
        ("stored", "refused", False),
        ("refused", "stored", True),
    ],
)
def test_a_recipients_state_only_moves_forward(tables: Tables, desk: Desk, before: str, after: str, new: bool) -> None:
    alert = desk.sent()
    desk.hear(alert, "hk-customs", before)
    assert desk.hear(alert, "hk-customs", after) is new
    (delivery,) = tables.alerts.deliveries(tables.alerts.find(alert.id).number)
    assert delivery.state == (after if new else before)


def test_the_word_of_one_who_is_no_recipient_changes_nothing(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    assert desk.hear(alert, "au-abf", "stored") is False
    assert tables.events.after(0) == []


def test_the_leaf_is_learned_once(tables: Tables, desk: Desk) -> None:
    alert = desk.sent()
    for leaf in (b"a" * 32, b"b" * 32):
        tables.sent.set_leaf(desk.held(alert), leaf)
        tables.outbox.forget()
    assert tables.alerts.find(alert.id).leaf == b"a" * 32


def test_an_escalation_shows_with_the_recipient_until_it_answers(tables: Tables, desk: Desk) -> None:
    alert = desk.sent(recipients=("hk-customs", "au-abf"))
    tables.outbox.accept(parse_id(alert.id), 7, now=NOW)
    note = partial(tables.sent.note_escalation, desk.held(alert))
    assert note("hk-customs", "due", time=NOW + 1, contact=None, now=NOW + 2)
    assert note("hk-customs", "reached", time=NOW + 3, contact="desk", now=NOW + 4)
    assert not note("nz-customs", "due", time=NOW, contact=None, now=NOW)
    other, called = tables.alerts.deliveries(tables.alerts.find(alert.id).number)
    assert (called.state, called.escalated, called.outcome, called.contact) == ("escalated", NOW + 1, "reached", "desk")
    assert (other.state, other.escalated) == ("accepted", None)
    said = [event.data for event in tables.events.after(0) if event.type == "escalation"]
    assert [(data["agency"], data["outcome"], data.get("contact")) for data in said] == [
        ("hk-customs", "due", None),
        ("hk-customs", "reached", "desk"),
    ]
    desk.hear(alert, "hk-customs", "stored")
    note("hk-customs", "unreachable", time=NOW + 5, contact=None, now=NOW)
    _, called = tables.alerts.deliveries(tables.alerts.find(alert.id).number)
    assert (called.state, called.escalated) == ("stored", NOW + 1)


def test_recipients_who_were_silent_until_the_end_are_expired_and_may_still_speak(tables: Tables, desk: Desk) -> None:
    alert = desk.sent(recipients=("au-abf", "hk-customs"))
    desk.seal(alert, recipients=("au-abf", "hk-customs"))
    tables.outbox.accept(parse_id(alert.id), 3, now=NOW)
    desk.hear(alert, "au-abf", "stored")
    told = tables.events.last()
    tables.sent.expire(now=NOW + HOUR - 1)
    assert tables.events.last() == told
    for _ in range(2):
        tables.sent.expire(now=NOW + HOUR)
    states = {delivery.agency: delivery.state for delivery in tables.alerts.deliveries(desk.held(alert).number)}
    assert states == {"au-abf": "stored", "hk-customs": "expired"}
    assert [event.data["code"] for event in tables.events.after(told)] == ["alert-expired"]
    assert desk.hear(alert, "hk-customs", "stored")


class Undone(NotFound):
    """Rolls back what was done."""


number = st.integers(0, 3)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sets(st.sampled_from(NAMES), min_size=1)),
        st.tuples(st.just("accept"), number),
        st.tuples(st.just("seal"), number, st.sets(st.sampled_from(NAMES), min_size=1)),
        st.tuples(st.just("hear"), number, st.sampled_from(NAMES), st.sampled_from(["stored", "read", "refused"])),
        st.tuples(st.just("escalate"), number, st.sampled_from(NAMES)),
        st.tuples(st.just("refuse"), number),
        st.tuples(st.just("lose"), number),
        st.tuples(st.just("put off"), number),
        st.tuples(st.just("expire")),
    ),
    max_size=6,
)
works = st.lists(st.tuples(steps, st.booleans(), st.booleans()), max_size=5)
"""What is done, whether together, and whether it is kept."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries, "HELD", 2)
        patch.setattr("nodes.store.sent.HELD", 2)
        made = Database(tmp_path_factory.mktemp("store") / "node.db", KEY)
        yield made
        made.close()


@settings(deadline=None)  # it writes to a file, on a machine that may be busy
@given(works)
def test_what_is_in_memory_is_what_the_tables_say(store: Database, world: World, happening: list[Any]) -> None:
    desk = Desk(store.read(lambda tables: tables), world)

    def everything(tables: Tables) -> None:
        sent: list[Any] = [desk.sent(recipients=NAMES[:2]) for _ in range(2)]
        for done, together, kept in happening:
            before = list(sent)
            try:
                tables.outbox._db.execute("SAVEPOINT some")
                if together:
                    with tables.sent.together(now=NOW):
                        work(desk, sent, done)
                else:
                    work(desk, sent, done)
                if not kept:
                    raise Undone("undone")
            except Undone:
                tables.forget()
                tables.outbox._db.execute("ROLLBACK TO some")
                sent[:] = before
            tables.outbox._db.execute("RELEASE some")
            for alert in sent:
                agree(tables, parse_id(alert.id))
        raise Undone("undone")

    with pytest.raises(Undone):
        store.write(everything)


def work(desk: Desk, sent: list[Any], steps: list[Any]) -> None:
    tables = desk.tables
    for kind, *values in steps:
        if kind == "send":
            sent.append(desk.sent(recipients=tuple(values[0]), expires_hours=1))
            continue
        if kind == "expire":
            tables.sent.expire(now=NOW + HOUR)
            continue
        if values[0] >= len(sent):
            continue
        alert = sent[values[0]]
        held = desk.held(alert)
        match kind:
            case "accept":
                tables.outbox.accept(held.id, 7 + held.number, now=NOW)
            case "seal":
                if tables.alerts.by_number(held.number).state == "waiting":
                    desk.seal(alert, recipients=tuple(values[1]))
            case "hear":
                desk.hear(alert, *values[1:])
            case "escalate":
                tables.sent.note_escalation(held, values[1], "due", time=NOW, contact=None, now=NOW)
            case "refuse":
                tables.outbox.refuse(held.id, "nobody", "", "", now=NOW)
            case "put off":
                tables.outbox.postpone(held.id, code="quota", not_before=NOW, delayed=True)
            case "lose":
                tables.outbox.reopen(held.number, body=None, directory=0, lost=True, now=NOW)


def agree(tables: Tables, alert_id: bytes) -> None:
    outbox = tables.outbox
    load = outbox._load
    assert load is None or (load.alerts, load.bytes) == (outbox.count_waiting(), outbox.waiting_bytes())
    remembered = tables.sent.find(alert_id)
    assert remembered is not None
    row = tables.alerts.get("out", alert_id)
    assert row is not None
    assert (remembered.number, remembered.index, remembered.leaf) == (row.number, row.index, row.leaf)
    assert tables.outbox.deliveries.get(row.number).row() == read_recipients(tables.outbox._db, row.number).row()
    if row.state == "waiting":
        stored = outbox._db.execute(_SELECT + "number = ?", (row.number,)).fetchone()
        assert stored is not None
        assert outbox.get(row.number) == Outgoing(*stored)
    expires = tables.outbox._db.execute("SELECT expires FROM delivery WHERE number = ?", (row.number,)).fetchone()
    waits = read_recipients(tables.outbox._db, row.number).all_are("waiting")
    assert waits or expires == (row.expires,), "whoever may still store it is not sent it for longer, nor shorter"
