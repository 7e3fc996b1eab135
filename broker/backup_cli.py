"""`bearing-broker backup`, `restore` and what follows a restoration."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from broker.explain_cli import explained

if TYPE_CHECKING:
    from broker.backup import Backup
    from schemas.codec import Fields, Value

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_ANY = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@click.command()
@click.argument("data", type=_FOLDER)
@click.argument("target", type=_ANY)
@click.option("--with-keys", is_flag=True, help="Include the private keys. Whoever has them can sign as this log.")
@_JSON
@explained
def backup(data: Path, target: Path, *, with_keys: bool, as_json: bool) -> None:
    """Back the hub of DATA up into the new folder TARGET, while it runs or not.

    The copy is verified before it gets its name: pages, tree, signature, directory, bodies and attachments.
    """
    from broker.backup import make_backup
    from broker.config import load_config
    from broker.hub import now_ms

    _show(make_backup(load_config(data), target, now_ms, with_keys=with_keys), as_json=as_json)


@click.command()
@click.argument("folder", type=_FOLDER)
@_JSON
@explained
def verify_backup(folder: Path, as_json: bool) -> None:
    """Check everything in the backup FOLDER, as restoring it would."""
    from broker.backup import verify_backup as verify

    _show(verify(folder), as_json=as_json)


@click.command()
@click.argument("folder", type=_FOLDER)
@click.argument("data", type=_ANY)
@click.option("--log-seed", type=_FILE, help="The log key's seed, for a backup without keys.")
@click.option("--log-mldsa-seed", type=_FILE, help="The seed of its ML-DSA-44 key.")
@click.option("--tls-key", type=_FILE, help="The private key of the hub's certificate, PEM.")
@click.option("--anchor", type=_FILE, help="The anchor.db that survived, if it does not lie where the settings say.")
@explained
def restore(
    folder: Path,
    data: Path,
    *,
    log_seed: Path | None,
    log_mldsa_seed: Path | None,
    tls_key: Path | None,
    anchor: Path | None,
) -> None:
    """Make the data directory DATA from the backup FOLDER.

    The hub then starts, listens and signs nothing: the backup may lack what was signed after it was made.
    `bearing-broker restore-status` says what is known and what to do.
    """
    from broker.hub import now_ms
    from broker.restore import restore_hub

    given = {"log.key": log_seed, "log-mldsa.key": log_mldsa_seed, "tls.key": tls_key}
    keys = {name: path for name, path in given.items() if path is not None}
    made = restore_hub(folder, data, now_ms, keys=keys, anchor=anchor)
    size, when = made.backup.contents.checkpoint.size, _when(made.backup.made)
    click.echo(f"made {data}: {made.backup.contents.checkpoint.origin}, {size} entries, as of {when}", err=True)
    if made.anchor:
        click.echo("The anchor that survived is kept: it says how far the log was signed.", err=True)
    click.echo(
        f"Start it:\n  bearing-broker run {data}\n"
        "It signs nothing until it is settled what was signed since. See what is known:\n"
        f"  bearing-broker restore-status {data}",
        err=True,
    )


@click.command()
@click.argument("data", type=_FOLDER)
@click.argument("copy", type=_FOLDER)
@_JSON
@explained
def complete(data: Path, copy: Path, as_json: bool) -> None:
    """Add to the restored, stopped hub of DATA the entries it lacks, from COPY.

    COPY is what `bearing audit fetch` wrote, or a later backup. It may come from anybody: its entries must give the
    root that this log signed.
    """
    from broker.completing import complete as complete_log
    from broker.config import load_config

    done = complete_log(load_config(data), copy)
    if as_json:
        told = {"before": done.before, "size": done.size, "alerts": done.alerts, "bodies": done.bodies}
        click.echo(json.dumps(told))
        return
    click.echo(f"added entries {done.before} to {done.size - 1}; the log has {done.size} again")
    if done.bodies < done.alerts:
        click.echo(f"{done.alerts - done.bodies} bodies are not in the copy: their senders' nodes bring them again")


@click.command()
@click.argument("data", type=_FOLDER)
@_JSON
@explained
def restore_status(data: Path, as_json: bool) -> None:
    """Show what the running, restored hub of DATA has heard, and what to do next."""
    from broker.config import load_config
    from broker.control import ask
    from schemas.codec import Fields

    told = ask(load_config(data).control_socket, {"command": "restored"})["restored"]
    if as_json:
        click.echo(json.dumps(told))
    elif told is None:
        click.echo("This log is in ordinary service.")
    else:
        for line in _lines(Fields(told, "restored"), data):
            click.echo(line)


@click.command()
@click.argument("data", type=_FOLDER)
@click.option(
    "--nothing-newer",
    is_flag=True,
    required=True,
    help="Your word that nothing was signed beyond what is here: no copy of the log, no other hub has more.",
)
@click.option(
    "--despite", multiple=True, metavar="AGENCY", help="Set aside what this agency claims and no signature proves."
)
@click.option(
    "--fewer",
    is_flag=True,
    help="Go on though fewer confirm than are needed. Should a silent one hold more, there are two histories, and "
    "its node halts with the proof.",
)
@explained
def resume(data: Path, *, nothing_newer: bool, despite: tuple[str, ...], fewer: bool) -> None:
    """Let the running, restored hub of DATA take alerts and sign again."""
    from broker.config import load_config
    from broker.control import ask
    from schemas.codec import Fields

    del nothing_newer  # click demands it; giving it is the statement
    names: list[Value] = list(despite)
    answer = ask(load_config(data).control_socket, {"command": "resume", "despite": names, "fewer": fewer})
    click.echo(f"the log goes on from {Fields(answer, 'answer').integer('size')} entries", err=True)


def _show(made: Backup, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(made.as_dict()))
        return
    contents = made.contents
    rows: Mapping[str, object] = {
        "backup": made.folder,
        "made": _when(made.made),
        "log": contents.checkpoint.origin,
        "entries": contents.checkpoint.size,
        "root": contents.checkpoint.root.hex(),
        "directory": contents.directory,
        "bodies": contents.bodies,
        "attachments": contents.attachments,
        "not held": contents.missing,
        "bytes": made.bytes,
        "private keys": ", ".join(made.keys) or "not in it: keep log.key and tls.key apart",
    }
    for name, value in rows.items():
        click.echo(f"{name:<14}{value}")


def _lines(told: Fields, data: Path) -> list[str]:
    size, since, missing = told.integer("size"), told.integer("since"), told.value("missing")
    lines = [f"Restored {_when(told.integer('restored'))}: {size} entries. Nothing is signed."]
    if size > since:
        lines.append(f"It was completed: the backup had {since}.")
    confirming, silent = told.texts("confirming"), told.texts("silent")
    lines += _wrapped(f"Confirm that they hold nothing newer: {_some(confirming)}")
    lines += _wrapped(f"Not heard yet: {_some(silent)}")
    obstacles = told.texts("obstacles")
    for obstacle in obstacles:
        lines += _wrapped(f"- {obstacle}")
    lines.append("")
    if isinstance(missing, list):
        first, beyond = (number for number in missing if isinstance(number, int))
        lines += [
            f"Entries {first} to {beyond - 1} were signed and are not here. Do not go on without them.",
            "Stop this hub, and add them from an auditor's copy or a later backup:",
            f"  bearing-broker complete {data} COPY",
            "If nobody has a copy, this log ends here: docs/operations.md, when nothing completes it.",
        ]
    elif obstacles:
        lines.append("Wait until enough are heard. Each calls by itself, every half minute at least.")
    else:
        lines += [
            "Nobody heard holds anything newer. If you know of no newer copy either, go on:",
            f"  bearing-broker resume {data} --nothing-newer",
        ]
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 79, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8]) or "none"
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
