from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from nodes.officer import when

NOON = 1_795_406_400_000  # 23 Nov 2026 04:00 UTC: noon in Singapore
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture(autouse=True)
def singapore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Singapore")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (0, "just now"),
        (59_999, "just now"),
        (-59_999, "just now"),
        (3 * MINUTE, "3 min ago"),
        (2 * HOUR, "2 h ago"),
        (11 * HOUR, "11 h ago"),  # yesterday by the calendar, this morning to the officer
        (13 * HOUR, "yesterday"),
        (DAY, "yesterday"),
        (2 * DAY, "2 days ago"),
        (6 * DAY, "6 days ago"),
        (7 * DAY, "16 Nov"),
        (360 * DAY, "28 Nov 2025"),
        (-5 * MINUTE, "in 5 min"),
        (-3 * DAY, "in 3 days"),
    ],
)
def test_age_in_words(passed: int, words: str) -> None:
    assert when.age(NOON - passed, NOON) == words


@pytest.mark.parametrize(
    ("passed", "shown"), [(HOUR, "11:00"), (13 * HOUR, "22 Nov 23:00"), (360 * DAY, "28 Nov 2025 12:00")]
)
def test_clock_time_is_local_and_dated_when_not_today(passed: int, shown: str) -> None:
    assert when.clock(NOON - passed, NOON) == shown


def test_full_time_names_its_zone() -> None:
    assert when.full(NOON) == "Mon 23 Nov 2026 12:00:00 +08"


def test_other_programs_get_utc() -> None:
    assert when.iso(NOON + 999) == "2026-11-23T04:00:00Z"


def test_no_time_is_no_text() -> None:
    assert [when.age(None, NOON), when.clock(None, NOON), when.full(None), when.iso(None)] == [""] * 4


def test_now_is_in_milliseconds() -> None:
    assert abs(when.now_ms() - time.time() * 1000) < 1000


@pytest.mark.parametrize("then", [when.LATEST + 1, 253_402_300_799_999, (1 << 48) - 1])
def test_a_time_beyond_the_calendar_does_not_keep_an_alert_from_being_shown(then: int) -> None:
    assert when.full(then) == when.full(when.LATEST)
    assert when.iso(then) == "9999-12-30T00:00:00Z"
    assert when.clock(then, NOON) == "30 Dec 9999 08:00"
    assert when.age(then, NOON).startswith("in ")
