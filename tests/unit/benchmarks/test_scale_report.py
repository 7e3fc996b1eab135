from __future__ import annotations

from benchmarks.scale.report import Series, page, table
from benchmarks.usage import parse_memory
from benchmarks.world import agency_names
from schemas.ids import check_agency_id


def test_a_table_has_medians_spreads_and_the_growth_of_each_column() -> None:
    rows: dict[float, list[tuple[float, ...]]] = {
        1_000: [(10.0, 0.0), (12.0, 0.0), (11.0, 0.0)],
        1_000_000: [(22.0, 5.0), (22.0, 5.0), (1_200.0, 5.0)],
    }
    lines = table(Series("Title", "entries", ("a", "b"), rows)).splitlines()
    assert lines[4] == "| entries | a | b |"
    assert lines[6] == "| 1,000 | 11 (10\u201312) | 0 (0\u20130) |"
    assert lines[7] == "| 1,000,000 | 22 (22\u20131,200) | 5 (5\u20135) |"
    assert lines[8] == "| last ÷ first | 2.00 | \u2013 |"


def test_one_place_has_no_growth() -> None:
    assert "÷" not in table(Series("Title", "entries", ("a",), {1: [(0.25,)]}))


def test_memory_is_read_as_the_kernel_writes_it() -> None:
    lines = ("7f00-7f01 ---p 00000000 00:00 0    [rollup]", "Rss: 100 kB", "Pss: 80 kB", "Pss_Dirty: 70 kB")
    text = "\n".join((*lines, "Private_Dirty: 60 kB", ""))
    found = parse_memory(text)
    assert (found.rss, found.pss, found.own) == (102_400, 81_920, 61_440)


def test_there_are_names_for_three_hundred_agencies_and_a_sender() -> None:
    names = agency_names(301)
    assert len(set(map(check_agency_id, names))) == 301
    assert names == sorted(names)


def test_under_each_table_stands_how_often_it_was_measured() -> None:
    often = Series("Often", "entries", ("us",), {1: [(1.0,), (2.0,)]})
    once = Series("Once", "entries", ("us",), {1: [(1.0,)]})
    assert [line for line in page([often, once], "two cores").splitlines() if line.startswith("two cores")] == [
        "two cores; medians (least–most) of 2 rounds.",
        "two cores; one round.",
    ]
