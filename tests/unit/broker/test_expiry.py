from __future__ import annotations

from pathlib import Path

import pytest

from broker.expiry import ExpiryWatch, stage
from tests.support.directory import DAY_MS, EXPIRES, NOW, make_world
from tests.support.hub import TestClock, new_hub, running_hub

EXPIRES_MS = int(EXPIRES.timestamp()) * 1_000


@pytest.mark.parametrize(
    ("days", "expected"),
    [(40, None), (30.01, None), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0.1, 1), (0, 0), (-3, 0)],
)
def test_the_stages_of_expiry(days: float, expected: int | None) -> None:
    assert stage(NOW + int(days * DAY_MS), NOW) == expected


async def test_the_hub_warns_once_at_each_stage_and_shows_the_days(tmp_path: Path) -> None:
    clock = TestClock()
    async with running_hub(new_hub(make_world(), tmp_path), clock) as hub:
        watch = ExpiryWatch(hub.exchange)
        assert watch.look() == {}
        seen = []
        for days in (31, 30, 29, 7, 1, 0, -1):
            clock.now = EXPIRES_MS - days * DAY_MS
            warned = watch.look()
            assert len(set(warned.values())) <= 1, "all roles expire on one day here"
            seen.append(sorted(warned) and warned["root"])
        assert seen == [[], 30, [], 7, 1, 0, []]
        clock.now = EXPIRES_MS - 12 * DAY_MS
        watch.look()
        shown = hub.exchange.metrics.expose().decode()
        for role in ("root", "targets", "agencies"):
            assert f'crossbearing_directory_expiry_days{{role="{role}"}} 12.0' in shown
