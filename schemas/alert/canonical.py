"""Alerts from the wire that are good beyond doubt, read without a report of problems.

The types judge the alert, as ever. That it is in canonical form follows without writing it again: every field that was
given is held as it was given and says something, and no field that says something of itself was left out.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from pydantic import BaseModel, ValidationError

from schemas.alert.alert import Alert
from schemas.alert.codes import MAX_ALERT
from schemas.alert.rules import contradictions
from schemas.codec import Value, pack

_TEXT: Final = frozenset({str})


def read_canonical(value: Value) -> Alert | None:
    """The alert that `schemas.alert.document.alert_to_wire` wrote so; None if there may be anything wrong with it."""
    if type(value) is not dict:
        return None
    try:
        alert: Alert = Alert.__pydantic_validator__.validate_python(value)
        size = len(pack(value))
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    good = size <= MAX_ALERT and _is_written(alert, value) and next(contradictions(value), None) is None
    return alert if good else None


def _is_written(held: object, given: Value) -> bool:
    """Whether what the alert holds is written in this way, and no other."""
    kind = type(given)
    if kind is str or kind is int:
        return type(held) is kind and held == given
    if kind is bool:
        return held is given is True
    if isinstance(given, list):
        if type(held) is not list or not 0 < len(given) == len(held):
            return False
        if _TEXT.issuperset(map(type, given)):
            return held == given and _TEXT.issuperset(map(type, held))
        return all(map(_is_written, held, given))
    if isinstance(given, dict) and isinstance(held, BaseModel):
        fields = held.__dict__
        if not _speaking(type(held)) <= given.keys():
            return False
        for name, part in given.items():
            kept = fields[name]
            if not (kept is part and type(part) is str) and not _is_written(kept, part):
                return False
        return True
    return False


@cache
def _speaking(part: type[BaseModel]) -> frozenset[str]:
    """The fields whose default is written too: all but those of None, false and the empty list."""
    silent = (None, False)
    return frozenset(
        name
        for name, field in part.model_fields.items()
        if not (field.default_factory is list or any(field.default is value for value in silent))
    )
