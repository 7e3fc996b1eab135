"""`bearing audit simulate`: which logged alerts would have gone elsewhere under a proposed directory."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nodes.auditor.options import (
    existing_file,
    existing_folder_argument,
    json_option,
    json_wanted,
    log_keys,
    log_vkey_option,
    read_file,
    root_option,
    shown_progress,
)


@click.command("simulate")
@existing_folder_argument
@click.option("--directory", "proposed", type=existing_file, required=True, help="The proposed directory.json.")
@root_option
@log_vkey_option(required=False)
@json_option
@click.pass_context
def simulate_command(
    context: click.Context, *, folder: Path, proposed: Path, root_file: Path, vkeys: tuple[str, ...], as_json: bool
) -> None:
    """List which alerts of the copy in DIR would have gone elsewhere under a proposed directory.

    Each logged header is routed again under the proposed rules, with the standing requests of the newest directory in
    the copy. The copy is read, not verified: run bearing audit verify first.
    """
    from nodes.auditor.mirror import LogFolder
    from nodes.auditor.simulate import simulate_log, simulation_lines
    from schemas.directory.documents import parse_directory

    as_json = json_wanted(context, as_json)
    document = parse_directory(read_file(proposed))
    with shown_progress() as progress:
        simulation = simulate_log(
            LogFolder(folder), document, trusted_root=read_file(root_file), keys=log_keys(vkeys), progress=progress
        )
    if as_json:
        click.echo(json.dumps(simulation.as_dict(), indent=2, ensure_ascii=True))
        return
    for line in simulation_lines(simulation):
        click.echo(line)
