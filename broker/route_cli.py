"""`bearing-broker route`: what the operator can tell governors about rules they propose."""

from __future__ import annotations

import json
from pathlib import Path

import click

from broker.explain_cli import explained
from schemas.errors import StorageFailed
from schemas.ids import format_id

DIRECTORY_FILE = "directory.json"


@click.group()
def route() -> None:
    """What routing rules would do with the alerts in the log."""


@route.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@explained
def simulate(data: Path, new: Path, as_json: bool) -> None:
    """List which alerts in the log of DATA would have gone elsewhere under NEW: a directory.json, or a draft's folder.

    The hub may be running. Each line holds, separated by tabs: log index, alert, sender, topic, + or - or !, agency,
    rule, reason.
    """
    from broker.config import load_config
    from broker.simulate import simulate_log
    from schemas.directory.documents import parse_directory

    file = new / DIRECTORY_FILE if new.is_dir() else new
    try:
        proposed = file.read_bytes()
    except OSError as error:
        raise StorageFailed(f"{file} cannot be read: {error.strerror}") from error
    found = simulate_log(load_config(data), parse_directory(proposed))
    if as_json:
        click.echo(json.dumps({"alerts": found.alerts, "changes": [change.as_dict() for change in found.changes]}))
        return
    for change in found.changes:
        who = (str(change.index), format_id(change.header.id), change.header.sender, change.header.topic)
        for sign, decisions in (("+", change.gained), ("-", change.lost)):
            for decision in decisions:
                click.echo("\t".join((*who, sign, decision.agency, decision.rule, decision.reason)))
        if change.refusal is not None:
            click.echo("\t".join((*who, "!", "", "", change.refusal)))
    click.echo(f"{len(found.changes)} of {found.alerts} alerts would have gone elsewhere", err=True)
