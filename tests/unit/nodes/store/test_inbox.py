from __future__ import annotations

from dataclasses import replace

from nodes.store.alerts import Filter
from nodes.store.database import Tables
from schemas.ids import parse_id
from tests.support.directory import NOW
from tests.unit.nodes.store.conftest import Desk


def test_several_are_kept_in_the_order_they_came(tables: Tables, desk: Desk) -> None:
    first = desk.sent()
    several = [desk.opened(desk.make("hk-customs", title=f"alert {number}")) for number in range(3)]
    assert tables.inbox.add_all(several, now=NOW) == 4
    assert [row.id for row in tables.alerts.page(Filter("in"))] == [one.id for one in reversed(several)]
    assert tables.alerts.find(first.id).number == 1
    events = [event for event in tables.events.after(0) if event.type == "alert"]
    assert [event.data["alert"] for event in events] == [one.alert.id for one in several]
    assert "search" in tables.topics


def test_the_entry_is_kept_without_the_header_and_comes_back_whole(tables: Tables, desk: Desk) -> None:
    for entry in (
        b"head head head",
        b"before header after",
        b"header after",
        b"before header",
        b"header",
        b"none of it",
    ):
        received = replace(desk.opened(desk.make("hk-customs")), entry=entry)
        proof = tables.alerts.proof(tables.inbox.add(received, now=NOW))
        assert proof is not None
        assert (proof.entry, proof.size, proof.path, proof.note) == (entry, received.size, received.path, b"note")


def test_an_entry_with_only_the_start_of_the_header_in_it_is_kept_whole(tables: Tables, desk: Desk) -> None:
    header = bytes(range(200))
    for entry in (header[:-1], header[:-1] + b"!", header[:100] * 3):
        received = replace(desk.opened(desk.make("hk-customs")), entry=entry, header=header)
        proof = tables.alerts.proof(tables.inbox.add(received, now=NOW))
        assert proof is not None
        assert proof.entry == entry


def test_alerts_of_one_checkpoint_share_its_note(tables: Tables, desk: Desk) -> None:
    made = [replace(desk.opened(desk.make("hk-customs")), size=7, note=b"the note of 7") for _ in range(3)]
    made.append(replace(desk.opened(desk.make("hk-customs")), size=8, note=b"the note of 8"))
    tables.inbox.add_all(made, now=NOW)
    proofs = [tables.alerts.proof(number) for number in (1, 2, 3, 4)]
    assert [proof.note if proof else None for proof in proofs] == [b"the note of 7"] * 3 + [b"the note of 8"]


def test_those_that_are_here_are_known_by_their_place(tables: Tables, desk: Desk) -> None:
    alert, mine = desk.received(index=7), desk.sent()
    wanted = [parse_id(alert.id), parse_id(mine.id), bytes(16)]
    assert tables.inbox.known(wanted) == {parse_id(alert.id): 7}
    assert tables.inbox.known([]) == {}


def test_a_recall_and_its_original_in_one_commit_count_in_either_order(tables: Tables, desk: Desk) -> None:
    for turned in (False, True):
        original = desk.make("hk-customs")
        recall = desk.make(
            "hk-customs", kind="recall", recall={"reason": "x"}, relation={"type": "recall", "alert": original.id}
        )
        other = desk.make(
            "au-abf", kind="recall", recall={"reason": "x"}, relation={"type": "recall", "alert": original.id}
        )
        both = [desk.opened(alert) for alert in (original, recall, other)]
        tables.inbox.add_all(both[::-1] if turned else both, now=NOW)
        assert tables.alerts.find(original.id).recalled_by == parse_id(recall.id)
        told = [e.data for e in tables.events.after(0) if e.type == "state" and e.data["alert"] == original.id]
        assert [data["state"] for data in told] == ["recalled"]
