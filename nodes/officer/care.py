"""What needs a look now and then: deliveries to handlers that were given up, and what arrived but failed a check."""

from __future__ import annotations

from typing import Any

import click

from nodes.officer.screen import Cell, Column, Screen
from nodes.officer.settings import OfficerGroup, Settings, command, pass_settings
from nodes.officer.when import age, iso, now_ms


@click.group("dead-letters", cls=OfficerGroup, invoke_without_command=True)
@click.pass_context
def dead_letters(context: click.Context) -> None:
    """Deliveries to handlers (commands, webhooks, folders) that were given up after the last retry."""
    if context.invoked_subcommand is None:
        context.invoke(list_dead_letters)


@dead_letters.command("list")
@pass_settings
def list_dead_letters(settings: Settings) -> None:
    """List them, with the reason each was given up.

    Piped, each line holds, separated by tabs: number, handler, id of the alert, attempts, reason, time (UTC).
    """
    answer = settings.node().dead_letters()
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    columns = [
        Column("No."),
        Column("Handler"),
        Column("Alert"),
        Column("Attempts"),
        Column("Reason", stretch=True, whole=True),
        Column("Age"),
    ]
    now = now_ms()
    rows = [
        [
            Cell(str(letter["number"])),
            Cell(letter["handler"]),
            Cell(str(letter["alert"])[-8:], piped=letter["alert"]),
            Cell(str(letter["attempts"])),
            Cell(letter["error"] or ""),
            Cell(age(letter["time"], now), piped=iso(letter["time"])),
        ]
        for letter in answer["dead_letters"]
    ]
    screen.table(columns, rows, empty="No dead letters: every handler took what it was given.")
    if screen.terminal and rows:
        screen.note("\nTry one again: bearing dead-letters retry NO")


@dead_letters.command("retry")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(min=1), metavar="NO...")
@pass_settings
def retry(settings: Settings, numbers: tuple[int, ...]) -> None:
    """Hand these to their handlers again."""
    node, screen = settings.node(), settings.screen()
    answers = []
    for number in numbers:
        answers.append(node.retry_dead_letter(number))
        screen.note(f"Number {number} will be tried again.")
    if screen.as_json:
        screen.data({"retried": answers})


@command("quarantine")
def quarantine(settings: Settings) -> None:
    """List what arrived and failed a check. It is never shown as an alert; its sender has been told.

    Piped, each line holds, separated by tabs: index in the log, sender, code, step, reason, time (UTC).
    """
    answer = settings.node().quarantine()
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    _list_quarantine(screen, answer["quarantine"])


def _list_quarantine(screen: Screen, items: list[dict[str, Any]]) -> None:
    columns = [
        Column("Index"),
        Column("From"),
        Column("Code"),
        Column("Step"),
        Column("Reason", stretch=True, whole=True),
        Column("Age"),
    ]
    now = now_ms()
    rows = [
        [
            Cell(_text(item.get("index"))),
            Cell(item.get("sender") or "unknown"),
            Cell(item["code"], "bad"),
            Cell(_text(item.get("step"))),
            Cell(item.get("message") or ""),
            Cell(age(item["time"], now), piped=iso(item["time"])),
        ]
        for item in items
    ]
    screen.table(columns, rows, empty="Quarantine is empty: everything that arrived passed all checks.")


def _text(value: object) -> str:
    return "" if value is None else str(value)
