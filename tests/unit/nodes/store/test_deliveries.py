"""Recipients in one row: the same as one row each, whatever happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.store import deadlines
from nodes.store.connection import open_connection
from nodes.store.database import Database, Tables
from nodes.store.recipients import LETTERS, Delivery, Recipients
from nodes.store.schema import MIGRATIONS
from nodes.store.sent import Word
from schemas.errors import NotFound
from schemas.ids import parse_id
from schemas.limits import MAX_TIME_MS
from tests.support.directory import NOW, World
from tests.unit.nodes.store.conftest import KEY, Desk

NAMES = ("au-abf", "fj-customs", "hk-customs", "nz-customs", "sg-cnb")
ROWS_OF_ONE = 6
"""Migrations after which each recipient still had a row of its own."""

names = st.sampled_from(NAMES)
states = st.sampled_from(list(LETTERS))
times = st.integers(0, MAX_TIME_MS)
notes = st.fixed_dictionaries(
    {}, optional={"code": st.none() | st.text(max_size=5), "officer": st.none() | st.text(), "escalated": times}
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), names, states, times),
        st.tuples(st.just("note"), names, notes),
        st.tuples(st.just("move"), st.sets(states, min_size=1), states, times, st.none() | st.just("nobody")),
        st.tuples(st.just("become"), st.sets(names), times),
    ),
    max_size=8,
)


class Model:
    """What one row for each recipient would hold."""

    def __init__(self, agencies: AbstractSet[str], now: int) -> None:
        self.rows = {agency: Delivery(agency, "waiting", now, None, None) for agency in agencies}

    def set(self, agency: str, state: str, time: int) -> None:
        if agency in self.rows:
            self.rows[agency] = replace(self.rows[agency], state=state, time=time)

    def note(self, agency: str, values: dict[str, Any]) -> None:
        if agency in self.rows:
            self.rows[agency] = replace(self.rows[agency], **values)

    def move(self, come_from: AbstractSet[str], to: str, time: int, code: str | None) -> None:
        for agency, row in self.rows.items():
            if row.state in come_from:
                self.rows[agency] = replace(row, state=to, time=time, code=code or row.code)

    def become(self, agencies: AbstractSet[str], now: int) -> None:
        self.rows = Model(agencies, now).rows | {a: row for a, row in self.rows.items() if a in agencies}


def act(recipients: Recipients, step: tuple[Any, ...]) -> None:
    match step:
        case ("set", agency, state, time) if (place := recipients.place(agency)) is not None:
            recipients.set(place, state, time)
        case ("note", agency, values) if (place := recipients.place(agency)) is not None:
            recipients.note(place, **values)
        case ("move", come_from, to, time, code):
            recipients.move(tuple(come_from), to, time, code=code)
        case ("become", agencies, time):
            recipients.become(agencies, now=time)


@settings(deadline=None)
@given(st.sets(names), steps)
def test_a_row_of_all_recipients_says_what_a_row_of_each_would(agencies: set[str], happening: list[Any]) -> None:
    recipients, model = Recipients.new(7, agencies, now=NOW), Model(agencies, NOW)
    for step in happening:
        act(recipients, step)
        getattr(model, step[0])(*step[1:])
        recipients = Recipients.of_row(7, recipients.row())
    assert recipients.deliveries() == [model.rows[agency] for agency in sorted(model.rows)]
    assert sum(recipients.counts().values()) == len(model.rows)


def test_no_state_has_the_letter_of_another() -> None:
    assert len(set(LETTERS.values())) == len(LETTERS)


words = st.lists(st.tuples(st.integers(0, 2), names, st.sampled_from(["stored", "read", "refused"])), max_size=12)


class Undone(NotFound):
    """Rolls back what was done, and brings what came of it."""

    def __init__(self, outcome: object) -> None:
        super().__init__("undone")
        self.outcome = outcome


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(tmp_path_factory.mktemp("store") / "node.db", KEY)
    yield made
    made.close()


@settings(deadline=None)  # it writes to a file, on a machine that may be busy
@given(said=words, accepted=st.lists(st.integers(0, 2), max_size=3))
def test_words_taken_in_together_leave_what_they_leave_one_by_one(
    store: Database, world: World, said: list[Any], accepted: list[int]
) -> None:
    def outcome(tables: Tables, *, together: bool) -> None:
        raise Undone(taken_in(Desk(tables, world), said, accepted, together=together))

    left = []
    for together in (True, False):
        with pytest.raises(Undone) as undone:
            store.write(partial(outcome, together=together))
        left.append(undone.value.outcome)
    assert left[0] == left[1]


def taken_in(desk: Desk, said: list[Any], accepted: list[int], *, together: bool) -> object:
    tables = desk.tables
    alerts = [desk.sent(recipients=NAMES[:3]) for _ in range(3)]
    before = tables.events.last()
    with tables.sent.together(now=NOW) if together else nullcontext():
        for number, agency, state in said:
            code = "body-unreadable" if state == "refused" else None
            sent = tables.sent.find(parse_id(alerts[number].id))
            assert sent is not None
            tables.sent.note_receipt(sent, Word(agency, state, NOW + number), code=code, now=NOW)
        for number in accepted:
            tables.outbox.accept(parse_id(alerts[number].id), 7 + number, now=NOW)
    return (
        [tables.alerts.deliveries(tables.alerts.find(alert.id).number) for alert in alerts],
        [tables.alerts.find(alert.id) for alert in alerts],
        sorted(str((event.type, event.data)) for event in tables.events.after(before)),
    )


def test_a_store_with_a_row_for_each_recipient_becomes_one_with_a_row_for_each_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "node.db"
    with monkeypatch.context() as patch:
        patch.setattr("nodes.store.connection.MIGRATIONS", MIGRATIONS[:ROWS_OF_ONE])
        older = open_connection(path, KEY)
        older.execute(
            "INSERT INTO alert (number, direction, id, sender, kind, title, marking, status, precedence, rank, "
            "address, composed, received, state, document) "
            "VALUES (4, 'out', x'01a0c4506c007000800000000000000f', 'a', 'watch', '', '', '', 'flash', 0, '', 0, 0, "
            "'accepted', x'80')"
        )
        older.executemany(
            "INSERT INTO delivery (number, agency, state, time, code, escalated, overdue) VALUES (4, ?, ?, ?, ?, ?, ?)",
            [
                (f"a-{place}", state, NOW + place, "nobody" if place == 1 else None, 5 if place == 2 else None, None)
                for place, state in enumerate(LETTERS)
            ],
        )
        older.close()
    database = Database(path, KEY)
    found = database.read(lambda tables: tables.alerts.deliveries(4))
    overdue = database.write(lambda tables: tables.deadlines.begin(now=NOW, before=NOW))
    database.close()
    assert [each.agency for each in overdue] == ["a-0", "a-1", "a-2"]
    assert found == [
        Delivery(f"a-{place}", state, NOW + place, "nobody" if place == 1 else None, None, 5 if place == 2 else None)
        for place, state in enumerate(LETTERS)
    ]


def test_what_may_still_be_heard_is_found_by_its_index(tables: Tables) -> None:
    for query, index in ((deadlines._EXPIRED, "delivery_ends"), (deadlines._SELECT, "delivery_flash")):
        plan = str(tables.outbox._db.execute("EXPLAIN QUERY PLAN " + query, (NOW,) * query.count("?")).fetchall())
        assert index in plan, plan
