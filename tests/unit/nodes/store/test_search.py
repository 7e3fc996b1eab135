from __future__ import annotations

import pytest

from nodes.store.database import Tables
from tests.unit.nodes.store.conftest import Desk


def titles(tables: Tables, query: str, **wanted: int) -> list[str]:
    return [row.title for row in tables.alerts.search(query, **wanted)]


@pytest.mark.parametrize("indexed", range(5))
def test_what_is_not_in_the_index_yet_is_found_as_well(tables: Tables, desk: Desk, indexed: int) -> None:
    for number in range(2):
        desk.received(title=f"received {number}", narrative="Seven drums of lantern oil.")
        desk.sent(title=f"sent {number}", narrative="Seven drums of lantern oil.")
    assert tables.search.extend(indexed) == indexed
    assert tables.search.pending() == 4 - indexed
    assert titles(tables, "lantern") == ["sent 1", "received 1", "sent 0", "received 0"]
    assert len(titles(tables, "seven lan", limit=3)) == 3
    assert titles(tables, "sent 1") == ["sent 1"]
    assert titles(tables, "nowhere") == []


def test_the_index_is_extended_in_order_and_each_alert_once(tables: Tables, desk: Desk) -> None:
    for number in range(5):
        desk.received(title=f"alert {number}")
    assert [tables.search.extend(2) for _ in range(4)] == [2, 2, 1, 0]
    assert tables.search.pending() == 0
    assert titles(tables, "alert") == [f"alert {number}" for number in (4, 3, 2, 1, 0)]
    desk.received(title="alert 5")
    assert tables.search.pending() == 1
    assert titles(tables, "alert")[0] == "alert 5"


def test_accents_and_case_do_not_matter_before_nor_after(tables: Tables, desk: Desk) -> None:
    desk.received(title="Señal de Alarma")
    before = titles(tables, "senal alarma")
    tables.search.extend(9)
    assert before == titles(tables, "SENAL alarma") == ["Señal de Alarma"]
