"""The alert document's front door: check it, compose an alert of it, put it on the wire and read it back.

All four go through the same types. A document may use what officers find convenient (`to: all`, `about 26 kg`,
lower-case country codes); the alert holds the canonical form only, and the wire accepts nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from schemas.alert.alert import Alert, Document
from schemas.alert.canonical import read_canonical
from schemas.alert.codes import MAX_ALERT
from schemas.alert.loading import load_document
from schemas.alert.problems import Problem, problem_of
from schemas.alert.rules import cross_check
from schemas.codec import Value, encode
from schemas.errors import BadDocument
from schemas.ids import check_agency_id, format_id
from schemas.limits import MAX_DEPTH

__all__ = [
    "Alert",
    "Document",
    "Problem",
    "alert_from_wire",
    "alert_to_wire",
    "check_document",
    "compose_alert",
    "draft_alert",
    "load_document",
]

_ADDED = Alert.model_fields.keys() - Document.model_fields.keys()  # what no document has
MAX_PROBLEMS = 200  # a reader mends a screenful at a time; a hostile document must not make a report of megabytes


def check_document(document: Mapping[str, object]) -> list[Problem]:
    """Return every problem of an officer's document at once, errors and warnings, in the order of its paths."""
    return _examine(document, Document)[1]


def compose_alert(document: Mapping[str, object], *, alert_id: bytes, sender: str, composed: int) -> Alert:
    """Make the alert of a document. `alert_id` is a UUIDv7 of 16 bytes, `composed` is in ms.

    Raises BadDocument with all problems when the document has errors; BadId for a wrong id or sender.
    """
    alert, problems = draft_alert(document, alert_id=alert_id, sender=sender, composed=composed)
    if alert is None:
        raise _bad(problems)
    return alert


def draft_alert(
    document: Mapping[str, object], *, alert_id: bytes, sender: str, composed: int
) -> tuple[Alert | None, list[Problem]]:
    """What `check_document` and `compose_alert` give, together: the problems, and the alert unless one is an error.

    Raises as `compose_alert` does, but for the document's own errors.
    """
    added = {"id": format_id(alert_id), "sender": check_agency_id(sender), "composed": composed}
    whole = {**document, **added}
    if _ADDED.isdisjoint(document):  # a document without errors is examined once, as the alert that it becomes
        alert, problems = _examine(whole, Alert)
        if alert is not None and not any(p.severity == "error" for p in problems):
            return cast("Alert", alert), problems
    problems = check_document(document)
    return (None if any(p.severity == "error" for p in problems) else _alert(whole)), problems


def alert_to_wire(alert: Alert) -> dict[str, Value]:
    """Return the alert as None/bool/int/str/list/dict only; empty optional fields are left out."""
    return _wire(alert)


def encode_alert(alert: Alert) -> bytes:
    """The encoding of the alert's wire map. Raises as `encode` does."""
    return encode(alert_to_wire(alert))


def alert_from_wire(value: Value, *, size: int | None = None) -> Alert:
    """Read an alert that `alert_to_wire` wrote; anything it would have written otherwise is refused (BadDocument).

    ``size`` is that of bytes in which it was encoded, where the caller knows them, alone or with something around it.
    """
    return read_canonical(value, size=size) or _read(value)


def _read(value: Value) -> Alert:
    if not isinstance(value, dict):
        raise _bad([Problem("", "wrong-type", "An alert is a map of fields.", "The sender's software is at fault.")])
    alert = _alert(cast("dict[str, object]", value))
    if not _same(alert_to_wire(alert), value):
        raise _bad(
            [
                Problem(
                    "",
                    "not-canonical",
                    "The alert is valid but not in the form the wire demands.",
                    "The sender's software must write the canonical form of every field.",
                )
            ]
        )
    return alert


def _wire(document: Document) -> dict[str, Value]:
    return cast("dict[str, Value]", _prune(document.model_dump(exclude_none=True)))


def _alert(value: Mapping[str, object]) -> Alert:
    alert, problems = _examine(value, Alert)
    errors = [p for p in problems if p.severity == "error"]
    if alert is None or errors:
        raise _bad(errors)
    return cast("Alert", alert)


def _examine(document: Mapping[str, object], model: type[Document]) -> tuple[Document | None, list[Problem]]:
    if _deeper(document, MAX_DEPTH):
        return None, [Problem("", "too-deep", f"The document is nested deeper than {MAX_DEPTH} levels.", "Flatten it.")]
    problems: list[Problem] = []
    found: Document | None = None
    try:
        found = model.model_validate(dict(document))
    except ValidationError as error:
        problems = [
            problem_of(detail, document, _known(detail["loc"], model))
            for detail in error.errors(include_url=False)[:MAX_PROBLEMS]
            if detail["type"] != "default_factory_not_called"  # follows from a problem that is listed itself
        ]
    problems.extend(cross_check(document))
    if found is not None and len(encode(_wire(found))) > MAX_ALERT:
        problems.append(
            Problem(
                "", "too-large", f"The alert is larger than {MAX_ALERT} bytes.", "Move long lists into an attachment."
            )
        )
    order = {name: number for number, name in enumerate(document)}
    unique = dict.fromkeys(problems)
    ranked = sorted(unique, key=lambda p: (p.severity, order.get(p.path.split(".")[0].split("[")[0], -1)))
    return found, ranked[:MAX_PROBLEMS]


def _known(loc: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """Field names allowed where an unknown one was found."""
    here: Any = model
    for step in loc[:-1]:
        here = _descend(here, step)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _descend(here: Any, step: int | str) -> Any:
    """Follow one step of a location through a type: a field of a model, the member of a list, the tag of a union."""
    if isinstance(here, type) and issubclass(here, BaseModel):
        field = here.model_fields.get(str(step))
        return _bare(field.annotation) if field else here
    options = [_bare(option) for option in getattr(here, "__args__", ())]
    if isinstance(step, int):
        return options[0] if options else here
    for option in options:
        if isinstance(option, type) and issubclass(option, BaseModel):
            tag = option.model_fields.get("type")
            if tag and step in getattr(tag.annotation, "__args__", ()):
                return option
    return here


def _bare(annotation: Any) -> Any:
    """Strip Annotated and '| None' from a type."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    arguments = [a for a in getattr(annotation, "__args__", ()) if a is not type(None)]
    if len(arguments) == 1 and type(None) in getattr(annotation, "__args__", ()):
        return _bare(arguments[0])
    return annotation


def _bad(problems: Sequence[Problem]) -> BadDocument:
    errors = [p for p in problems if p.severity == "error"]
    first = errors[0] if errors else problems[0]
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return BadDocument(f"{first.path or 'document'}: {first.message}{more}", hint=first.hint, problems=tuple(problems))


def _prune(value: object) -> object:
    """Drop what says nothing: None, false flags and empty lists."""
    if isinstance(value, dict):
        return {k: _prune(v) for k, v in value.items() if v is not None and v is not False and v != []}
    if isinstance(value, list):
        return [_prune(v) for v in value]
    return value


def _same(ours: object, theirs: object) -> bool:
    """Compare without Python's 1 == True == 1.0."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(v, theirs[k]) for k, v in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return ours == theirs


def _deeper(value: object, levels: int) -> bool:
    if isinstance(value, Mapping | list):
        members = value.values() if isinstance(value, Mapping) else value
        return levels == 0 or any(_deeper(member, levels - 1) for member in members)
    return False
