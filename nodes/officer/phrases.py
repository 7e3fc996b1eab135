"""The values of an alert's fields in words: quantities, places, periods, lists.

Works on the document as the node hands it over, not on its types: a field this program does not know yet is shown as
its name and value rather than lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Fields = Mapping[str, Any]

_QUALIFIERS = {"exact": "exactly", "at-least": "at least", "up-to": "up to", "estimated": "an estimated", "range": ""}
_TELLING_A_PLACE = {"unlocode", "region", "relative", "country", "latitude", "certainty", "according_to"}
_PLACE = _TELLING_A_PLACE | {"name", "kind", "longitude", "note"}
_UNIT_PLURALS = {"tablet": "tablets", "capsule": "capsules", "piece": "pieces"}


def spoken(name: str) -> str:
    """A field's or code's name as words: `seals_declared` and `no-judicial-use` without their joints."""
    return name.replace("_", " ").replace("-", " ").replace("x ray", "X-ray")


def phrase(value: object) -> str:
    """Any value of a document in words; empty for what says nothing."""
    if value is None or value is False or value in ("", [], {}):
        return ""
    if value is True:
        return "yes"
    if isinstance(value, Mapping):
        return _map(value)
    if isinstance(value, list | tuple):
        texts = [phrase(item) for item in value]
        return ("; " if any(isinstance(item, Mapping) for item in value) else ", ").join(filter(None, texts))
    return str(value)


def joined(parts: Iterable[str], separator: str = ", ") -> str:
    """The parts that say something, joined."""
    return separator.join(part for part in parts if part)


def quantity(value: Fields) -> str:
    """`about 36.7 kg (gross), reported as “36.7 kilos in 22 bags”`."""
    number, upper, unit = value.get("number"), value.get("upper"), value.get("unit")
    reported = value.get("as_reported")
    text = ""
    if number is not None:
        word = value.get("qualifier")
        amount = f"{grouped(str(number))} to {grouped(str(upper))}" if upper else grouped(str(number))
        text = joined(
            [_QUALIFIERS.get(str(word), str(word)) if word else "", amount, _plural(str(number), str(unit))], " "
        )
    if value.get("basis"):
        text = joined([text, f"({spoken(value['basis'])})"], " ")
    if reported and _letters(str(reported)) != _letters(text):
        text = joined([text, f"reported as “{reported}”" if text else str(reported)])
    return joined([text, phrase(value.get("note"))], "; ")


def place(value: Fields) -> str:
    """`Cat Lai Port, VN (VNCLI)`; doubts and who has them follow."""
    relative = value.get("relative") or {}
    position = ""
    if relative:
        distance = f"{relative['distance']} {relative.get('unit', 'nm')}"
        position = joined([distance, phrase(relative.get("direction")), f"of {relative['of']}"], " ")
    coordinates = f"{value['latitude']}, {value['longitude']}" if value.get("latitude") is not None else ""
    named = [phrase(value.get(key)) for key in ("name", "region", "country")]
    text = joined([*named, position, coordinates])
    code = phrase(value.get("unlocode"))
    text = f"{text} ({code})" if text and code else text or code
    kind = value.get("kind")
    certainty = value.get("certainty")
    said = joined(
        [
            spoken(kind) if kind and kind not in ("port", "city", "other") else "",
            certainty if certainty not in (None, "stated") else "",
            f"according to {value['according_to']}" if value.get("according_to") else "",
            phrase(value.get("note")),
        ]
    )
    return f"{text} [{said}]" if said else text


def money(value: Fields) -> str:
    """`HKD 39,000,000 to 40,000,000`."""
    amount, upper = grouped(str(value["amount"])), value.get("upper")
    text = f"{value['currency']} {amount}" + (f" to {grouped(str(upper))}" if upper else "")
    word = value.get("qualifier")
    return joined([_QUALIFIERS.get(str(word), str(word)) if word else "", text], " ")


def grouped(number: str) -> str:
    """Decimal digits with thousands separators: `1290.5` becomes `1,290.5`."""
    whole, point, rest = number.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole.isascii() and whole.isdecimal() else number


def _map(value: Fields) -> str:
    keys = value.keys()
    if {"first", "last"} <= keys:
        return f"{value['first']} to {value['last']}"
    if {"amount", "currency"} <= keys:
        return joined([money(value), phrase(value.get("covers"))])
    if keys & {"as_reported", "unit"} and keys <= {
        "number",
        "upper",
        "unit",
        "as_reported",
        "qualifier",
        "basis",
        "note",
    }:
        return quantity(value)
    if keys & _TELLING_A_PLACE and keys <= _PLACE:
        return place(value)
    lead = next((key for key in ("name", "what", "mode") if isinstance(value.get(key), str)), None)
    rest = joined(f"{spoken(key)} {text}" for key, item in value.items() if key != lead and (text := phrase(item)))
    return joined([str(value[lead]) if lead else "", rest], ": ")


def _plural(number: str, unit: str) -> str:
    return unit if number == "1" else _UNIT_PLURALS.get(unit, unit)


def _letters(text: str) -> str:
    return "".join(text.lower().replace(",", "").split())
