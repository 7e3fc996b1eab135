from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from nodes.officer.screen import GAP, Column
from nodes.officer.widths import NARROWEST, fit, shortened


def test_firm_columns_get_what_they_need_and_the_others_share_the_rest() -> None:
    columns = [Column("Id"), Column("To", stretch=True), Column("Title", stretch=True), Column("Age")]
    assert fit(columns, [[8, 5, 90, 9], [8, 12, 200, 9]], 80) == [8, 12, 80 - 8 - 12 - 9 - 3 * GAP, 9]
    assert fit(columns, [[8, 5, 10, 9]], 80) == [8, 5, 10, 9]
    assert fit(columns, [[8, 50, 50, 9]], 30) == [8, NARROWEST, NARROWEST, 9]


@given(st.lists(st.lists(st.integers(0, 300), min_size=4, max_size=4), min_size=1), st.integers(60, 250))
def test_a_table_fits_whenever_its_firm_columns_do(rows: list[list[int]], room: int) -> None:
    columns = [Column("State"), Column("From"), Column("Title", stretch=True), Column("Reason", stretch=True)]
    widths = fit(columns, rows, room)
    firm = sum(max(len(columns[n].title), *(row[n] for row in rows)) for n in (0, 1))
    assert all(width > 0 for width in widths)
    if firm + 2 * NARROWEST + 3 * GAP <= room:
        assert sum(widths) + 3 * GAP <= room


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"])), st.integers(4, 60), st.integers(1, 2))
def test_shortened_text_keeps_to_its_lines_and_shows_that_something_is_missing(
    text: str, width: int, lines: int
) -> None:
    result = shortened(Text(text), width, lines=lines)
    shown = list(result.wrap(Console(width=80), width))
    assert len(shown) <= lines
    assert all(line.cell_len <= width for line in shown)
    if result.plain.rstrip() != text.rstrip():
        assert result.plain.endswith("…")
