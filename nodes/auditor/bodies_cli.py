"""`bearing audit bodies`: does the hub hold what it must hold?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from nodes.auditor.options import (
    FINDINGS,
    existing_file,
    existing_folder_argument,
    json_option,
    json_wanted,
    log_keys,
    log_vkey_option,
    shown_progress,
)
from nodes.auditor.text import count


@click.command("bodies")
@existing_folder_argument
@click.option("--hub", metavar="URL", required=True, help="The hub, as https://127.0.0.1:7443.")
@click.option("--cert", type=existing_file, required=True, help="Your auditor's certificate (PEM).")
@click.option("--key", type=existing_file, required=True, help="Its private key (PEM).")
@click.option("--ca", type=existing_file, required=True, help="The authority that issued the hub's certificate (PEM).")
@click.option("--hub-pin", metavar="HEX", help="SHA-256 of the hub's public key; refuse any other.")
@log_vkey_option(required=False)
@json_option
@click.pass_context
def bodies_command(
    context: click.Context,
    *,
    folder: Path,
    hub: str,
    cert: Path,
    key: Path,
    ca: Path,
    hub_pin: str | None,
    vkeys: tuple[str, ...],
    as_json: bool,
) -> None:
    """Ask the hub to show every sealed body that it must still hold.

    Bodies that the copy in DIR says were deleted are left out, so bring the copy up to date and verify it first. What
    comes is compared with the digest that its sender signed, and not kept; it is sealed, and cannot be read here.
    """
    from nodes.auditor.bodies import ask_for_bodies
    from nodes.auditor.hub import Hub, HubAccess
    from nodes.auditor.mirror import LogFolder
    from nodes.auditor.report import finding_lines

    as_json = json_wanted(context, as_json)
    keys = log_keys(vkeys)
    with Hub(HubAccess(hub, cert, key, ca, hub_pin)) as source, shown_progress() as progress:
        bodies = ask_for_bodies(source, LogFolder(folder), keys=keys, progress=progress)
    if as_json:
        click.echo(json.dumps(bodies.as_dict(), indent=2))
    else:
        for finding in bodies.findings.kept:
            for line in finding_lines(finding):
                click.echo(line)
        click.echo(f"The hub showed {count(bodies.held, 'sealed body', 'sealed bodies')} that it must hold.")
        click.echo(f"It deleted {count(bodies.deleted, 'body', 'bodies')}, as the log says.")
    if len(bodies.findings):
        context.exit(FINDINGS)
