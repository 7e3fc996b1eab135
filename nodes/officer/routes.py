"""Who would receive an alert and which rule decides; what agencies asked for; what is wrong with the rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from nodes.officer import words
from nodes.officer.completing import alert_ids, complete_addresses, complete_operations
from nodes.officer.documents import read_document
from nodes.officer.partners import show_resolution
from nodes.officer.screen import Cell, Column, Screen
from nodes.officer.settings import OfficerGroup, Settings, pass_settings
from schemas.alert.codes import Kind, Marking, Mode, Precedence, Status, SubjectType

FOUND = 1
"""Exit code of a check that found something."""


@click.group("route", cls=OfficerGroup)
def route() -> None:
    """Who would receive an alert, and which rule decides."""


def facts(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that give an alert's clear facts; without any it is a routine amber watch."""
    for option in reversed(
        (
            click.option(
                "--kind", "--topic", "kind", type=click.Choice(get_args(Kind)), metavar="KIND", default="watch"
            ),
            click.option("--marking", type=click.Choice(get_args(Marking)), default="amber", show_default=True),
            click.option("--precedence", type=click.Choice(get_args(Precedence)), default="routine", show_default=True),
            click.option("--status", type=click.Choice(get_args(Status)), default="actual", show_default=True),
            click.option("--operation", metavar="NAME", shell_complete=complete_operations),
            click.option(
                "--mode",
                "modes",
                type=click.Choice(get_args(Mode)),
                multiple=True,
                help="A mode of transport; repeat it.",
            ),
        )
    ):
        function = option(function)
    return function


def query_of(given: dict[str, Any]) -> dict[str, Any]:
    """The question to the node: every fact that was given."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}


@route.command("explain")
@click.argument("address", nargs=-1, metavar="[ADDRESS...]", shell_complete=complete_addresses)
@click.option("--draft", type=click.Path(path_type=Path), metavar="FILE", help="Of the document in FILE.")
@click.option("--alert", metavar="ID", shell_complete=alert_ids, help="Of an alert sent or received.")
@facts
@click.option(
    "--subject",
    "subjects",
    type=click.Choice(get_args(SubjectType)),
    metavar="TYPE",
    multiple=True,
    help="A type of its subjects; repeat it.",
)
@pass_settings
def explain(
    settings: Settings, /, address: tuple[str, ...], draft: Path | None, alert: str | None, **given: Any
) -> None:
    """Say who would receive an alert sent to ADDRESS: agencies, region:NAME, operation:NAME or all. Nothing is sent.

    Every agency is shown with the rule that puts it in or keeps it out. Instead of an ADDRESS and facts, --draft takes
    them from a document, and --alert from the header of an alert, under the directory it was sealed with.

    Piped, each line holds, separated by tabs: agency, yes or no, rule, reason.
    """
    if bool(address) + (draft is not None) + (alert is not None) != 1:
        raise click.UsageError("give ADDRESS, or --draft FILE, or --alert ID")
    if draft is not None:
        query: dict[str, Any] = {"document": read_document(draft)}
    else:
        query = {"alert": alert} if alert is not None else {"to": list(address), **query_of(given)}
    answer = settings.node().explain(query)
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    show_resolution(screen, answer)


@route.command("requests")
@pass_settings
def requests(settings: Settings, /) -> None:
    """List what agencies ask to be copied on. A rule with the effect permit must allow each copy.

    Piped, each line holds, separated by tabs: agency, request, topics, senders' regions, types of subjects, reason.
    """
    asked = settings.node().directory()["requests"]
    screen = settings.screen()
    if screen.as_json:
        screen.data({"requests": asked})
        return
    columns = [
        Column("Agency"),
        Column("Request"),
        Column("Topics", stretch=True, whole=True),
        Column("Senders of"),
        Column("Subjects", stretch=True, whole=True),
        Column("Reason", stretch=True, whole=True),
    ]
    rows = [
        [Cell(request["agency"]), Cell(request["id"])]
        + [_all_of(request.get(name)) for name in ("topics", "regions", "subjects")]
        + [Cell(request["reason"])]
        for request in asked
    ]
    screen.table(columns, rows, empty="No agency asks to be copied on anything.")


@route.command("lint")
@click.pass_context
@pass_settings
def lint(settings: Settings, context: click.Context, /) -> None:
    """Look for rules in force that never match, contradict each other, make an agency unreachable or let a marking out.

    Exits with 1 if there is anything to report. Piped, each line holds, separated by tabs: code, rules, finding.
    """
    findings = settings.node().lint()["findings"]
    screen = settings.screen()
    if screen.as_json:
        screen.data({"findings": findings})
    else:
        _show_findings(screen, findings)
    if findings:
        context.exit(FOUND)


def _show_findings(screen: Screen, findings: list[dict[str, Any]]) -> None:
    columns = [Column("What"), Column("Rules", stretch=True, whole=True), Column("Finding", stretch=True, whole=True)]
    rows = [
        [Cell(finding["code"], "warn"), Cell(", ".join(finding["rules"])), Cell(finding["message"])]
        for finding in findings
    ]
    screen.table(columns, rows, empty="Nothing is wrong with the rules in force.")
    if findings:
        screen.note(f"\n{words.count(len(findings), 'finding', 'findings')}.")


def _all_of(values: list[str] | None) -> Cell:
    return Cell(", ".join(values)) if values else Cell("any", "faint", piped="")
