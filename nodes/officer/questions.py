"""Ask a person at the terminal. Questions go to standard error, so that the answer of a command can still be piped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from nodes.officer.messages import say

Check = Callable[[str], str]
"""Takes an answer and returns its canonical form, or raises `Unacceptable`."""


class Unacceptable(Exception):
    """An answer that has to be given again; the message says what is wrong, `better` is what was probably meant."""

    def __init__(self, message: str, *, better: str | None = None) -> None:
        super().__init__(message)
        self.better = better


def at_terminal() -> bool:
    """True when somebody can be asked: both ends are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _strong(text: str) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, bold=True)


def ask_line(question: str, *, default: str = "", optional: bool = False, check: Check | None = None) -> str:
    """Ask until the answer is acceptable. Enter alone takes `default`, or leaves an optional answer empty."""
    while True:
        shown = _strong(question) + (f" [{default}]" if default else " (optional)" if optional else "")
        answer = click.prompt(shown, default=default, show_default=False, err=True).strip()
        if not answer:
            if optional:
                return ""
            say("  An answer is needed here.")
            continue
        if check is None:
            return answer
        try:
            return check(answer)
        except Unacceptable as reason:
            say(f"  {reason}")
            if reason.better and click.confirm(f"  Do you mean {reason.better}?", default=True, err=True):
                return reason.better


def ask_choice(question: str, choices: tuple[str, ...], *, default: str) -> str:
    """Ask for one of a few words; an unambiguous beginning is enough."""

    def check(answer: str) -> str:
        meant = [word for word in choices if word == answer.lower()] or [
            word for word in choices if word.startswith(answer.lower())
        ]
        if len(meant) != 1:
            raise Unacceptable(f"Answer one of: {', '.join(choices)}.")
        return meant[0]

    return ask_line(f"{question} ({', '.join(choices)})", default=default, check=check)


def ask_prose(question: str, *, optional: bool = False) -> str:
    """Ask for text of any number of lines; an empty line ends it."""
    while True:
        how = "optional; an empty line ends it" if optional else "an empty line ends it"
        click.echo(f"{_strong(question)} ({how})", err=True)
        lines: list[str] = []
        while line := click.prompt(">", default="", show_default=False, prompt_suffix=" ", err=True).rstrip():
            lines.append(line)
        text = "\n".join(lines).strip()
        if text or optional:
            return text
        say("  An answer is needed here.")
