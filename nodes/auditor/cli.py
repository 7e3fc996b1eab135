"""`bearing audit`: fetch the log, verify it, prove one alert, check such a proof, follow what became of alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from nodes.auditor.bodies_cli import bodies_command
from nodes.auditor.evidence_cli import complete_command, trail_command
from nodes.auditor.options import (
    FINDINGS,
    existing_file,
    existing_folder_argument,
    folder_argument,
    json_option,
    json_wanted,
    log_keys,
    log_vkey_option,
    new_file,
    read_file,
    root_option,
    shown_progress,
    workers_option,
    write_file,
)
from nodes.auditor.simulate_cli import simulate_command
from nodes.auditor.text import count


@click.group("audit")
def audit() -> None:
    """Prove what the log holds, trusting neither the hub nor a node.

    Fetch a copy of the log with your auditor's certificate, then verify it offline. The exit code is 0 if all is well,
    4 if anything was found, 5 if the hub cannot be reached.
    """


@audit.command("fetch")
@folder_argument
@click.option("--hub", metavar="URL", required=True, help="The hub, as https://127.0.0.1:7443.")
@click.option("--cert", type=existing_file, required=True, help="Your certificate (PEM).")
@click.option("--key", type=existing_file, required=True, help="Its private key (PEM).")
@click.option("--ca", type=existing_file, required=True, help="The authority that issued the hub's certificate (PEM).")
@click.option("--hub-pin", metavar="HEX", help="SHA-256 of the hub's public key; refuse any other.")
@log_vkey_option(required=False)
@click.option("--party", metavar="AGENCY", help="Copy the hashes of all entries, but only the entries of this agency.")
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
    party: str | None,
    as_json: bool,
) -> None:
    """Copy the log into DIR, or bring the copy in DIR up to date.

    The copy is plain files in the layout of C2SP tlog-tiles, which other tools read too. An interrupted fetch goes on
    where it stopped. With --log-vkey the new checkpoint's signature is checked at once. An auditor reads everything;
    an agency uses its own certificate and --party, and gets what concerns it.
    """
    from nodes.auditor.fetch import fetch
    from nodes.auditor.hub import Hub, HubAccess
    from nodes.auditor.mirror import own_folder

    as_json = json_wanted(context, as_json)
    keys = log_keys(vkeys)
    access = HubAccess(hub, cert, key, ca, hub_pin)
    with Hub(access) as source, shown_progress() as progress:
        done = fetch(source, own_folder(folder, party), keys=keys, progress=progress)
    if as_json:
        _say_json({"before": done.before, "size": done.size, "root": done.root.hex(), "files": done.files})
        return
    news = count(done.size - done.before, "new entry", "new entries")
    _say(f"{folder} holds {count(done.size, 'entry', 'entries')} ({news}, {count(done.files, 'file')} copied).")
    _say("Nothing of it is verified yet: run bearing audit verify.")


@audit.command("verify")
@existing_folder_argument
@root_option
@log_vkey_option(required=True)
@click.option(
    "--seen",
    type=existing_file,
    multiple=True,
    help="A checkpoint that somebody else saw, to compare with the copy. Repeat it for more.",
)
@click.option("--party", metavar="AGENCY", help="Report only what concerns this agency.")
@click.option("--html", "page", metavar="FILE", type=new_file, help="Write the report as a page to print, too.")
@workers_option
@json_option
@click.pass_context
def verify_command(
    context: click.Context,
    *,
    folder: Path,
    root_file: Path,
    vkeys: tuple[str, ...],
    seen: tuple[Path, ...],
    party: str | None,
    page: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Verify the copy in DIR, offline, and say what each party can be held to.

    The tree is recomputed from the entries and compared with every hash and checkpoint; every signature, directory
    threshold, routing decision and receipt is checked again. docs/audit.md explains each finding.
    """
    from nodes.auditor.mirror import LogFolder
    from nodes.auditor.report import report_lines
    from nodes.auditor.verify import Question, verify
    from nodes.auditor.workers import cores

    as_json = json_wanted(context, as_json)
    question = Question(
        trusted_root=read_file(root_file),
        keys=log_keys(vkeys),
        seen=[(str(file), read_file(file)) for file in seen],
        party=party,
        workers=workers or cores(),
    )
    with shown_progress() as progress:
        report = verify(LogFolder.open(folder), question, progress)
    if page is not None:
        from nodes.auditor.html_report import html_page

        write_file(page, html_page(report, made=int(datetime.now(UTC).timestamp() * 1000)).encode())
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
@click.option("-o", "--output", metavar="FILE", type=new_file, help="[default: ID.tlog-proof]")
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

    as_json = json_wanted(context, as_json)
    with shown_progress() as progress:
        proof = prove(LogFolder.open(folder), alert, keys=log_keys(vkeys), progress=progress)
    target = output or Path(f"{proof.alert_id}.tlog-proof")
    write_file(target, proof.data)
    if as_json:
        _say_json({"alert": proof.alert_id, "index": proof.index, "size": proof.size, "file": str(target)})
        return
    _say(f"{target} proves that alert {proof.alert_id} is entry {proof.index:,} of a log of {proof.size:,}.")


@audit.command("check")
@click.argument("file", type=existing_file)
@log_vkey_option(required=True)
@click.option("--root", "root_file", type=existing_file, help="The governors' first root.json, for a disclosure.")
@json_option
@click.pass_context
def check_command(
    context: click.Context, *, file: Path, vkeys: tuple[str, ...], root_file: Path | None, as_json: bool
) -> None:
    """Check a proof or a disclosure with nothing but the log's public key, and say what it proves.

    FILE is what bearing audit prove wrote, or bearing disclose. A disclosure shows the whole alert; with --root
    nobody's word is taken for who the governors are, whose signatures say which keys are whose.
    """
    from nodes.auditor.check import check_proof, proven_lines
    from nodes.auditor.disclosed import check_disclosure, disclosed_lines, disclosed_view, is_disclosure

    as_json = json_wanted(context, as_json)
    data = read_file(file)
    if is_disclosure(data):
        told = check_disclosure(data, log_keys(vkeys), read_file(root_file) if root_file is not None else None)
        found, lines = disclosed_view(told), disclosed_lines(told)
    else:
        proven = check_proof(data, log_keys(vkeys))
        found, lines = proven.as_dict(), proven_lines(proven)
    if as_json:
        _say_json(found)
        return
    for line in lines:
        _say(line)


audit.add_command(bodies_command)
audit.add_command(trail_command)
audit.add_command(complete_command)
audit.add_command(simulate_command)


def _say(line: str) -> None:
    click.echo(line)


def _say_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))
