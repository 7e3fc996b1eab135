"""Who can be addressed, and who an alert would reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import click

from nodes.officer import words
from nodes.officer.completing import complete_addresses, complete_operations
from nodes.officer.screen import Cell, Column, Screen
from nodes.officer.settings import OfficerGroup, Settings, command, pass_settings
from schemas.alert.codes import Kind, Marking, Mode, Precedence, Status

NOT_ADDRESSED = "built-in:not-addressed"
"""The rule of `schemas.routing.resolve` for agencies nobody thought of; importing it would import the directory."""


@command("directory")
def directory(settings: Settings) -> None:
    """List who can be addressed: agencies, regions, operations.

    Piped, each line holds, separated by tabs: the address, its kind, its name, an agency's regions, its status.
    """
    answer = settings.node().directory()
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    show_addresses(screen, answer)


def show_addresses(screen: Screen, answer: dict[str, Any]) -> None:
    """A table of everything an alert can be addressed to."""
    columns = [
        Column("Address"),
        Column("What", from_width=96),
        Column("Name", stretch=True),
        Column("Regions"),
        Column("Status"),
    ]
    screen.table(columns, _addresses(answer), empty="The node holds no directory yet: it has never been connected.")


def _addresses(answer: dict[str, Any]) -> list[list[Cell]]:
    rows = [
        [
            Cell(agency["id"]),
            Cell("agency"),
            Cell(agency["name"]),
            Cell(", ".join(agency["regions"])),
            Cell(agency["status"], "bad" if agency["status"] == "suspended" else ""),
        ]
        for agency in answer["agencies"]
    ]
    for what in ("region", "operation"):
        rows += [
            [Cell(f"{what}:{entry['id']}"), Cell(what), Cell(entry["name"]), Cell(""), Cell("")]
            for entry in answer[f"{what}s"]
        ]
    if rows:
        rows.append([Cell("all"), Cell("all"), Cell("Every agency"), Cell(""), Cell("")])
    return rows


@click.group("route", cls=OfficerGroup)
def route() -> None:
    """Who would receive an alert, and which rule decides."""


@route.command("explain")
@click.argument("address", nargs=-1, required=True, metavar="ADDRESS...", shell_complete=complete_addresses)
@click.option("--kind", type=click.Choice(get_args(Kind)), default="watch", show_default=True, metavar="KIND")
@click.option("--marking", type=click.Choice(get_args(Marking)), default="amber", show_default=True)
@click.option("--precedence", type=click.Choice(get_args(Precedence)), default="routine", show_default=True)
@click.option("--status", type=click.Choice(get_args(Status)), default="actual", show_default=True)
@click.option("--operation", metavar="NAME", shell_complete=complete_operations)
@click.option(
    "--mode", "modes", type=click.Choice(get_args(Mode)), multiple=True, help="A mode of transport; repeat it."
)
@pass_settings
def explain(settings: Settings, /, address: tuple[str, ...], modes: tuple[str, ...], **given: str | None) -> None:
    """Say who would receive an alert sent to ADDRESS: agencies, region:NAME, operation:NAME or all. Nothing is sent.

    Piped, each line holds, separated by tabs: agency, yes or no, rule, reason.
    """
    query = {"to": list(address), "modes": list(modes), **{key: value for key, value in given.items() if value}}
    answer = settings.node().explain(query)
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    show_resolution(screen, answer)


def show_resolution(screen: Screen, answer: dict[str, Any]) -> None:
    """A table of who receives it and why; those left out too, with the rule that left them out."""
    columns = [Column("Agency"), Column("Receives"), Column("Rule"), Column("Reason", stretch=True, whole=True)]
    trace = answer["trace"]
    if not screen.terminal:
        screen.table(columns, _decisions(trace))
        return
    concerned = [decision for decision in trace if decision["rule"] != NOT_ADDRESSED]
    screen.table(columns, _decisions(concerned))
    others = len(trace) - len(concerned)
    rest = f" {words.count(others, 'other is', 'others are')} not addressed." if others else ""
    screen.note(f"\n{words.count(len(answer['recipients']), 'agency receives', 'agencies receive')} it.{rest}")


def reasons(trace: Iterable[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Why somebody receives it, and who for that reason; in the order of the first agency's name."""
    found: dict[str, list[str]] = {}
    for decision in sorted(trace, key=lambda decision: str(decision["agency"])):
        if decision["included"]:
            found.setdefault(f"{decision['reason']} ({decision['rule']})", []).append(decision["agency"])
    return list(found.items())


def _decisions(trace: Iterable[dict[str, Any]]) -> list[list[Cell]]:
    """Rows by verdict and rule; on a terminal a reason stands once, at the first agency it holds for."""
    ordered = sorted(
        trace, key=lambda decision: (not decision["included"], decision["rule"], decision["reason"], decision["agency"])
    )
    rows, said = [], None
    for decision in ordered:
        verdict = (decision["included"], decision["rule"], decision["reason"])
        rows.append(
            [
                Cell(decision["agency"]),
                Cell("yes", "good") if decision["included"] else Cell("no", "faint"),
                Cell(decision["rule"]),
                Cell("" if verdict == said else decision["reason"], piped=decision["reason"]),
            ]
        )
        said = verdict
    return rows
