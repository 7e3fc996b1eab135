"""Prove one alert, opened, to somebody outside the exchange."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nodes.officer.completing import alert_ids
from nodes.officer.settings import Settings, command


@command("disclose")
@click.argument("alert", metavar="ID", shell_complete=alert_ids)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it. [default: ID.disclosure, in this directory]",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def disclose(settings: Settings, alert: str, output: Path | None, force: bool) -> None:
    """Write a file that proves alert ID to a court, or to anybody: what it says, who sent it, to whom, and when.

    The file reveals this one alert in full, with the keys of its attachments, and nothing else; no key of any agency is
    in it. Whoever gets it checks it with `bearing audit check` and the log's public key. Look at the alert's marking
    and caveats before you hand it on.
    """
    node, screen = settings.node(), settings.screen()
    found = node.alert(alert)["alert"]
    target = output or Path(f"{found['id']}.disclosure")
    data = node.disclosure(found["id"])
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL), 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except FileExistsError:
        raise click.UsageError(f"{target} is there already; use --force to replace it, or --output") from None
    except OSError as error:
        raise click.FileError(str(target), error.strerror) from error
    if screen.as_json:
        screen.data({"alert": found["id"], "file": str(target), "bytes": len(data)})
        return
    screen.note(f"{target} proves alert {found['id']} to whoever reads it, and shows all that it says.")
    screen.note(f"Its marking is {found['marking']}. To check it: bearing audit check {target}")
