"""Alerts about an alert: reply, follow-up, correction, recall."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.officer import words
from nodes.officer.attachments import load
from nodes.officer.completing import alert_ids
from nodes.officer.documents import read_document
from nodes.officer.messages import say
from nodes.officer.outcome import deliver, wait_option
from nodes.officer.questions import ask_line, ask_prose, at_terminal
from nodes.officer.settings import Settings, command, officer_option

if TYPE_CHECKING:
    from nodes.client import Json, NodeClient

_alert = click.argument("alert", metavar="ID", shell_complete=alert_ids)
_text = click.argument("text", nargs=-1, metavar="[TEXT]...")
_file = click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A whole document (.yaml or .json) instead of TEXT.",
)
_attach = click.option(
    "--attach",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Send this file along; repeat it for more.",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Only say who would receive it and why.")


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (officer_option, wait_option, _dry_run, _attach, _file, _text, _alert):
        function = option(function)
    return function


@command("reply")
@_options
def reply(settings: Settings, **given: Any) -> None:
    """Answer the sender of alert ID with TEXT, or with a document.

    Without either, you are asked; TEXT may also come through a pipe. Piped, the answer holds, separated by tabs: id,
    state, recipients.
    """
    _relate(settings, lambda node: node.reply, "Your answer", **given)


@command("follow-up")
@_options
def follow_up(settings: Settings, **given: Any) -> None:
    """Add news to alert ID with TEXT, or with a document; it goes to those the alert was addressed to.

    Without either, you are asked; TEXT may also come through a pipe. Piped, the answer holds, separated by tabs: id,
    state, recipients.
    """
    _relate(settings, lambda node: node.follow_up, "The news", **given)


@command("correct")
@_options
def correct(settings: Settings, **given: Any) -> None:
    """Correct alert ID, one of yours: say in TEXT what is right, or give the whole corrected document.

    Every recipient sees the alert marked as corrected, with this beside it. Piped, the answer holds, separated by tabs:
    id, state, recipients.
    """
    _relate(settings, lambda node: node.correct, "What is right", **given)


@command("recall")
@_alert
@click.option("--reason", metavar="TEXT", help="Why; shown to every recipient. Asked for when left out.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_dry_run
@wait_option
@officer_option
def recall(
    settings: Settings,
    *,
    alert: str,
    reason: str | None,
    yes: bool,
    dry_run: bool,
    wait: float | None,
    officer: str | None,
) -> None:
    """Withdraw alert ID, one of yours, from everyone it was sent to.

    Deliveries still under way stop; who has it already is told not to rely on it, and their receipts show who was
    reached. What was sent stays provable in the log. Piped, the answer holds, separated by tabs: id, state, recipients.
    """
    if reason is None:
        if not at_terminal():
            raise click.UsageError("a recall needs its reason: --reason TEXT")
        reason = ask_line("Reason, as the recipients will read it")
    if not yes and not dry_run and at_terminal():
        _confirm_recall(settings.node(), alert)
    why: str = reason
    deliver(
        settings,
        lambda node: node.recall(alert, reason=why, officer=officer, dry_run=dry_run),
        dry_run=dry_run,
        wait=wait,
    )


def _relate(
    settings: Settings,
    send: Callable[[NodeClient], Callable[..., Json]],
    question: str,
    *,
    alert: str,
    text: tuple[str, ...],
    file: Path | None,
    attach: tuple[Path, ...],
    dry_run: bool,
    wait: float | None,
    officer: str | None,
) -> None:
    if file is not None and text:
        raise click.UsageError("give TEXT or --file, not both")
    content: dict[str, Any] = {}
    if file is not None:
        content["document"] = read_document(file)
    else:
        content["narrative"] = _narrative(text, question)
    files = load(attach)
    deliver(
        settings,
        lambda node: send(node)(alert, attachments=files, officer=officer, dry_run=dry_run, **content),
        dry_run=dry_run,
        wait=wait,
    )


def _narrative(text: tuple[str, ...], question: str) -> str:
    if text and text != ("-",):
        return " ".join(text)
    if not text and at_terminal():
        return ask_prose(question)
    piped = sys.stdin.read().strip()
    if not piped:
        raise click.UsageError("there is nothing to say: give TEXT, --file, or text through a pipe")
    return piped


def _confirm_recall(node: NodeClient, alert: str) -> None:
    found = node.alert(alert)
    recipients = [entry["agency"] for entry in found.get("recipients") or ()]
    say(
        f"This withdraws “{words.title(found['alert'])}” from "
        f"{words.count(len(recipients), 'agency', 'agencies')}: {', '.join(recipients)}."
    )
    click.confirm("Recall it?", abort=True, err=True)
