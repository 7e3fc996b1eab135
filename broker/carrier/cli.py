"""The operator's commands for files on removable media."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from broker.explain_cli import explained
from schemas.codec import Value
from schemas.errors import BadConfig, CrossbearingError

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_ANY = click.Path(path_type=Path)
_POSITION = re.compile(r"([0-9]{1,18})(?:/([0-9]{1,18}))?", re.ASCII)
_force = click.option("--force", is_flag=True, help="Replace a file that is there.")
_json = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@click.command("import")
@click.argument("data", type=_DIRECTORY)
@click.argument("file", type=_ANY)
@click.option(
    "--answer", type=_ANY, help="Where the file that answers goes: a name or a folder. [default: beside FILE]"
)
@_force
@_json
@explained
def import_file(data: Path, file: Path, *, answer: Path | None, force: bool, as_json: bool) -> None:
    """Take in FILE, which an agency's courier brought, and write the file that the courier takes back.

    The running hub of DATA checks FILE whole, then admits what is in it as if it came by the line. To import it again
    is harmless, and writes a newer answer.
    """
    from broker.carrier.desk import Visit
    from broker.carrier.medium import check_free, read_medium, write_medium
    from broker.config import load_config

    if answer is not None and not answer.is_dir():
        check_free(answer, replace=force)
    with Visit(load_config(data).control_socket, {"command": "import"}) as visit:
        visit.hand_in(read_medium(file))
        taken: dict[str, Any]
        while "done" in (taken := visit.answer()):
            _progress(f"{taken['done']} records taken in")
        _progress("")
        target = _target(answer or file.parent, str(taken["agency"]))
        try:
            size = write_medium(target, visit.receive(), replace=force)
        except CrossbearingError as error:
            click.echo(f"{file} was taken in; the answer was not written. Import it again.", err=True)
            raise error
    if as_json:
        click.echo(json.dumps({**taken, "answer": {"file": str(target), "bytes": size, **visit.summary}}))
        return
    click.echo(f"From {taken['agency']}: {_came(taken)}.")
    for each in taken["refused"]:
        click.echo(f"  {each['kind']} refused: {each['error']['message']} ({each['error']['code']})")
    _say_made(visit.summary, target, size)


@click.command("export")
@click.argument("data", type=_DIRECTORY)
@click.argument("agency")
@click.argument("file", type=_ANY)
@click.option(
    "--since",
    default="0",
    show_default="everything",
    metavar="SIZE[/RECEIPTS]",
    help="What the agency's node holds already: the position that `bearing status` shows there.",
)
@_force
@_json
@explained
def export_file(data: Path, agency: str, file: Path, *, since: str, force: bool, as_json: bool) -> None:
    """Write FILE, a name or a folder, with all that waits for AGENCY, for a courier to take there.

    Nothing counts as delivered before the agency's receipts come back. If AGENCY sent a file itself, use `import`.
    """
    from broker.carrier.desk import Visit
    from broker.carrier.medium import write_medium
    from broker.config import load_config

    position = _POSITION.fullmatch(since)
    if position is None:
        raise BadConfig(
            f"--since {since[:40]!a} is no position", hint="Write it as `bearing status` shows it: 1234/1200."
        )
    request: dict[str, Value] = {
        "command": "export",
        "agency": agency,
        "size": int(position[1]),
        "notices": int(position[2] or 0),
    }
    target = _target(file, agency)
    with Visit(load_config(data).control_socket, request) as visit:
        size = write_medium(target, visit.receive(), replace=force)
    if as_json:
        click.echo(json.dumps({"file": str(target), "bytes": size, **visit.summary}))
        return
    _say_made(visit.summary, target, size)


@click.command("carrier-key")
@click.argument("data", type=_DIRECTORY)
@explained
def carrier_key(data: Path) -> None:
    """Print the key for which files on removable media are sealed; the directory lists it as `sealing`."""
    from broker.config import load_config
    from broker.keyfiles import read_seed
    from schemas.carrier import keys

    click.echo(keys.carrier_key(read_seed(load_config(data).log_key)).public.hex())


def _target(path: Path, agency: str) -> Path:
    """The file itself, or a name of its own in a folder."""
    if not path.is_dir():
        return path
    return path / f"hub-to-{agency}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.carrier"


def _came(taken: Mapping[str, Any]) -> str:
    """What was submitted, and how it went: `2 alerts accepted, 1 refused; 1 receipt accepted`."""
    parts = []
    for kind in ("alert", "receipt"):
        accepted, refused = taken[f"{kind}s_accepted"], taken[f"{kind}s_refused"]
        if accepted or refused:
            parts.append(f"{_some(accepted, kind)} accepted" + (f", {refused} refused" if refused else ""))
    return "; ".join(parts) or "no alerts and no receipts"


def _say_made(made: Mapping[str, Any], target: Path, size: int) -> None:
    parts = [_some(made[f"{kind}s"], kind) for kind in ("alert", "receipt", "attachment") if made[f"{kind}s"]]
    click.echo(f"For {made['agency']}: {', '.join(parts) or 'nothing waits; the file tells it so'}.")
    if made["left"]:
        click.echo("Not everything fitted; the rest comes with the next file.")
    click.echo(f"{target}, {size:,} bytes.")
    click.echo(f"Have it taken to {made['agency']}, who runs: bearing import {target.name}")


def _some(number: int, kind: str) -> str:
    return f"{number} {kind}{'' if number == 1 else 's'}"


def _progress(text: str) -> None:
    """One line that is written over, at a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
