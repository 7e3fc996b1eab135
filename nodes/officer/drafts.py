"""Build an officer's document from a template and what was said on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

_IMO = re.compile(r"(?:IMO ?)?([0-9]{7})", re.ASCII | re.IGNORECASE)


def apply_flags(document: Document, given: Mapping[str, Any]) -> Document:
    """A copy of `document` with what the flags say in place of what it said; flags not given change nothing."""
    result = dict(document)
    for field in ("kind", "title", "narrative", "precedence", "marking", "status", "operation", "expires_hours"):
        if given.get(field) is not None:
            result[field] = given[field]
    if given.get("to"):
        result["to"] = [part for text in given["to"] for part in re.split(r"[,\s]+", text) if part]
    for field in ("caveats", "modes"):
        if given.get(field):
            result[field] = list(given[field])
    subjects = [dict(subject) for subject in result.get("subjects") or ()]
    subjects = put_subjects(subjects, "container", [{"number": number} for number in given.get("containers") or ()])
    subjects = put_subjects(subjects, "vessel", [vessel(text) for text in given.get("vessels") or ()])
    if subjects:
        result["subjects"] = subjects
    return with_defaults(result)


def put_subjects(subjects: list[Document], kind: str, found: list[Document]) -> list[Document]:
    """`subjects` with those of one type replaced, one after the other, by what was found; more are added behind."""
    if not found:
        return subjects
    rest = list(found)
    result = []
    for subject in subjects:
        if subject.get("type") != kind:
            result.append(subject)
        elif rest:
            result.append({**{key: value for key, value in subject.items() if value is not None}, **rest.pop(0)})
    return result + [{"type": kind, **fields} for fields in rest]


def vessel(text: str) -> Document:
    """A vessel by its IMO number or, if the text is none, by its name."""
    match = _IMO.fullmatch(text.strip())
    return {"imo": match.group(1)} if match else {"name": text.strip()}


def with_defaults(document: Document) -> Document:
    """Fill in what follows from the rest: what names a container or vessel is a watch, by sea, and titled after it."""
    result = dict(document)
    subjects = result.get("subjects") or ()
    if subjects:
        result.setdefault("kind", "watch")
    if result.get("kind") != "watch":
        return result
    title = watch_title(subjects)
    if title and not result.get("title"):
        result["title"] = title
    if not result.get("modes") and {subject.get("type") for subject in subjects} & {"container", "vessel"}:
        result["modes"] = ["sea"]  # routing rules look at it; --mode says otherwise
    return result


def watch_title(subjects: Any) -> str:
    """`Look out for container CSQU3054383 and 2 more`; empty when no subject has a name."""
    named = [f"{subject['type']} {name}" for subject in subjects if (name := _name(subject))]
    if not named:
        return ""
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    return f"Look out for {named[0]}{more}"


def _name(subject: Mapping[str, Any]) -> str:
    for field in ("number", "name", "imo", "plate"):
        if isinstance(subject.get(field), str | int):
            return ("IMO " if field == "imo" else "") + str(subject[field])
    return ""
