"""The templates that come with the program: whole documents, with made-up facts, marked as an exercise.

They show an officer how each kind of alert is written. What is made up in them must never go out as real, so without
an editor only their skeleton serves as a start: how such an alert is marked and routed, what is asked of its readers.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from schemas.errors import NotFound

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SUFFIX = ".yaml"
_SKELETON = ("kind", "marking", "caveats", "precedence", "modes")


def forms() -> list[str]:
    """Their names, sorted."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _folder().iterdir() if entry.name.endswith(SUFFIX))


def form_text(name: str) -> str:
    """A template as it is written, comments included. Raises `NotFound`."""
    known = forms()
    if name not in known:
        raise NotFound(f"there is no template {name!r}", hint=f"Choose one of: {', '.join(known)}.")
    return (_folder() / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def form_summary(name: str) -> str:
    """What it is for: the first clause of the comment it begins with."""
    first = form_text(name).split("\n", 1)[0]
    return re.split(r"[.:,]", first.removeprefix("#").strip(), maxsplit=1)[0] if first.startswith("#") else ""


def form_document(name: str) -> dict[str, object]:
    """A template as a document."""
    from schemas.alert.document import load_document

    return load_document(form_text(name), format="yaml")


def form_skeleton(name: str) -> dict[str, Any]:
    """A template without its facts: kind, marking, caveats, precedence, transport modes and the actions asked for."""
    document: dict[str, Any] = form_document(name)
    skeleton = {field: document[field] for field in _SKELETON if field in document}
    watch = document.get("watch")
    if isinstance(watch, dict) and "actions" in watch:
        skeleton["watch"] = {"actions": watch["actions"]}
    return skeleton


def _folder() -> Traversable:
    return files("schemas").joinpath("examples", "templates")
