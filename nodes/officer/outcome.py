"""What is said after an alert was handed to the node, or would have been."""

from __future__ import annotations

from typing import Any

from nodes.officer import words
from nodes.officer.failure import say_problems
from nodes.officer.partners import show_resolution
from nodes.officer.screen import Cell, Screen

SHORT = 8
"""Hex digits of an id that a person is shown: its random end, as lists show it."""


def show_outcome(screen: Screen, answer: dict[str, Any], *, dry_run: bool) -> None:
    """The node's answer to a send: who receives it, warnings, and where to look next."""
    if screen.as_json:
        screen.data(answer)
        return
    if dry_run:
        show_resolution(screen, answer)
        say_problems(answer.get("warnings", ()))
        screen.note("Nothing was sent.")
        return
    say_problems(answer.get("warnings", ()))
    recipients = answer["recipients"]
    if not screen.terminal:
        screen.record([Cell(answer["id"]), Cell(answer["state"]), Cell(",".join(recipients))])
        return
    short = answer["id"][-SHORT:]
    screen.line(f"Alert {short} is on its way to {words.count(len(recipients), 'agency', 'agencies')}:", "good")
    screen.prose(", ".join(recipients))
    screen.note(f"See who holds it: bearing sent {short}")
