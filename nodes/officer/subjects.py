"""Each subject of an alert as a line a person reads, and what else it says below."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nodes.officer.phrases import Fields, joined, money, phrase, place, quantity, spoken
from nodes.officer.words import count

Part = str | tuple[str, str] | tuple[str, Callable[..., str]]
"""A field's name, alone or with how to word its value: a format, or a function of it."""


class Described(NamedTuple):
    """A subject in words: its type, one line, numbered steps if it has any, and its other fields."""

    type: str
    line: str
    steps: list[str]
    details: list[tuple[str, str]]


_HEADLINES: dict[str, tuple[Part, ...]] = {
    "container": (
        "number",
        ("count", "{} containers"),
        ("of", "of {} in the shipment"),
        ("size", "{} ft"),
        "kind",
        ("load", "load {}"),
    ),
    "vessel": (
        "name",
        ("kind", spoken),
        ("flag", "flag {}"),
        ("stateless", lambda _: "stateless"),
        ("imo", "IMO {}"),
        ("mmsi", "MMSI {}"),
        "description",
    ),
    "vehicle": (("kind", spoken), "plate", ("country", "registered in {}"), "description"),
    "flight": ("number", "airline", ("date", "on {}"), "description"),
    "parcel": ("tracking", ("count", "{} parcels"), "operator", "description"),
    "consignment": (
        ("bill_of_lading", "bill of lading {}"),
        ("air_waybill", "air waybill {}"),
        ("declared_goods", "declared as {}"),
        ("actual_goods", "in fact {}"),
        ("cover_goods", "covered by {}"),
    ),
    "carriage": (("means", spoken), ("mode", "by {}"), ("as_reported", "“{}”")),
    "person": (
        "name",
        ("role", spoken),
        "sex",
        ("age", "aged {}"),
        ("minor", lambda _: "minor"),
        ("nationality", "national of {}"),
        "occupation",
    ),
    "organisation": ("name", ("role", spoken), "country", ("registration", "number {}")),
    "substance": ("name", ("quantity", quantity), ("form", spoken), "status"),
    "item": (("kind", spoken), "description"),
    "mark": (("kind", spoken), "description", ("on", "on {}")),
    "concealment": (("method", spoken), "description"),
    "outcome": (("result", spoken), ("date", "on {}"), "description"),
}
_COUNTED = {"vehicle", "item"}
_SHARED = {"type", "label", "invented"}
_ARROW = " → "


def describe(subject: Fields) -> Described:
    """Put one subject into words; every field it has is in the result once."""
    kind = str(subject.get("type", "subject"))
    line, used = _headline(kind, subject)
    if kind in _COUNTED and subject.get("count"):
        line, used = f"{subject['count']} x {line}", used | {"count"}
    steps = [_step(step) for step in subject.get("steps", ())]
    if steps:
        line, used = line or count(len(steps), "step"), used | {"steps"}
    if subject.get("invented"):
        line = joined([line, "(invented, for exercise)"], " ")
    details = [
        (spoken(name), text)
        for name, value in subject.items()
        if name not in used and name not in _SHARED and (text := phrase(value))
    ]
    if subject.get("label"):
        details.insert(0, ("called", str(subject["label"])))
    return Described(kind, line, steps, details)


def _headline(kind: str, subject: Fields) -> tuple[str, set[str]]:
    if kind == "route":
        origin, destination = (joined(map(place, subject.get(key, ())), " or ") for key in ("origin", "destination"))
        way = joined([origin, *map(place, subject.get("transit", ())), destination], _ARROW)
        text = joined([way, phrase(subject.get("direction")), "incomplete" if subject.get("incomplete") else ""])
        return text, {"origin", "transit", "destination", "direction", "incomplete"}
    if kind == "location":
        used = {"name", "country", "unlocode", "region", "kind", "relative", "latitude", "longitude", "note", "role"}
        role = phrase(subject.get("role"))
        return joined([f"{role}:" if role else "", place(subject)], " "), used
    if kind == "value":
        scope = spoken(subject.get("scope") or "")
        text = joined([money(subject), phrase(subject.get("basis")), scope, phrase(subject.get("covers"))])
        return text, {"amount", "upper", "currency", "qualifier", "basis", "covers", "scope"}
    if kind == "arrests":
        return _arrests(subject), {"status", "number"}
    return _by_table(_HEADLINES.get(kind, ()), subject)


def _by_table(parts: tuple[Part, ...], subject: Fields) -> tuple[str, set[str]]:
    texts, used = [], set()
    for part in parts:
        name, wording = (part, "{}") if isinstance(part, str) else part
        value = subject.get(name)
        if value is None or value is False or value in ("", []):
            continue
        used.add(name)
        texts.append(wording(value) if callable(wording) else wording.format(phrase(value)))
    return joined(texts), used


def _arrests(subject: Fields) -> str:
    status, number = subject.get("status"), subject.get("number")
    if status == "none":
        return "nobody arrested"
    if status == "not-stated":
        return "arrests not stated"
    return f"{number} arrested" if number else "arrests made, number not stated"


def _step(step: Fields) -> str:
    """`selection: risk profiling, anomaly, by Tokyo Customs (loose screws)`."""
    instrument = joined(phrase(value) for value in (step.get("instrument") or {}).values())
    reading = step.get("reading") or {}
    shown = joined(f"{spoken(key)} {phrase(value)}" for key, value in reading.items() if phrase(value))
    text = joined(
        [
            f"{spoken(step['stage'])}: {spoken(step['method'])}",
            phrase(step.get("result")),
            f"by {step['by']}" if step.get("by") else "",
            phrase(step.get("country")),
            f"at {step['at']}" if step.get("at") else "",
            f"with {instrument}" if instrument else "",
            f"reading: {shown}" if shown else "",
        ]
    )
    return f"{text} ({step['note']})" if step.get("note") else text
