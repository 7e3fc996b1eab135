"""Write the reference of all commands, docs/cli.md, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from nodes.officer.settings import OfficerCommand, OfficerGroup, Settings, command, common_options

HEAD = """# The `bearing` command

Made by `bearing reference` from the commands themselves; a test keeps it current.

Every officer's command takes `--json`, `--home DIR` and `--socket FILE`, before or after its name. `--home` falls back
to the environment variable `BEARING_HOME`, then to `~/.bearing`; the socket is `node.sock` in it. Answers go to
standard output, everything else to standard error. On a terminal lists are drawn; piped they are tab-separated lines
without a heading. `NO_COLOR` turns colours off. A failure prints one sentence, its code in brackets and a hint.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | this side failed, or a check did |
| 2 | wrong usage or refused input |
| 3 | not found |
| 4 | refused |
| 5 | unreachable |
"""


_UNWRAPPED = "\b\n"


@command("reference")
@click.pass_context
def reference(context: click.Context, _settings: Settings) -> None:
    """Print this reference as Markdown."""
    click.echo(render(context.find_root().command), nl=False)


def render(root: click.Command) -> str:
    """The reference of `root` and everything below it, as Markdown."""
    return "\n".join([HEAD, *_section(click.Context(root, info_name="bearing"), 2)])


def _section(context: click.Context, level: int) -> Iterator[str]:
    current = context.command
    if level > 2:
        yield f"{'#' * (level - 1)} `{context.command_path}`\n"
        yield f"```\n{' '.join([context.command_path, *current.collect_usage_pieces(context)])}\n```\n"
        yield f"{_prose(current)}\n"
        yield from _parameters(context)
    if isinstance(current, click.Group):
        for name in current.list_commands(context):
            below = current.get_command(context, name)
            if below is not None and not below.hidden and name != "reference":
                yield from _section(click.Context(below, parent=context, info_name=name), level + 1)


def _prose(current: click.Command) -> str:
    """The help text; what click is told not to wrap becomes a block of code."""
    paragraphs = inspect.cleandoc(current.help or "").split("\f", maxsplit=1)[0].strip().split("\n\n")
    return "\n\n".join(
        f"```\n{inspect.cleandoc(text.removeprefix(_UNWRAPPED))}\n```" if text.startswith(_UNWRAPPED) else text
        for text in paragraphs
    )


def _parameters(context: click.Context) -> Iterator[str]:
    """A table of what has a help text, but for the options all officer's commands share."""
    officers = isinstance(context.command, OfficerCommand | OfficerGroup)
    shared = {option.name for option in common_options()} if officers else set()
    records = []
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and parameter.name not in shared and "--help" not in parameter.opts:
            records.append(record)
    if records:
        yield "| option | |\n|---|---|"
        for names, text in records:
            yield f"| `{_cell(names)}` | {_cell(text)} |"
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
