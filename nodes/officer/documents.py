"""Read an officer's document from a file, or from standard input as `-`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import click

from schemas.errors import StorageFailed, TooLarge
from schemas.limits import MAX_DOCUMENT

_FORMATS: dict[str, Literal["yaml", "json"]] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


def read_document(path: Path) -> dict[str, object]:
    """The document in a `.yaml`, `.yml` or `.json` file; YAML on standard input.

    Raises `TooLarge`, or what `load_document` finds wrong with it.
    """
    from schemas.alert.document import load_document

    if str(path) == "-":
        return load_document(_bounded(sys.stdin.read(MAX_DOCUMENT + 1), "standard input"), format="yaml")
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise click.UsageError(
            f"{path} is no document: its name should end in .yaml or .json (to send it along, use --attach)"
        )
    try:
        with path.open(encoding="utf-8") as file:
            return load_document(_bounded(file.read(MAX_DOCUMENT + 1), str(path)), format=kind)
    except UnicodeDecodeError:
        raise click.UsageError(f"{path} is not UTF-8 text") from None


def _bounded(text: str, name: str) -> str:
    if len(text) > MAX_DOCUMENT:
        raise TooLarge(
            f"{name} holds more than {MAX_DOCUMENT} characters",
            hint="Send long reports as an attachment: --attach FILE.",
        )
    return text


def save_draft(document: dict[str, object]) -> Path:
    """Write a document that was not sent into the current directory, readable by its owner only; returns its name."""
    import yaml

    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)
    for number in range(1, 1000):
        path = Path(f"draft-{number}.yaml")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return path
    raise StorageFailed("there are a thousand drafts in this directory", hint="Delete those you no longer need.")
