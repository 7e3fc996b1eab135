"""Print the script that teaches a shell to complete `bearing`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from nodes.officer.settings import Settings, command

VARIABLE = "_BEARING_COMPLETE"
"""Environment variable by which the script asks the program for completions; click derives it from the name."""

_WHERE = {
    "bash": "bearing completion bash > ~/.local/share/bash-completion/completions/bearing",
    "zsh": "bearing completion zsh > ~/.zfunc/_bearing    (with ~/.zfunc in fpath)",
    "fish": "bearing completion fish > ~/.config/fish/completions/bearing.fish",
}


@command("completion")
@click.argument("shell", type=click.Choice(tuple(_WHERE)))
@click.pass_context
def completion(context: click.Context, settings: Settings, shell: str) -> None:
    """Print the completion script for SHELL: bash, zsh or fish.

    It completes commands, options, ids of recent alerts, agencies, regions, operations and templates. Save it where
    your shell looks for completions, or try it at once in bash: eval "$(bearing completion bash)"
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(
        kind(context.find_root().command, {}, "bearing", VARIABLE).source_template
        % {
            "complete_func": "_bearing_completion",
            "complete_var": VARIABLE,
            "prog_name": "bearing",
        }
    )
    if settings.screen().terminal:
        click.echo(f"To keep it: {_WHERE[shell]}", err=True)
