"""How answers are printed: tables, pages and JSON, each made harmless before it reaches a terminal.

On a terminal a table is drawn; piped it is tab-separated lines without a heading, so that `cut` and `awk` work; with
`--json` it is the node's answer. Answers go to standard output, everything said to a person beside them to standard
error. Colour repeats what a word already says, and only on a terminal where NO_COLOR is not set.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from nodes.officer.messages import say
from nodes.officer.visible import visible, visible_json, visible_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PIPED_WIDTH = 80
"""Columns of a page that does not go to a terminal, unless COLUMNS says otherwise."""

WIDEST_PAGE = 100
"""Prose is hard to read in longer lines, however wide the terminal."""

GAP = 2
"""Spaces between the columns of a table."""

LABELS = 12
"""Columns for the labels of a page, so that its parts line up."""

PIPED_ONLY = 1_000_000
"""The `from_width` of a column that is never drawn."""

_STYLES = {
    "bad": "bold red",
    "warn": "yellow",
    "good": "green",
    "strong": "bold",
    "faint": "dim",
    "red": "bold red",
    "amber": "yellow",
    "green": "green",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    `stretch` gives way first when room is short and then takes two lines; `whole` takes as many as it needs;
    `from_width` leaves the column out on narrower terminals; `drawn_only` leaves it out when piped.
    """

    title: str
    stretch: bool = False
    whole: bool = False
    from_width: int = 0
    drawn_only: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One value: what a person sees, its style, and what another program gets (`piped`) where that differs."""

    text: str
    style: str = ""
    piped: str | None = None


class Screen:
    """Where a command's answer goes. `as_json` turns tables and pages into the data behind them."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.terminal = sys.stdout.isatty()
        self.colour = self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns

    def data(self, value: object, *, compact: bool = False) -> None:
        """Print `value` as JSON; `compact` puts it on one line, as a stream of answers needs it."""
        click.echo(visible_json(value, indent=None if compact else 2))

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, empty: str = "") -> None:
        """Draw a table, or print its rows tab-separated; with no rows say `empty` on standard error."""
        listed = list(rows)
        if not listed:
            if empty:
                self.note(empty)
        elif self.terminal:
            self._draw(columns, listed)
        else:
            for row in listed:
                self._tabbed([cell for column, cell in zip(columns, row, strict=True) if not column.drawn_only])

    def grid(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, empty: str) -> None:
        """A table inside a page, drawn wherever the page goes."""
        listed = list(rows)
        if listed:
            self._draw(columns, listed)
        else:
            self.line(empty)

    def record(self, cells: Sequence[Cell]) -> None:
        """One line of a stream: cells two spaces apart on a terminal, tab-separated when piped."""
        if self.terminal:
            self._print(self._joined(cells), width=self.width)
        else:
            self._tabbed(cells)

    def banner(self, text: str, style: str = "") -> None:
        """A line across the page with `text` in its middle: how a page's marking is shown, first and last."""
        from rich.rule import Rule

        self._print(Rule(self._text(f" {text} ", style), characters="=" if not self.terminal else "━", style=""))

    def heading(self, text: str) -> None:
        """The title of a page or of a part of it."""
        self._print(self._text(text, "strong"))

    def line(self, text: str = "", style: str = "") -> None:
        """One paragraph, wrapped to the page."""
        self._print(self._text(text, style))

    def prose(self, text: str, *, indent: int = 2) -> None:
        """Received text of any number of lines, wrapped and indented."""
        from rich.padding import Padding
        from rich.text import Text

        for line in visible_lines(text):
            self._print(Padding(Text(line), (0, 0, 0, indent)))

    def fields(self, pairs: Iterable[tuple[str, Cell | str]], *, indent: int = 2, labels: int = LABELS) -> None:
        """Label and value beside each other, values wrapped under themselves; empty values are left out.

        `labels` is the least width of the column of labels.
        """
        from rich.padding import Padding
        from rich.table import Table

        cells = [(label, Cell(value) if isinstance(value, str) else value) for label, value in pairs]
        shown = [(label, cell) for label, cell in cells if cell.text]
        if not shown:
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, min_width=labels)
        grid.add_column(overflow="fold")
        for label, cell in shown:
            grid.add_row(self._text(label, "faint"), self._text(cell.text, cell.style))
        self._print(Padding(grid, (0, 0, 0, indent)))

    def note(self, text: str) -> None:
        """Say something to the person at the terminal; never part of the answer."""
        say(text)

    @property
    def _page_width(self) -> int:
        return min(self.width, WIDEST_PAGE)

    @staticmethod
    def _tabbed(cells: Sequence[Cell]) -> None:
        click.echo("\t".join(visible(cell.text if cell.piped is None else cell.piped) for cell in cells))

    def _draw(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        from rich.table import Table

        from nodes.officer.widths import fit, shortened

        kept = [number for number, column in enumerate(columns) if self.width >= column.from_width]
        shown = [columns[number] for number in kept]
        texts = [[self._text(row[number].text, row[number].style) for number in kept] for row in rows]
        widths = fit(shown, [[text.cell_len for text in row] for row in texts], self.width)
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
        for column, width in zip(shown, widths, strict=True):
            table.add_column(
                self._text(column.title, "strong"), width=width, no_wrap=not column.stretch, overflow="fold"
            )
        for row in texts:
            table.add_row(
                *(
                    text if column.whole else shortened(text, width, lines=2 if column.stretch else 1)
                    for text, column, width in zip(row, shown, widths, strict=True)
                )
            )
        self._print(table, width=self.width)

    def _joined(self, cells: Sequence[Cell]) -> Text:
        from rich.text import Text

        return Text("  ").join(self._text(cell.text, cell.style) for cell in cells)

    def _text(self, text: str, style: str) -> Text:
        from rich.text import Text

        return Text(visible(text), style=_STYLES.get(style, ""))

    def _print(self, what: RenderableType, *, width: int | None = None) -> None:
        console = self._console(width or self._page_width)
        with console.capture() as captured:
            console.print(what)
        for line in _without_padding(captured.get()):
            click.echo(line, color=self.colour)

    def _console(self, width: int) -> Console:
        from rich.console import Console

        return Console(
            width=width,
            color_system="standard" if self.colour else None,
            no_color=not self.colour,
            force_terminal=self.colour,
            markup=False,
            emoji=False,
            highlight=False,
        )


def _without_padding(text: str) -> Iterator[str]:
    """The lines of rendered text without the spaces that only fill it up to the width."""
    yield from (line.rstrip(" ") for line in text.removesuffix("\n").split("\n"))
