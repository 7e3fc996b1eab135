"""Who can be addressed, and how it is shown who an alert would reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nodes.officer import words
from nodes.officer.screen import Cell, Column, Screen
from nodes.officer.settings import Settings, command

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


def show_resolution(screen: Screen, answer: dict[str, Any]) -> None:
    """Every agency with the rule that puts it in or keeps it out; on a terminal those with one reason share a line."""
    trace = answer["trace"]
    if not screen.terminal:
        columns = [Column("Agency"), Column("Receives"), Column("Rule"), Column("Reason")]
        screen.table(columns, _decisions(trace))
        return
    columns = [
        Column("Receives"),
        Column("Agencies", stretch=True, whole=True),
        Column("Rule"),
        Column("Reason", stretch=True, whole=True),
    ]
    screen.table(columns, _verdicts(trace))
    if answer["recipients"]:
        screen.note(f"\n{words.count(len(answer['recipients']), 'agency receives', 'agencies receive')} it.")
    else:
        screen.note("\nNobody receives it.")


def reasons(trace: Iterable[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Why somebody receives it, and who for that reason; in the order of the first agency's name."""
    found: dict[str, list[str]] = {}
    for decision in sorted(trace, key=lambda decision: str(decision["agency"])):
        if decision["included"]:
            found.setdefault(f"{decision['reason']} ({decision['rule']})", []).append(decision["agency"])
    return list(found.items())


def _decisions(trace: Iterable[dict[str, Any]]) -> list[list[Cell]]:
    """A row for each agency, by verdict and rule."""
    return [
        [
            Cell(decision["agency"]),
            Cell("yes" if decision["included"] else "no"),
            Cell(decision["rule"]),
            Cell(decision["reason"]),
        ]
        for decision in sorted(trace, key=_order)
    ]


def _verdicts(trace: Iterable[dict[str, Any]]) -> list[list[Cell]]:
    """A row for each verdict and reason, with all agencies it holds for; those nobody addressed come last."""
    found: dict[tuple[bool, str, str], list[str]] = {}
    for decision in sorted(trace, key=_order):
        found.setdefault((decision["included"], decision["rule"], decision["reason"]), []).append(decision["agency"])
    return [
        [
            Cell("yes", "good") if included else Cell("no", "faint"),
            Cell(", ".join(agencies)),
            Cell(rule),
            Cell(reason),
        ]
        for (included, rule, reason), agencies in found.items()
    ]


def _order(decision: dict[str, Any]) -> tuple[bool, bool, str, str, str]:
    rule = decision["rule"]
    return (not decision["included"], rule == NOT_ADDRESSED, rule, decision["reason"], decision["agency"])
