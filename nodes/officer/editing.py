"""Write an alert in the officer's own editor, beginning with a template, until it has no problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from nodes.officer.failure import report, say_problems
from nodes.officer.messages import say
from schemas.errors import CrossbearingError


def edit_document(text: str) -> dict[str, Any] | None:
    """Open `text` in the editor ($VISUAL, $EDITOR) until it makes a document without errors; None when given up."""
    from schemas.alert.document import check_document, load_document

    while True:
        edited = click.edit(text, extension=".yaml")
        if edited is None:
            say("Nothing was written.")
            return None
        text = edited
        try:
            document = load_document(text, format="yaml")
            problems: Sequence[Any] = check_document(document)
        except CrossbearingError as error:
            report(error, as_json=False)
        else:
            if not any(problem.severity == "error" for problem in problems):
                return document
            say_problems(asdict(problem) for problem in problems)
        if not click.confirm("Edit it again?", default=True, err=True):
            return None
