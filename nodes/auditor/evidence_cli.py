"""`bearing audit trail` and `bearing audit complete`: what became of one alert, and of all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nodes.auditor.options import (
    FINDINGS,
    existing_folder_argument,
    json_option,
    json_wanted,
    log_keys,
    log_vkey_option,
    read_file,
    root_option,
    shown_progress,
    workers_option,
)
from nodes.auditor.text import parse_moment

if TYPE_CHECKING:
    from nodes.auditor.obligations import Completeness

MINUTE_MS = 60_000


class Moment(click.ParamType[int]):
    """A day or a minute in UTC, as ms since the epoch."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the text that was given."""
        try:
            return value if isinstance(value, int) else parse_moment(str(value))
        except ValueError:
            self.fail(f"{value!a} is not a time; write 2026-09-01 or 2026-09-01T08:15, in UTC.", param, ctx)


@click.command("trail")
@click.argument("alert", metavar="ALERT-ID")
@existing_folder_argument
@root_option
@log_vkey_option(required=True)
@json_option
@click.pass_context
def trail_command(
    context: click.Context, *, alert: str, folder: Path, root_file: Path, vkeys: tuple[str, ...], as_json: bool
) -> None:
    """Show what became of one alert, from the copy of the log in DIR alone.

    A timeline: when it was accepted, to whom it went and by which rule, and when each recipient signed that it stored,
    read, actioned or refused it; recalls, corrections, answers, deletion and expiry. ALERT-ID is the whole id or at
    least the last four digits of it.
    """
    from nodes.auditor.mirror import LogFolder
    from nodes.auditor.trail import trail
    from nodes.auditor.trail_page import trail_dict, trail_lines
    from nodes.auditor.verify import Question

    as_json = json_wanted(context, as_json)
    with shown_progress() as progress:
        found = trail(LogFolder.open(folder), alert, Question(read_file(root_file), log_keys(vkeys)), progress)
    if as_json:
        click.echo(json.dumps(trail_dict(found), indent=2, ensure_ascii=True))
    else:
        for line in trail_lines(found):
            click.echo(line)
    if not found.faultless:
        context.exit(FINDINGS)


@click.command("complete")
@existing_folder_argument
@root_option
@log_vkey_option(required=True)
@click.option("--operation", metavar="ID", help="Only alerts of this operation.")
@click.option("--from", "start", type=Moment(), help="Only alerts entered at or after this time (UTC).")
@click.option("--to", "stop", type=Moment(), help="Only alerts entered before this time (UTC).")
@click.option(
    "--grace",
    metavar="MINUTES",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="Who leaves an alert unanswered for longer is behind.",
)
@workers_option
@json_option
@click.pass_context
def complete_command(
    context: click.Context,
    *,
    folder: Path,
    root_file: Path,
    vkeys: tuple[str, ...],
    operation: str | None,
    start: int | None,
    stop: int | None,
    grace: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Find alerts that a recipient never acknowledged, and agencies that fell behind.

    Goes by the signed receipts in the copy in DIR, which is verified first: run bearing audit verify to see all of
    that. The exit code is 4 if an agency is behind, an alert expired unanswered, or the copy does not verify.
    """
    from nodes.auditor.complete_page import complete_dict, complete_lines
    from nodes.auditor.mirror import LogFolder
    from nodes.auditor.obligations import Scope, completeness
    from nodes.auditor.verify import Question, audited
    from nodes.auditor.workers import cores

    as_json = json_wanted(context, as_json)
    question = Question(read_file(root_file), log_keys(vkeys), workers=workers or cores())
    with shown_progress() as progress, audited(LogFolder.open(folder), question, progress) as done:
        scope = Scope(operation, start, stop)
        found: Completeness = completeness(
            done.ledger.alerts(), scope, end=done.report.last_time, grace=grace * MINUTE_MS
        )
        sound = done.report.ok
    if as_json:
        click.echo(json.dumps({**complete_dict(found), "verified": sound}, indent=2, ensure_ascii=True))
    else:
        for line in complete_lines(found):
            click.echo(line)
        if not sound:
            click.echo("THE COPY DOES NOT VERIFY: do not rely on this before bearing audit verify finds nothing.")
    if not (found.complete and sound):
        context.exit(FINDINGS)
