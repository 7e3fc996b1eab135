"""How wide the columns of a table are, and text cut to fit, in terminal cells: a CJK character takes two."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from nodes.officer.screen import GAP, Column

NARROWEST = 12
"""A stretching column is not made narrower than this; rather the line gets too long."""

_CONSOLE = Console(width=80, color_system=None)


def fit(columns: Sequence[Column], rows: Sequence[Sequence[int]], room: int) -> list[int]:
    """Widths for `columns` in `room` cells, given the width of every cell; firm ones as they need, the rest shared."""
    natural = [max(cell_len(column.title), *(row[number] for row in rows)) for number, column in enumerate(columns)]
    loose = {number for number, column in enumerate(columns) if column.stretch}
    left = room - GAP * (len(columns) - 1) - sum(width for number, width in enumerate(natural) if number not in loose)
    for number in sorted(loose, key=lambda number: natural[number]):
        share = max(NARROWEST, left // len(loose))
        natural[number] = min(natural[number], share)
        left -= natural[number]
        loose.discard(number)
    return natural


def shortened(text: Text, width: int, *, lines: int) -> Text:
    """`text` wrapped to `width`, at most so many lines; what is left out shows as an ellipsis."""
    if text.cell_len <= width:
        return text
    wrapped = list(text.wrap(_CONSOLE, width))
    if len(wrapped) <= lines and lines > 1:
        return text
    kept = wrapped[: lines - 1]
    rest = Text("").join(wrapped[lines - 1 :])
    rest.truncate(width, overflow="ellipsis")
    return Text("\n").join([*kept, rest])
