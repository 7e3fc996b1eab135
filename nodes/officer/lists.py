"""Lists of alerts: received, sent, found; and who holds one that was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import click

from nodes.officer import words
from nodes.officer.completing import alert_ids, complete_agencies, complete_operations
from nodes.officer.screen import PIPED_ONLY, Cell, Column, Screen
from nodes.officer.settings import Settings, command
from nodes.officer.when import age, clock, iso, now_ms
from schemas.alert.codes import Kind

Summary = Mapping[str, Any]

LIMIT = 25
"""Alerts in a list unless told otherwise: what one screen shows."""

_limit = click.option("--limit", type=click.IntRange(1, 1000), default=LIMIT, show_default=True, help="How many.")
_before = click.option("--before", metavar="ID", shell_complete=alert_ids, help="Only those older than this one.")
_kind = click.option("--kind", type=click.Choice(get_args(Kind)), metavar="KIND", help="Only this kind, such as watch.")
_operation = click.option(
    "--operation", metavar="NAME", shell_complete=complete_operations, help="Only those of this operation."
)


@command("inbox")
@click.option(
    "--state",
    type=click.Choice(["unread", "read", "actioned", "all"]),
    default="all",
    show_default=True,
    help="Only alerts you have not read, have read, or have acted on.",
)
@click.option("--from", "sender", metavar="AGENCY", shell_complete=complete_agencies, help="Only from this agency.")
@_kind
@_operation
@_limit
@_before
def inbox(
    settings: Settings,
    *,
    state: Any,
    sender: str | None,
    kind: str | None,
    operation: str | None,
    limit: int,
    before: str | None,
) -> None:
    """List the alerts received, newest first.

    Piped, each line holds, separated by tabs: state, id, precedence, sender, kind, title, time received (UTC).
    """
    answer = settings.node().inbox(
        state=state, sender=sender, kind=kind, operation=operation, limit=limit, before=before
    )
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    nothing = "No alerts." if state == "all" else f"No {state} alerts."
    _list_received(screen, answer["alerts"], empty=nothing)
    _say_more(screen, "inbox", answer["alerts"], limit)


@command("sent")
@click.argument("alert", required=False, metavar="[ID]", shell_complete=alert_ids)
@_kind
@_operation
@_limit
@_before
def sent(
    settings: Settings, *, alert: str | None, kind: str | None, operation: str | None, limit: int, before: str | None
) -> None:
    """List the alerts sent, newest first; with an ID, what each recipient has done with that one.

    Piped, each line of the list holds, separated by tabs: state, id, precedence, address, kind, title, what the
    recipients have done, time sent (UTC). With an ID: agency, state, time (UTC), officer, reason.
    """
    screen = settings.screen()
    if alert is not None:
        from nodes.officer.recipients import show_recipients

        show_recipients(screen, settings.node().alert(alert))
        return
    answer = settings.node().sent(kind=kind, operation=operation, limit=limit, before=before)
    if screen.as_json:
        screen.data(answer)
        return
    _list_sent(screen, answer["alerts"])
    _say_more(screen, "sent", answer["alerts"], limit)


@command("search")
@click.argument("query", nargs=-1, required=True, metavar="WORDS...")
@_limit
def search(settings: Settings, query: tuple[str, ...], limit: int) -> None:
    """Find alerts, sent or received, that contain all WORDS: titles, narratives, numbers, names.

    Piped, each line holds, separated by tabs: in or out, state, id, precedence, sender, kind, title, time (UTC).
    """
    answer = settings.node().search(" ".join(query), limit=limit)
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    columns = [Column("Way"), *_RECEIVED]
    now = now_ms()
    rows = [[Cell(str(alert["direction"])), *_received(alert, now)] for alert in answer["alerts"]]
    screen.table(columns, rows, empty=f"Nothing contains {' '.join(query)}.")


_RECEIVED = [
    Column("State"),
    Column("Id"),
    Column("Precedence"),
    Column("From"),
    Column("Kind", from_width=96),
    Column("Title", stretch=True),
    Column("Age"),
    Column("Local time", from_width=110, drawn_only=True),
]


def _list_received(screen: Screen, alerts: Sequence[Summary], *, empty: str) -> None:
    now = now_ms()
    screen.table(_RECEIVED, [_received(alert, now) for alert in alerts], empty=empty)


def _received(alert: Summary, now: int) -> list[Cell]:
    then = alert.get("received") or alert.get("composed")
    state = words.state(words.state_word(alert))
    return [
        state,
        Cell(str(alert["short"]), piped=str(alert["id"])),
        words.precedence(alert["precedence"]),
        Cell(alert["sender"]),
        Cell(alert["kind"]),
        Cell(words.title(alert), "strong" if state.text == "unread" else ""),
        Cell(age(then, now), piped=iso(then)),
        Cell(clock(then, now)),
    ]


def _list_sent(screen: Screen, alerts: Sequence[Summary]) -> None:
    now = now_ms()
    columns = [
        Column("State"),
        Column("Id"),
        Column("Precedence", from_width=96),
        Column("To", stretch=True),
        Column("Kind", from_width=110),
        Column("Title", stretch=True),
        Column("Held by", drawn_only=True),
        Column("Read by", from_width=96, drawn_only=True),
        Column("Recipients", from_width=PIPED_ONLY),
        Column("Age"),
    ]
    rows = [
        [
            words.state(words.state_word(alert)),
            Cell(str(alert["short"]), piped=str(alert["id"])),
            words.precedence(alert["precedence"]),
            Cell(", ".join(alert["to"])),
            Cell(alert["kind"]),
            Cell(words.title(alert)),
            words.held(alert, now),
            Cell(words.read(alert)),
            Cell(words.counts(alert)),
            Cell(age(alert["composed"], now), piped=iso(alert["composed"])),
        ]
        for alert in alerts
    ]
    screen.table(columns, rows, empty="Nothing sent yet. Start with `bearing send`.")


def _say_more(screen: Screen, name: str, alerts: Sequence[Summary], limit: int) -> None:
    if screen.terminal and len(alerts) == limit:
        screen.note(f"\nOlder ones: bearing {name} --before {alerts[-1]['short']}")
