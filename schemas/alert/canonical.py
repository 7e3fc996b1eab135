"""Alerts from the wire that are good beyond doubt, read without a report of problems."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from schemas.alert.alert import Alert
from schemas.alert.codes import MAX_ALERT
from schemas.alert.rules import NEEDED, PARTS, contradictions
from schemas.alert.written import written_alert
from schemas.codec import Value, pack

_TIES: Final = frozenset({*PARTS, "relation"})
_NARROW: Final = frozenset({"amber+strict", "red"})
_NAMES: Final = frozenset({"label", "within"})


def read_canonical(value: Value, *, size: int | None = None) -> Alert | None:
    """The alert that `schemas.alert.document.alert_to_wire` wrote so; None if there may be anything wrong with it.

    ``size`` is that of bytes that hold it, where the caller knows them: it need not be written again to be measured.
    """
    if type(value) is not dict:
        return None
    try:
        alert = written_alert()(value)
        if size is None or size > MAX_ALERT:
            size = len(pack(value))
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    good = size <= MAX_ALERT and (_is_untied(value) or next(contradictions(value), None) is None)
    return alert if good else None


def _is_untied(value: dict[str, Any]) -> bool:
    """Whether an alert, each of whose fields is good, has none that another could contradict."""
    subjects = value.get("subjects", ())
    kind = value["kind"]
    return (
        _TIES.isdisjoint(value)
        and kind not in NEEDED
        and (kind != "watch" or bool(subjects))
        and value["marking"] not in _NARROW
        and all(map(_NAMES.isdisjoint, subjects))
    )
