"""Send an alert: by question and answer, from a template, from a file, or by flags alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from nodes.officer import words
from nodes.officer.attachments import load
from nodes.officer.completing import complete_addresses, complete_operations, complete_templates
from nodes.officer.documents import read_document, save_draft
from nodes.officer.drafts import apply_flags
from nodes.officer.failure import say_problems
from nodes.officer.messages import say
from nodes.officer.outcome import deliver, wait_option
from nodes.officer.partners import reasons
from nodes.officer.questions import at_terminal
from nodes.officer.settings import Settings, command, officer_option
from schemas.alert.codes import Caveat, Kind, Marking, Mode, Precedence, Status
from schemas.errors import CrossbearingError


@command("send")
@click.argument(
    "file",
    required=False,
    metavar="[FILE]",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--template",
    metavar="NAME",
    shell_complete=complete_templates,
    help="Start from a template; without real facts beside it, it goes out as the exercise it is.",
)
@click.option(
    "--to",
    multiple=True,
    metavar="ADDRESS",
    shell_complete=complete_addresses,
    help="An agency, region:NAME, operation:NAME or all; repeat it, or separate by commas.",
)
@click.option("--title", metavar="TEXT", help="One line for the inbox. [default: made from the container or vessel]")
@click.option("--text", "narrative", metavar="TEXT", help="What the partners should know.")
@click.option(
    "--container", "containers", multiple=True, metavar="NUMBER", help="A container to look out for; repeat it."
)
@click.option("--vessel", "vessels", multiple=True, metavar="NAME|IMO", help="A vessel to look out for; repeat it.")
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    metavar="KIND",
    help="Kind of alert. [default: watch, or the template's]",
)
@click.option("--precedence", type=click.Choice(get_args(Precedence)), help="How fast it has to be read.")
@click.option(
    "--marking", type=click.Choice(get_args(Marking)), help="How far it may be shared (TLP 2.0). [default: amber]"
)
@click.option("--status", type=click.Choice(get_args(Status)), help="Real, an exercise, or a test. [default: actual]")
@click.option(
    "--mode",
    "modes",
    type=click.Choice(get_args(Mode)),
    multiple=True,
    help="A mode of transport; repeat it. [default: sea for a container or vessel]",
)
@click.option("--operation", metavar="NAME", shell_complete=complete_operations, help="The operation it belongs to.")
@click.option(
    "--caveat",
    "caveats",
    type=click.Choice(get_args(Caveat)),
    multiple=True,
    metavar="CAVEAT",
    help="A limit of use, such as no-judicial-use; repeat it.",
)
@click.option(
    "--expires", "expires_hours", type=click.IntRange(min=1), metavar="HOURS", help="Not delivered after so many hours."
)
@click.option(
    "--attach",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Send this file along; repeat it for more.",
)
@click.option("--dry-run", is_flag=True, help="Only say who would receive it and why.")
@click.option("--yes", is_flag=True, help="Ask nothing: send what the flags, the template or the file say.")
@wait_option
@officer_option
def send(
    settings: Settings,
    *,
    file: Path | None,
    template: str | None,
    attach: tuple[Path, ...],
    dry_run: bool,
    yes: bool,
    wait: float | None,
    officer: str | None,
    **given: Any,
) -> None:
    """Send an alert.

    Without FILE, at a terminal, you are asked for what the flags and the template do not say, and shown who will
    receive it before it goes. FILE is a document in YAML or JSON, - is standard input; flags replace what it says.

    \b
      bearing send
      bearing send --to sg-cnb --container CSQU3054383
      bearing send --template container-watch --to region:oceania --dry-run
      bearing send my-alert.yaml --attach x-ray.png

    Piped, the answer holds, separated by tabs: id, state, recipients.
    """
    if file is not None and template is not None:
        raise click.UsageError("give FILE or --template, not both")
    files = load(attach)
    if file is not None:
        document = apply_flags(read_document(file), given)
    elif yes or _says_enough(given) or not at_terminal():
        document = _from_flags(template, given)
    else:
        from nodes.officer.interview import write

        written = write(settings.node(), settings.screen(), template, given)
        if written is None or not (dry_run or _confirmed(settings, written, officer)):
            return
        document = written
    deliver(
        settings,
        lambda node: node.send(document, attachments=files, officer=officer, dry_run=dry_run),
        dry_run=dry_run,
        wait=wait,
    )


def _says_enough(given: dict[str, Any]) -> bool:
    """Whether the flags alone make an alert, so that there is nothing to ask."""
    return bool(given["to"] and (given["containers"] or given["vessels"] or (given["kind"] and given["title"])))


def _from_flags(template: str | None, given: dict[str, Any]) -> dict[str, Any]:
    if template is not None:
        from nodes.officer.forms import form_document, form_skeleton

        # The facts of a template are made up: beside real ones they would go out as real.
        has_facts = any(given[name] for name in ("containers", "vessels", "title", "narrative"))
        return apply_flags(form_skeleton(template) if has_facts else form_document(template), given)
    if not any(given.values()):
        raise click.UsageError("there is nothing to send: give FILE, --template, or --to with --container")
    return apply_flags({}, given)


def _confirmed(settings: Settings, document: dict[str, Any], officer: str | None) -> bool:
    """Show who will receive it and ask; what was written is kept in a file when it does not go out."""
    try:
        preview = settings.node().send(document, officer=officer, dry_run=True)
    except CrossbearingError:
        _keep(document)
        raise
    marking = words.marking(document.get("marking", "amber")).text
    reach = words.count(len(preview["recipients"]), "agency", "agencies")
    say(f"\n“{document['title']}”, {marking}, {document.get('precedence', 'routine')}, goes to {reach}:")
    for reason, agencies in reasons(preview["trace"]):
        say(f"  {', '.join(agencies)}: {reason}", indent=2)
    say_problems(preview.get("warnings", ()))
    if document.get("status", "actual") == "actual" and any(s.get("invented") for s in document.get("subjects") or ()):
        say("warning: something in it is still marked as invented, but the alert is not marked as an exercise")
    if click.confirm("Send it?", default=True, err=True):
        return True
    _keep(document)
    return False


def _keep(document: dict[str, Any]) -> None:
    say(f"Not sent. What you wrote is in {save_draft(document)}; change it and send it with `bearing send FILE`.")
