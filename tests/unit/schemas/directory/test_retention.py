"""The right to delete: by the period, or by the governors' order, and not a millisecond before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.directory.documents import DirectoryDocument, PurgeOrder
from schemas.directory.retention import Right, right_to_purge
from schemas.errors import Retained
from schemas.limits import DAY_MS
from tests.support.directory import NOW, PLENTY, make_world

ALERT, OTHER = "01a2f7e4-0000-7000-8000-000000000001", "01a2f7e4-0000-7000-8000-000000000002"


@pytest.fixture
def document() -> DirectoryDocument:
    made = make_world(publish=False).document
    orders = {ALERT: PurgeOrder(ALERT, "Order 12/2026")}
    return replace(made, limits=replace(PLENTY, retention_days=7), purges=orders)


def test_after_its_retention_a_body_may_go_and_nobody_need_approve(document: DirectoryDocument) -> None:
    assert right_to_purge(document, OTHER, NOW, NOW + 7 * DAY_MS) == Right("retention", ())
    with pytest.raises(Retained, match="another 1 ms"):
        right_to_purge(document, OTHER, NOW, NOW + 7 * DAY_MS - 1)


def test_an_order_gives_the_right_at_once_and_for_that_alert_alone(document: DirectoryDocument) -> None:
    assert right_to_purge(document, ALERT, NOW + DAY_MS, NOW) == Right("Order 12/2026", ("governors",))
    with pytest.raises(Retained) as refused:
        right_to_purge(document, OTHER, NOW, NOW)
    assert refused.value.context["due"] == NOW + 7 * DAY_MS


def test_what_was_ordered_and_is_over_anyhow_goes_by_the_rule(document: DirectoryDocument) -> None:
    assert right_to_purge(document, ALERT, NOW, NOW + 7 * DAY_MS) == Right("retention", ())
