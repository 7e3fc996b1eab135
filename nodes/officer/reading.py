"""Read one alert, and tell its sender that it was read or acted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nodes.officer.completing import alert_ids
from nodes.officer.outcome import SHORT
from nodes.officer.screen import Cell
from nodes.officer.settings import Settings, command, officer_option

if TYPE_CHECKING:
    from nodes.client import NodeClient

RELATED = 10
"""Alerts of a thread named on a page, the newest: each is looked up."""


@command("show")
@click.argument("alert", metavar="ID", shell_complete=alert_ids)
@click.option("--ack", "acknowledge", is_flag=True, help="Also tell the sender that you have read it.")
@officer_option
def show(settings: Settings, alert: str, acknowledge: bool, officer: str | None) -> None:
    """Show alert ID on a page. ID is the whole id or its end, from four digits on, as lists show it."""
    from nodes.officer.alert_page import show_page

    node = settings.node()
    answer = node.alert(alert)
    if acknowledge and _unread(answer):
        answer["state"] = node.ack(alert, "read", officer=officer)["state"]
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    show_page(screen, answer, _related(node, answer))
    if screen.terminal and _unread(answer):
        short = answer["alert"]["id"][-SHORT:]
        screen.note(f"Tell the sender that you have read it: bearing ack {short}")


@command("ack")
@click.argument("alerts", nargs=-1, required=True, metavar="ID...", shell_complete=alert_ids)
@click.option("--actioned", is_flag=True, help="You have not only read it but acted on it.")
@officer_option
def ack(settings: Settings, alerts: tuple[str, ...], actioned: bool, officer: str | None) -> None:
    """Tell the sender that you have read alert ID, or acted on it: a signed receipt goes into the log.

    Piped, each line holds, separated by tabs: id, state.
    """
    node, screen = settings.node(), settings.screen()
    done = []
    for alert in alerts:
        state = node.ack(alert, "actioned" if actioned else "read", officer=officer)["state"]
        done.append({"id": alert, "state": state})
        if not screen.as_json:
            screen.record([Cell(alert), Cell(state, "good")])
    if screen.as_json:
        screen.data({"acknowledged": done})


def _related(node: NodeClient, answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The other alerts of the thread, as far as they fit a page."""
    others = [identity for identity in answer["thread"] if identity != answer["alert"]["id"]]
    return [node.alert(identity) for identity in others[-RELATED:]]


def _unread(answer: dict[str, Any]) -> bool:
    return bool(answer["direction"] == "in" and answer["state"] == "unread")
