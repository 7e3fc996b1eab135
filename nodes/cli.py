"""`bearing`: the command of officers, of those who run a node, and of auditors.

Subcommands are imported when they are called, so that a short command does not wait for the rest of the program.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from nodes.officer.failure import exit_code, report
from nodes.officer.settings import Settings, common_options
from schemas.errors import CrossbearingError


class Place(NamedTuple):
    """Where a subcommand is found, and the line `bearing --help` says about it."""

    module: str
    attribute: str
    summary: str
    hidden: bool = False


SECTIONS: Mapping[str, Mapping[str, Place]] = {
    "Send": {
        "send": Place("nodes.officer.sending", "send", "Send an alert: by question and answer, template or file."),
        "reply": Place("nodes.officer.answering", "reply", "Answer the sender of an alert."),
        "follow-up": Place("nodes.officer.answering", "follow_up", "Add news to an alert you sent or received."),
        "correct": Place("nodes.officer.answering", "correct", "Replace what an alert of yours said."),
        "recall": Place("nodes.officer.answering", "recall", "Withdraw an alert of yours, everywhere."),
        "templates": Place("nodes.officer.templates", "templates", "The forms an alert can start from."),
    },
    "Read": {
        "inbox": Place("nodes.officer.lists", "inbox", "List the alerts received."),
        "show": Place("nodes.officer.reading", "show", "Read one alert."),
        "ack": Place("nodes.officer.reading", "ack", "Tell the sender that you have read or acted on an alert."),
        "attachment": Place("nodes.officer.attachments", "attachment", "Save a file that came with an alert."),
        "sent": Place("nodes.officer.lists", "sent", "List the alerts sent, or who holds one of them."),
        "search": Place("nodes.officer.lists", "search", "Find alerts, sent or received, by their words."),
        "disclose": Place("nodes.officer.disclosing", "disclose", "Prove one alert, opened, to somebody outside."),
        "follow": Place("nodes.officer.live", "follow", "Watch alerts and receipts as they arrive."),
    },
    "When the line is down": {
        "export": Place("nodes.officer.carrying", "export", "Write what waits to a file for a courier to the hub."),
        "import": Place("nodes.officer.carrying", "import_file", "Take in a file that a courier brought from the hub."),
    },
    "Look": {
        "status": Place("nodes.officer.health", "status", "The node on one screen."),
        "doctor": Place("nodes.officer.health", "doctor", "Check the node, and say what to do about what is wrong."),
        "directory": Place(
            "nodes.officer.partners", "directory", "Who can be addressed: agencies, regions, operations."
        ),
        "route": Place("nodes.officer.charts", "route", "Who would receive an alert, and which rule decides."),
        "dead-letters": Place("nodes.officer.care", "dead_letters", "Deliveries to handlers that were given up."),
        "quarantine": Place("nodes.officer.care", "quarantine", "What arrived and failed a check."),
    },
    "Run and audit": {
        "node": Place("nodes.node_cli", "node", "Set up and run the node itself."),
        "keys": Place("nodes.keys.cli", "keys", "The agency's own keys: rotate, sign, publish, replace."),
        "witness": Place("nodes.witness.cli", "witness", "Cosign the checkpoints of any log, as an outside witness."),
        "audit": Place("nodes.auditor.cli", "audit", "Prove what the log holds, trusting nobody."),
        "completion": Place("nodes.officer.completion", "completion", "Print the shell's completion script."),
        "reference": Place("nodes.officer.reference", "reference", "Print this reference as Markdown.", hidden=True),
    },
}


class BearingGroup(click.Group):
    """Finds subcommands by name without importing the others, and ends every failure in one way."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed through to click as they came
        self.places = {name: place for section in SECTIONS.values() for name, place in section.items()}

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names, in the order of the help page."""
        return list(self.places)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        if args and not args[0].startswith("-") and args[0] not in self.places:
            import difflib

            near = difflib.get_close_matches(args[0], self.places, n=1)
            hint = f" Did you mean `bearing {near[0]}`?" if near else " `bearing --help` lists them."
            raise click.UsageError(f"there is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one subcommand."""
        place = self.places.get(cmd_name)
        if place is None:
            return None
        found = getattr(importlib.import_module(place.module), place.attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{place.module}.{place.attribute} is not a command")
        return found

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; an error of ours becomes a sentence, a hint and an exit code."""
        try:
            return super().invoke(ctx)
        except CrossbearingError as error:
            report(error, as_json=ctx.ensure_object(Settings).as_json)
            ctx.exit(exit_code(error))

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Subcommands by what one wants to do, from the table alone."""
        width = max(map(len, self.places))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                rows = [(name.ljust(width), place.summary) for name, place in section.items() if not place.hidden]
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of subcommands, from the table alone."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=place.summary)
            for name, place in self.places.items()
            if name.startswith(incomplete) and not place.hidden
        ]


def _version_option() -> click.Option:
    def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if wanted:
            from importlib.metadata import PackageNotFoundError, version

            try:
                number = version("crossbearing")
            except PackageNotFoundError:
                number = "(not installed: run from a checkout)"
            click.echo(f"bearing {number}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show the version and exit."
    )


cli = BearingGroup(
    "bearing",
    params=[*common_options(), _version_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""Exchange signed and sealed alerts with partner agencies.

    The first thing to try is `bearing status`; then `bearing inbox` and `bearing send`.

    Exit codes: 0 done, 1 failed here, 2 wrong usage or refused input, 3 not found, 4 refused, 5 unreachable.
    """,
)


def main() -> None:
    """The console script's entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter shows its number
    cli(prog_name="bearing", obj=Settings())


if __name__ == "__main__":
    main()
