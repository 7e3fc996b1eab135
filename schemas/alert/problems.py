"""Problems of a document: where, what, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import ErrorDetails

from schemas.alert.fields import close_to


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its path (`subjects[0].number`), a stable code, one sentence, a hint, and its weight."""

    path: str
    code: str
    message: str
    hint: str
    severity: Literal["error", "warning"] = "error"


_TYPES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a group of fields",
    "model_type": "a group of fields",
    "model_attributes_type": "a group of fields",
}
_TOO = {
    "string_too_long": ("too-long", "This text has more than {max_length} characters.", "Shorten it."),
    "string_too_short": ("too-short", "This text is empty.", "Write something, or leave the field out."),
    "too_long": ("too-many", "This list has more than {max_length} entries.", "Split it over several alerts."),
    "too_short": ("too-few", "This list is empty.", "Add an entry."),
    "greater_than_equal": ("out-of-range", "This number is below {ge}.", "Correct it."),
    "less_than_equal": ("out-of-range", "This number is above {le}.", "Correct it."),
}


def problem_of(error: ErrorDetails, document: object, known: Sequence[str]) -> Problem:
    """Translate one of pydantic's errors; `known` are the field names at its place, for 'did you mean'."""
    path = _path(error["loc"], document)
    kind, context = error["type"], error.get("ctx", {})
    name = str(error["loc"][-1]) if error["loc"] else ""
    if "hint" in context:
        return Problem(path, kind, context["text"], context["hint"])
    if kind in _TOO:
        code, message, hint = _TOO[kind]
        return Problem(path, code, message.format(**context), hint)
    if kind in _TYPES:
        return Problem(path, "wrong-type", f"This must be {_TYPES[kind]}.", _quote_hint(kind))
    if kind == "missing":
        return Problem(path, "missing", f"The field {name} is needed here.", f"Add {name}.")
    if kind == "extra_forbidden":
        return Problem(path, "unknown-field", f"There is no field {name[:60]!r} here.", _unknown_hint(name, known))
    if kind in ("literal_error", "union_tag_invalid"):
        return _bad_choice(path, error)
    if kind == "union_tag_not_found":
        return Problem(
            f"{path}.type", "missing", "Every subject says its type.", "Add type: container, vessel, substance ..."
        )
    if kind == "string_pattern_mismatch":
        return Problem(path, "bad-form", "This text does not have the form expected here.", _form_hint(name))
    return Problem(path, "wrong-type", "This value cannot be used here.", "See the description of the field.")


def _path(loc: tuple[int | str, ...], document: object) -> str:
    """Write a location as `a[0].b`, leaving out the union tags that pydantic puts in between."""
    path, here = "", document
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
            here = here[step] if isinstance(here, list) and step < len(here) else None
        elif not (isinstance(here, Mapping) and path.endswith("]") and here.get("type") == step and step not in here):
            path += f".{step}" if path else step
            here = here.get(step) if isinstance(here, Mapping) else None
    return path


def _bad_choice(path: str, error: ErrorDetails) -> Problem:
    context: Mapping[str, Any] = error.get("ctx", {})
    choices = re.findall(r"'([^']*)'", context.get("expected", context.get("expected_tags", "")))
    if error["type"] == "union_tag_invalid":
        path, given = f"{path}.type", str(context.get("tag", ""))
    else:
        given = str(error.get("input", ""))
    shown = ", ".join(choices) if len(choices) <= 24 else ", ".join(choices[:24]) + " ..."
    return Problem(
        path,
        "bad-choice",
        f"{given[:40]!r} is not one of the values known here.",
        f"{close_to(given, choices)}Known: {shown}.",
    )


def _unknown_hint(name: str, known: Sequence[str]) -> str:
    if name in ("id", "sender", "composed", "version"):
        return "Leave it out: the node fills it in."
    return close_to(name, known).strip() or "Leave it out, or put it into narrative or note."


def _quote_hint(kind: str) -> str:
    if kind == "string_type":
        return "Put it in quotes, if the value is meant as text."
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "Write field: value lines, indented below it."
    return {"list_type": "Write one entry per line, each beginning with a hyphen."}.get(
        kind, "Write it without quotes."
    )


def _form_hint(name: str) -> str:
    if name == "alert":
        return "Copy the alert's full id, as 'bearing show' prints it."
    return (
        "Use lower-case letters, digits and single hyphens." if name in ("label", "within") else "Check its spelling."
    )
