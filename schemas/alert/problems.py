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


CODES = {
    "missing": "a field that is needed is not there",
    "unknown-field": "there is no such field at this place",
    "wrong-type": "text where a list belongs, and the like",
    "too-short": "an empty text",
    "too-long": "a text over its bound",
    "too-few": "an empty list where one entry is needed",
    "too-many": "a list over its bound",
    "out-of-range": "a number outside what is possible",
    "bad-choice": "a word outside the vocabulary of the field",
    "bad-form": "a code or number not of its form",
    "check-digit": "a container, ship, substance or waybill number whose check digit is wrong",
    "bad-character": "a control or text-direction character, or more than 30 marks on one letter",
    "bad-number": "not a decimal number",
    "bad-quantity": "a quantity in words that is not an amount with a unit",
    "bad-unit": "a unit not known here",
    "bad-date": "not a date in one of the forms taken",
    "bad-country": "not a country code of ISO 3166",
    "bad-currency": "not a currency code of ISO 4217",
    "bad-language": "not a language tag of BCP 47",
    "bad-address": "not the form of an address",
    "duplicate": "an entry or a label stands twice",
    "needs-one-of": "a part that says nothing: one of several fields is needed",
    "needs-together": "two fields that are given together or not at all",
    "needs-subject": "a watch without anything to look out for",
    "contradiction": "two fields exclude each other",
    "date-order": "an end before its beginning",
    "minor-named": "a minor with a name or document number",
    "not-for-kind": "a part that belongs to another kind of alert",
    "marking-address": "an address that the marking does not allow",
    "unknown-label": "`within` names no other subject",
    "too-large": "an alert over its bound as a whole",
    "too-deep": "nesting beyond the bound",
    "not-canonical": "an alert from the wire in another than the canonical form",
    "yaml-alias": "an anchor or alias in YAML",
    "yaml-tag": "a tag in YAML",
    "duplicate-key": "a field that stands twice in one group",
    "bad-key": "a field name that is not a word, or a second document in the file",
    "nothing-seized": "warning: a seizure without substance or item",
    "unknown-port": "warning: a UN/LOCODE in a country that does not exist",
    "unknown-hs": "warning: a chapter that the Harmonized System does not use",
}
"""Every problem code and what it means."""

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
            name = step if step.isidentifier() else ascii(step[:60])
            path += f".{name}" if path else name
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
