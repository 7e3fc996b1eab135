"""Watch what happens at the node, as it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from nodes.officer import words
from nodes.officer.outcome import SHORT
from nodes.officer.phrases import joined, phrase
from nodes.officer.recipients import escalation_words, resealed_words
from nodes.officer.screen import Cell, Screen
from nodes.officer.settings import Settings, command
from nodes.officer.when import clock, iso, now_ms
from schemas.errors import NotReady, Unreachable

_STYLES = {"alarm": "bad", "escalation": "bad", "overdue": "bad", "alert": "strong", "link": "warn"}
_ENVELOPE = {"seq", "type", "time"}


@command("follow")
@click.option(
    "--after", type=click.IntRange(min=0), metavar="SEQ", help="Begin behind this event instead of with what is new."
)
@click.option(
    "--retry-seconds",
    type=click.FloatRange(min=0, max=3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause between attempts to reach a node that stopped.",
)
@click.option("--once", is_flag=True, help="End, with exit code 5, when the node stops, instead of waiting for it.")
def follow(settings: Settings, after: int | None, retry_seconds: float, once: bool) -> None:
    """Watch alerts, receipts, alarms and the connection as they happen, until Ctrl-C.

    Piped, each line holds, separated by tabs: number of the event, time (UTC), type, what happened.
    """
    screen = settings.screen()
    if screen.terminal and not screen.as_json:
        screen.note("Watching; Ctrl-C ends it.")
    try:
        for event in _events(settings, screen, after, None if once else retry_seconds):
            _show(screen, event)
    except KeyboardInterrupt:
        screen.note("")


def _events(settings: Settings, screen: Screen, after: int | None, pause: float | None) -> Iterator[dict[str, Any]]:
    """Events without a gap, across restarts of the node; `Unreachable` if it is not there to begin with."""
    node, began = settings.node(), False
    while True:
        try:
            for event in node.events(after=after):
                began, after = True, event["seq"]
                yield event
            began = True  # an orderly end of the stream, even of a silent one, shows that the node was there
        except (NotReady, Unreachable):
            if not began or pause is None:
                raise
        else:
            if pause is None:
                raise Unreachable("the node stopped", hint="Start it again, or leave out --once to wait for it.")
            screen.note("The node stopped; waiting for it to come back.")
        time.sleep(pause)


def _show(screen: Screen, event: dict[str, Any]) -> None:
    if screen.as_json:
        screen.data(event, compact=True)
        return
    kind = str(event.get("type", "event"))
    then = event.get("time")
    cells = [
        Cell(clock(then, now_ms()), "faint", piped=iso(then)),
        Cell(kind.ljust(10), _STYLES.get(kind, ""), piped=kind),
        Cell(_said(kind, event)),
    ]
    screen.record(cells if screen.terminal else [Cell(str(event["seq"])), *cells])


def _said(kind: str, event: dict[str, Any]) -> str:
    short = str(event.get("alert") or "")[-SHORT:]
    code = f" [{event['code']}]" if event.get("code") else ""
    state = phrase(event.get("state"))
    if kind == "alert":
        titled = words.title(event) if event.get("title") else ""
        sender = f"from {event.get('sender', 'unknown')}"
        return joined([short, phrase(event.get("precedence")), phrase(event.get("kind")), sender, titled], "  ")
    if kind == "receipt":
        officer = f" ({event['officer']})" if event.get("officer") else ""
        return f"{short}  {event.get('agency', 'unknown')}{officer}: {state}{code}"
    if kind == "state":
        changed = resealed_words(event) if event.get("directory") else ""
        never = f", never had by {phrase(event['agencies'])}" if event.get("agencies") else ""
        said = f"{short}  {'sent' if event.get('direction') == 'out' else 'received'}: {state}{never}{code}"
        return joined([said, changed], "; ")
    if kind == "escalation":
        return f"{short}  {event.get('agency', 'unknown')}: {escalation_words(event)}"
    if kind == "overdue":
        line = f"; telephone {event['telephone']}" if event.get("telephone") else "; telephone"
        return f"{short}  not stored by {event.get('agency', 'unknown')} in time{line}"
    message = phrase(event.get("message"))
    if kind == "link":
        return joined(["connected" if event.get("connected") else "disconnected", message], ": ") + code
    if kind == "alarm":
        return ("over: " if event.get("cleared") else "") + message + code
    return joined(f"{key} {phrase(value)}" for key, value in event.items() if key not in _ENVELOPE and phrase(value))
