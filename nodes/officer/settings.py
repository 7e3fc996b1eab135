"""Which node a command speaks to and how it answers; the options every command takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.officer.screen import Screen

if TYPE_CHECKING:
    from nodes.client import NodeClient

OFFICER_VARIABLE = "BEARING_OFFICER"
"""Environment variable with the name to give as the officer; a name reaches partners, so none is guessed."""


@dataclass(slots=True)
class Settings:
    """What the common options said; the root command's object, shared by all commands below it."""

    home: Path | None = None
    socket: Path | None = None
    as_json: bool = False

    @property
    def home_path(self) -> Path:
        """`--home`, BEARING_HOME or `~/.bearing`."""
        return (self.home or Path(os.environ.get("BEARING_HOME") or "~/.bearing")).expanduser()

    @property
    def socket_path(self) -> Path:
        """`--socket`, or `node.sock` in the home."""
        return self.socket if self.socket is not None else self.home_path / "node.sock"

    def node(self) -> NodeClient:
        """A client of the node; nothing is connected before the first call."""
        from nodes.client import NodeClient

        return NodeClient(self.socket_path)

    def screen(self) -> Screen:
        """Where the answer goes."""
        return Screen(as_json=self.as_json)


pass_settings = click.make_pass_decorator(Settings, ensure=True)


def common_options() -> list[click.Parameter]:
    """`--json`, `--home` and `--socket`, accepted before and after the name of a command alike."""
    return [
        click.Option(["--json", "as_json"], is_flag=True, help="Answer in JSON.", **_stored("as_json")),
        click.Option(
            ["--home"],
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="The node's home. [default: BEARING_HOME or ~/.bearing]",
            **_stored("home"),
        ),
        click.Option(
            ["--socket"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The node's socket. [default: node.sock in its home]",
            **_stored("socket"),
        ),
    ]


def _stored(field: str) -> dict[str, Any]:
    def store(context: click.Context, _parameter: click.Parameter, value: object) -> object:
        if value:  # an option not given here must not undo the one given further up
            setattr(context.ensure_object(Settings), field, value)
        return value

    callback: Callable[[click.Context, click.Parameter, object], object] = store
    return {"expose_value": False, "callback": callback, "is_eager": True}


class OfficerCommand(click.Command):
    """A command that also takes the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(common_options())


class OfficerGroup(click.Group):
    """A group of such commands."""

    command_class = OfficerCommand

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(common_options())


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command of the officer's; it gets the `Settings` first, then its own parameters."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        return click.command(name, cls=OfficerCommand)(pass_settings(function))

    return decorate


officer_option = click.option(
    "--officer",
    metavar="NAME",
    envvar=OFFICER_VARIABLE,
    help=f"Your name or desk, shown to the partner. [default: {OFFICER_VARIABLE}, else none]",
)
