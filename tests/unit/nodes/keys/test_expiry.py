from __future__ import annotations

import pytest

from nodes.keys.expiry import ALARMS, URGENT, Ending, alarms, endings, last_end, step
from tests.support.directory import DAY_MS, NOW, make_world, record

ME = "sg-cnb"


@pytest.mark.parametrize(
    ("ahead", "code"),
    [
        (30 * DAY_MS + 1, None),
        (30 * DAY_MS, "ends-in-30-days"),
        (7 * DAY_MS + 1, "ends-in-30-days"),
        (7 * DAY_MS, "ends-in-7-days"),
        (DAY_MS + 1, "ends-in-7-days"),
        (DAY_MS, "ends-in-1-day"),
        (1, "ends-in-1-day"),
        (0, "ended"),
        (-DAY_MS, "ended"),
    ],
)
def test_each_step_comes_on_its_day(ahead: int, code: str | None) -> None:
    found = step(NOW + ahead, NOW)
    assert (None if found is None else found[0]) == code


def test_all_that_an_agency_stands_on() -> None:
    found = endings(make_world().directory, ME, NOW + 3 * DAY_MS, NOW)
    assert [ending.what for ending in found] == [
        "the TLS certificate",
        "the sealing key",
        "the signing key",
        "the directory's root metadata",
        "the directory's sg-cnb metadata",
        "the directory's targets metadata",
    ]
    assert all(ending.hint for ending in found)


def test_without_a_directory_the_certificate_counts() -> None:
    assert [ending.what for ending in endings(None, ME, NOW, NOW)] == ["the TLS certificate"]
    assert endings(None, ME, None, NOW) == []


def test_the_last_key_that_is_in_use_decides() -> None:
    keys = [record(b"a", ends=NOW + DAY_MS), record(b"b", ends=NOW + 9 * DAY_MS)]
    assert last_end(keys, NOW) == (NOW + 9 * DAY_MS) // 1000 * 1000
    assert last_end([record(b"c", starts=NOW + DAY_MS)], NOW) is None
    assert last_end([record(b"a", ends=NOW - DAY_MS)], NOW) == (NOW - DAY_MS) // 1000 * 1000


def test_alarms_gather_what_ends_in_the_same_step() -> None:
    found = [Ending("a", NOW, "Do A."), Ending("b", NOW + 5 * DAY_MS, "Do B."), Ending("c", NOW + 6 * DAY_MS, "Do B.")]
    assert alarms([*found, Ending("d", NOW + 99 * DAY_MS, "")], NOW) == {
        "ended": ("a has ended (2026-09-21)", "Do A."),
        "ends-in-7-days": ("b ends within 7 days (2026-09-26); c ends within 7 days (2026-09-27)", "Do B."),
    }
    assert URGENT < ALARMS
