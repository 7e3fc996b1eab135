"""What is said to the person beside the answer of a command: on standard error, harmless, wrapped between words."""

from __future__ import annotations

import shutil
import sys
import textwrap

import click

from nodes.officer.visible import visible_lines


def say(text: str, *, indent: int = 0) -> None:
    """Say `text`; on a terminal its lines are wrapped, and go on `indent` columns further in."""
    lines = visible_lines(text)
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        lines = [part for line in lines for part in _wrapped(line, width, indent)]
    for line in lines:
        click.echo(line, err=True)


def _wrapped(line: str, width: int, indent: int) -> list[str]:
    margin = line[: len(line) - len(line.lstrip(" "))]
    wrapper = textwrap.TextWrapper(
        width,
        initial_indent=margin,
        subsequent_indent=margin + " " * indent,
        break_on_hyphens=False,  # a command or an agency's id is copied whole
        replace_whitespace=False,
    )
    return wrapper.wrap(line.strip(" ")) or [""]
