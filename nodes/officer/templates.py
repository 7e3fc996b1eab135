"""List and print the templates an alert can start from."""

from __future__ import annotations

import click

from nodes.officer.completing import complete_templates
from nodes.officer.forms import form_document, form_summary, form_text, forms
from nodes.officer.screen import Cell, Column
from nodes.officer.settings import OfficerGroup, Settings, pass_settings


@click.group("templates", cls=OfficerGroup, invoke_without_command=True)
@click.pass_context
def templates(context: click.Context) -> None:
    """The forms an alert can start from."""
    if context.invoked_subcommand is None:
        context.invoke(list_templates)


@templates.command("list")
@pass_settings
def list_templates(settings: Settings) -> None:
    """List them.

    Piped, each line holds, separated by tabs: name, what it is for.
    """
    screen = settings.screen()
    listed = [{"name": name, "summary": form_summary(name)} for name in forms()]
    if screen.as_json:
        screen.data({"templates": listed})
        return
    columns = [Column("Name"), Column("For", stretch=True, whole=True)]
    screen.table(columns, [[Cell(entry["name"]), Cell(entry["summary"])] for entry in listed])
    if screen.terminal:
        screen.note("\nUse one: bearing send --template NAME, or bearing templates show NAME > my-alert.yaml")


@templates.command("show")
@click.argument("name", shell_complete=complete_templates)
@pass_settings
def show_template(settings: Settings, name: str) -> None:
    """Print template NAME, to be saved, filled in and sent with `bearing send FILE`."""
    if settings.as_json:
        settings.screen().data(form_document(name))
    else:
        click.echo(form_text(name), nl=False)
