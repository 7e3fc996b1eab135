from __future__ import annotations

import pytest

from nodes.store.database import Tables
from schemas.alert.document import Alert
from schemas.ids import parse_id
from tests.unit.nodes.store.conftest import Desk


def correction(desk: Desk, alert: Alert, index: int, sender: str = "hk-customs") -> Alert:
    about = {"type": "correct", "alert": alert.id}
    return desk.received(sender, index=index, kind="correction", correction={"reason": "x"}, relation=about)


def corrected_by(tables: Tables, alert: Alert) -> bytes | None:
    return tables.alerts.find(alert.id).corrected_by


@pytest.mark.parametrize("places", [(10, 20), (20, 10)], ids=["in order", "the urgent one first"])
def test_the_newest_correction_in_the_log_counts(tables: Tables, desk: Desk, places: tuple[int, int]) -> None:
    alert = desk.received(index=5)
    made = {place: correction(desk, alert, place) for place in places}
    assert corrected_by(tables, alert) == parse_id(made[20].id)


def test_corrections_that_came_first_count_when_the_alert_comes(tables: Tables, desk: Desk) -> None:
    alert = desk.make("hk-customs")
    made = {place: correction(desk, alert, place) for place in (20, 10)}
    desk.take(alert, index=5)
    assert corrected_by(tables, alert) == parse_id(made[20].id)


def test_nobody_corrects_the_alert_of_another(tables: Tables, desk: Desk) -> None:
    alert = desk.received(index=5)
    correction(desk, alert, 10, "au-abf")
    assert corrected_by(tables, alert) is None
