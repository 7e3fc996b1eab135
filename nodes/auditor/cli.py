"""`bearing audit`: fetch the log, verify it, prove one alert, check such a proof."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nodes.auditor.text import count
from schemas.errors import BadConfig, CrossbearingError, StorageFailed

if TYPE_CHECKING:
    from nodes.auditor.progress import Progress
    from schemas.log.note import NoteKey

FINDINGS = 4
"""Exit code: the audit was carried out and found something."""

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
existing_folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
existing_file = click.Path(path_type=Path, exists=True, dir_okay=False)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def log_vkey_option(*, required: bool) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Return the option for the log's public key; it may be given once for each key of the log."""
    return click.option(
        "--log-vkey",
        "vkeys",
        metavar="TEXT",
        multiple=True,
        required=required,
        help="The log's public key as its keeper published it: name+id+key. Repeat it for a second key.",
    )


@click.group("audit")
def audit() -> None:
    """Prove what the log holds, trusting neither the hub nor a node.

    Fetch a copy of the log with your auditor's certificate, then verify it offline. The exit code is 0 if all is well,
    4 if anything was found, 5 if the hub cannot be reached.
    """


@audit.command("fetch")
@folder_argument
@click.option("--hub", metavar="URL", required=True, help="The hub, as https://127.0.0.1:7443.")
@click.option("--cert", type=existing_file, required=True, help="Your auditor's certificate (PEM).")
@click.option("--key", type=existing_file, required=True, help="Its private key (PEM).")
@click.option("--ca", type=existing_file, required=True, help="The authority that issued the hub's certificate (PEM).")
@click.option("--hub-pin", metavar="HEX", help="SHA-256 of the hub's public key; refuse any other.")
@log_vkey_option(required=False)
@json_option
@click.pass_context
def fetch_command(
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
    """Copy the log into DIR, or bring the copy in DIR up to date.

    The copy is plain files in the layout of C2SP tlog-tiles, which other tools read too. An interrupted fetch goes on
    where it stopped. With --log-vkey the new checkpoint's signature is checked at once.
    """
    from nodes.auditor.fetch import fetch
    from nodes.auditor.hub import Hub, HubAccess
    from nodes.auditor.mirror import LogFolder

    as_json = _json_wanted(context, as_json)
    keys = _log_keys(vkeys)
    access = HubAccess(hub, cert, key, ca, hub_pin)
    with Hub(access) as source, _progress() as progress:
        done = fetch(source, LogFolder(folder), keys=keys, progress=progress)
    if as_json:
        _say_json({"before": done.before, "size": done.size, "root": done.root.hex(), "files": done.files})
        return
    news = count(done.size - done.before, "new entry", "new entries")
    _say(f"{folder} holds {count(done.size, 'entry', 'entries')} ({news}, {count(done.files, 'file')} copied).")
    _say("Nothing of it is verified yet: run bearing audit verify.")


@audit.command("verify")
@existing_folder_argument
@click.option("--root", "root_file", type=existing_file, required=True, help="The governors' first root.json.")
@log_vkey_option(required=True)
@json_option
@click.pass_context
def verify_command(
    context: click.Context, *, folder: Path, root_file: Path, vkeys: tuple[str, ...], as_json: bool
) -> None:
    """Verify the copy in DIR, offline, and say what each party can be held to.

    The tree is recomputed from the entries and compared with every hash and checkpoint; every signature, directory
    threshold, routing decision and receipt is checked again. docs/audit.md explains each finding.
    """
    from nodes.auditor.mirror import LogFolder
    from nodes.auditor.report import report_lines
    from nodes.auditor.verify import Question, verify

    as_json = _json_wanted(context, as_json)
    with _progress() as progress:
        report = verify(LogFolder.open(folder), Question(_read(root_file), _log_keys(vkeys)), progress)
    if as_json:
        _say_json(report.as_dict())
    else:
        for line in report_lines(report):
            _say(line)
    if not report.ok:
        context.exit(FINDINGS)


@audit.command("prove")
@click.argument("alert", metavar="ALERT-ID")
@existing_folder_argument
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="[default: ID.tlog-proof]"
)
@log_vkey_option(required=False)
@json_option
@click.pass_context
def prove_command(
    context: click.Context, *, alert: str, folder: Path, output: Path | None, vkeys: tuple[str, ...], as_json: bool
) -> None:
    """Write a proof that an alert is in the log, from the copy in DIR.

    ALERT-ID is the whole id or at least the last four digits of it. Whoever has the log's public key can check the
    file with bearing audit check, or with any tool that reads C2SP tlog-proof files.
    """
    from nodes.auditor.mirror import LogFolder
    from nodes.auditor.prove import prove

    as_json = _json_wanted(context, as_json)
    with _progress() as progress:
        proof = prove(LogFolder(folder), alert, keys=_log_keys(vkeys), progress=progress)
    target = output or Path(f"{proof.alert_id}.tlog-proof")
    try:
        target.write_bytes(proof.data)
    except OSError as error:
        raise StorageFailed(f"{target} cannot be written: {error.strerror}") from error
    if as_json:
        _say_json({"alert": proof.alert_id, "index": proof.index, "size": proof.size, "file": str(target)})
        return
    _say(f"{target} proves that alert {proof.alert_id} is entry {proof.index:,} of a log of {proof.size:,}.")


@audit.command("check")
@click.argument("file", type=existing_file)
@log_vkey_option(required=True)
@json_option
@click.pass_context
def check_command(context: click.Context, *, file: Path, vkeys: tuple[str, ...], as_json: bool) -> None:
    """Check a proof FILE with nothing but the log's public key, and say what it proves."""
    from nodes.auditor.check import check_proof, proven_lines

    as_json = _json_wanted(context, as_json)
    proven = check_proof(_read(file), _log_keys(vkeys))
    if as_json:
        _say_json(proven.as_dict())
        return
    for line in proven_lines(proven):
        _say(line)


def _log_keys(texts: Sequence[str]) -> list[NoteKey]:
    from schemas.log.note import parse_vkey

    try:
        return [parse_vkey(text.strip()) for text in texts]
    except CrossbearingError as error:
        raise BadConfig(
            f"--log-vkey: {error.message}", hint="Give it whole, as bearing-broker init printed it: name+id+key."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}") from error


def _json_wanted(context: click.Context, here: bool) -> bool:
    """Whether `--json` was given to this command or before it; failures are then told in JSON too."""
    shared = context.find_root().obj
    if hasattr(shared, "as_json"):
        shared.as_json = here or shared.as_json
        return bool(shared.as_json)
    return here


def on_terminal() -> bool:
    """Tell whether somebody watches standard error."""
    return sys.stderr.isatty()


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Show progress on a terminal, and nothing elsewhere."""
    if not on_terminal():
        yield lambda _what, _done, _of: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _say(line: str) -> None:
    click.echo(line)


def _say_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))
