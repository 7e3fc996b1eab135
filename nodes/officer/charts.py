"""`bearing route matrix` and `bearing route simulate`: the rules seen as a whole."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from nodes.officer import words
from nodes.officer.routes import facts, query_of, route
from nodes.officer.screen import Cell, Column, Screen
from nodes.officer.settings import Settings, pass_settings
from schemas.errors import DirectoryInvalid, StorageFailed
from schemas.limits import MAX_METADATA

SIGNS = {"yes": "+", "hub": "h", "no": "."}
"""What stands in the matrix; the diagonal is left empty."""

DIRECTORY_FILE = "directory.json"


@route.command("matrix")
@facts
@pass_settings
def matrix(settings: Settings, /, **given: Any) -> None:
    """Show who can reach whom by name, with an alert of these facts: rows are senders, columns recipients.

    A + reaches, an h reaches through a hub, a . does not; below stands which rule keeps how many pairs apart.
    Piped, each line holds, separated by tabs: sender, recipient, yes, hub or no, rule, reason.
    """
    answer = settings.node().matrix(query_of(given))
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
    elif screen.terminal:
        _draw(screen, answer)
    else:
        for sender, row in answer["reach"].items():
            for recipient, cell in row.items():
                screen.record([Cell(text) for text in (sender, recipient, cell["state"], cell["rule"], cell["reason"])])


def _draw(screen: Screen, answer: dict[str, Any]) -> None:
    agencies: list[str] = answer["agencies"]
    heads = short_names(agencies)
    label = max(map(len, agencies))
    # each name stands upright, a character below the other, so that 31 agencies fit a terminal of 80 columns
    table = [" " * label + "".join(f" {head[line]}" for head in heads) for line in (0, 1)]
    for sender in agencies:
        row = answer["reach"][sender]
        signs = ((SIGNS[row[recipient]["state"]] if recipient != sender else " ") for recipient in agencies)
        table.append(f"{sender:<{label}}" + "".join(f" {sign}" for sign in signs))
    for line in table:
        screen.record([Cell(line)])
    screen.record([Cell("")])
    screen.record([Cell("+ reaches   h through a hub   . kept out. Columns are the rows' agencies in the same order.")])
    for rule, (count, reason) in sorted(deciding(answer["reach"]).items()):
        screen.record([Cell(rule, "strong"), Cell(f"{words.count(count, 'pair', 'pairs')}: {reason}")])


def short_names(agencies: list[str]) -> list[str]:
    """Two characters for each agency: its country where that names one alone, else its number."""
    countries = [agency[:2] for agency in agencies]
    return [
        country if countries.count(country) == 1 else f"{number % 100:02}"
        for number, country in enumerate(countries, start=1)
    ]


def deciding(reach: dict[str, dict[str, dict[str, str]]]) -> dict[str, tuple[int, str]]:
    """How many pairs each rule keeps apart or sends through a hub, with a reason it gives."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in reach.values():
        for cell in row.values():
            if cell["state"] != "yes":
                found[cell["rule"]].append(cell["reason"])
    return {rule: (len(given), given[0]) for rule, given in found.items()}


@route.command("simulate")
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path, exists=True))
@pass_settings
def simulate(settings: Settings, /, new: Path) -> None:
    """List which of this node's alerts would have gone elsewhere under NEW: a directory.json, or a draft's folder.

    Looked at are the headers of what this node sent and received, and the standing requests in force. The hub's
    operator and auditors can do the same for the whole log.

    Piped, each line holds, separated by tabs: log index, alert, sender, topic, + or - or !, agency, rule, reason.
    """
    answer = settings.node().simulate(read_directory(new))
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    columns = [Column("Entry"), Column("Alert"), Column("From"), Column("Topic", from_width=100), Column("")]
    columns += [Column("Agency"), Column("Rule"), Column("Reason", stretch=True, whole=True)]
    alerts = words.count(answer["alerts"], "alert", "alerts")
    screen.table(columns, [row for change in answer["changes"] for row in _rows(change)])
    screen.note(f"{len(answer['changes'])} of {alerts} would have gone elsewhere.")


def _rows(change: dict[str, Any]) -> list[list[Cell]]:
    who = [Cell(str(change["index"])), Cell(change["id"][-8:], piped=change["id"]), Cell(change["sender"])]
    who.append(Cell(change["topic"]))
    rows = [
        [*who, Cell(sign, style), Cell(decision["agency"]), Cell(decision["rule"]), Cell(decision["reason"])]
        for sign, style, name in (("+", "good", "gained"), ("-", "bad", "lost"))
        for decision in change[name]
    ]
    if change["refusal"] is not None:
        rows.append([*who, Cell("!", "bad"), Cell(""), Cell(""), Cell(change["refusal"])])
    return rows


def read_directory(path: Path) -> dict[str, Any]:
    """The `directory.json` at `path` or in the folder there. Raises `DirectoryInvalid` or `StorageFailed`."""
    from schemas.directory.strict_json import load_json

    file = path / DIRECTORY_FILE if path.is_dir() else path
    try:
        with file.open("rb") as source:
            data = source.read(MAX_METADATA + 1)
    except OSError as error:
        raise StorageFailed(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_METADATA:
        raise DirectoryInvalid(f"{file} is larger than a directory can be")
    return load_json(data, str(file))
