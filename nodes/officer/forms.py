"""The templates that come with the program: documents with some fields left to fill in."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from schemas.errors import NotFound

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SUFFIX = ".yaml"


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
    """What it is for: the first sentence of the comment it begins with."""
    first = form_text(name).split("\n", 1)[0]
    return first.removeprefix("#").strip().rstrip(".") if first.startswith("#") else ""


def form_document(name: str) -> dict[str, object]:
    """A template as a document."""
    from schemas.alert.document import load_document

    return load_document(form_text(name), format="yaml")


def _folder() -> Traversable:
    return files("schemas").joinpath("examples", "templates")
