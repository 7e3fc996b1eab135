"""What is said after an alert was handed to the node, or would have been."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nodes.officer import words
from nodes.officer.failure import REFUSED, say_problems
from nodes.officer.partners import show_resolution
from nodes.officer.recipients import refusal_words
from nodes.officer.screen import Cell, Screen
from nodes.officer.settings import Settings
from nodes.officer.when import now_ms

if TYPE_CHECKING:
    from nodes.client import NodeClient

SHORT = 8
"""Hex digits of an id that a person is shown: its random end, as lists show it."""

PATIENCE = 3.0
"""Seconds a person waits, unless told otherwise, to see the alert enter the log; it usually takes a fraction of one."""

_PAUSE = 0.05
"""Seconds between two looks."""

wait_option = click.option(
    "--wait",
    type=click.FloatRange(min=0, max=3600),
    metavar="SECONDS",
    help=f"How long to wait until it is in the log. [default: {PATIENCE:g} at a terminal, else 0]",
)


def deliver(
    settings: Settings, send: Callable[[NodeClient], dict[str, Any]], *, dry_run: bool, wait: float | None
) -> None:
    """Hand an alert to the node by `send` and say what became of it; the exit code is 4 if the hub refused it."""
    node, screen = settings.node(), settings.screen()
    answer = send(node)
    if dry_run:
        _show_dry_run(screen, answer)
        return
    patience = (PATIENCE if screen.terminal else 0.0) if wait is None else wait
    found = _settled(node, answer["id"], patience)
    answer |= {name: found[name] for name in ("state", "index", "refusal", "waits") if found.get(name) is not None}
    _show(screen, answer)
    if answer["state"] == "refused":
        raise click.exceptions.Exit(REFUSED)


def _settled(node: NodeClient, alert: str, patience: float) -> dict[str, Any]:
    """The alert once the hub has answered, or as it is when patience ends."""
    end = time.monotonic() + patience
    found: dict[str, Any] = {}
    while time.monotonic() < end:
        found = node.alert(alert)
        if found["state"] != "waiting":
            break
        time.sleep(_PAUSE)
    return found


def _show_dry_run(screen: Screen, answer: dict[str, Any]) -> None:
    if screen.as_json:
        screen.data(answer)
        return
    show_resolution(screen, answer)
    say_problems(answer.get("warnings", ()))
    screen.note("Nothing was sent.")


def _show(screen: Screen, answer: dict[str, Any]) -> None:
    if screen.as_json:
        screen.data(answer)
        return
    say_problems(answer.get("warnings", ()))
    state, recipients = answer["state"], answer["recipients"]
    if not screen.terminal:
        screen.record([Cell(answer["id"]), Cell(state), Cell(",".join(recipients))])
        return
    short, reach = answer["id"][-SHORT:], words.count(len(recipients), "agency", "agencies")
    if state == "refused":
        screen.line(f"Alert {short} was not sent.", "bad")
        screen.line(refusal_words(answer.get("refusal") or {"code": "unknown"}), "bad")
        return
    if state == "withdrawn":
        screen.line(f"Alert {short} had not left this node. It is taken back, and nobody was told of it.", "good")
        return
    if state == "waiting":
        put_off = words.put_off(answer, now_ms())
        why = f" ({put_off})" if put_off else ""
        screen.line(f"Alert {short} waits in the outbox{why} and goes out by itself, to {reach}:", "warn")
    else:
        screen.line(f"Alert {short} is in the log at index {answer.get('index')} and goes to {reach}:", "good")
    screen.prose(", ".join(recipients))
    screen.note(f"See who holds it: bearing sent {short}")
