"""Quantities: the number and unit as used, the words of the report, what was weighed, and a comparable normal form.

Units follow UN/ECE Recommendation 20. Masses normalise to kilograms and volumes to litres by exact factors; counts
(tablets, capsules, pieces) stay counts, since no weight may be read into them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Annotated

from pydantic import BeforeValidator, model_validator

from schemas.alert.codes import Qualifier, QuantityBasis
from schemas.alert.fields import Amount, Line, Part, canonical_decimal, close_to, optional, refuse


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: its Recommendation 20 code, and the unit and factor it normalises to."""

    rec20: str
    base: str
    factor: Decimal


_ONE = Decimal(1)
UNITS = {
    "kg": Unit("KGM", "kg", _ONE),
    "g": Unit("GRM", "kg", Decimal("0.001")),
    "mg": Unit("MGM", "kg", Decimal("0.000001")),
    "t": Unit("TNE", "kg", Decimal(1000)),
    "lb": Unit("LBR", "kg", Decimal("0.45359237")),
    "oz": Unit("ONZ", "kg", Decimal("0.028349523125")),
    "l": Unit("LTR", "l", _ONE),
    "ml": Unit("MLT", "l", Decimal("0.001")),
    "tablet": Unit("U2", "tablet", _ONE),
    "capsule": Unit("AV", "capsule", _ONE),
    "piece": Unit("H87", "piece", _ONE),
}
_SPOKEN = {
    "kg": "kgm kgs kilo kilos kilogram kilograms",
    "g": "grm gr gram grams",
    "mg": "mgm milligram milligrams",
    "t": "tne tonne tonnes",
    "lb": "lbr lbs pound pounds",
    "oz": "onz ounce ounces",
    "l": "ltr litre litres liter liters",
    "ml": "mlt millilitre millilitres",
    "tablet": "u2 tablets pill pills",
    "capsule": "av capsules",
    "piece": "h87 pieces item items unit units",
}
_OTHER_NAMES = {name: symbol for symbol, names in _SPOKEN.items() for name in names.split()}


def _unit(value: object) -> object:
    if not isinstance(value, str):
        return value
    name = value.strip().lower()
    symbol = name if name in UNITS else _OTHER_NAMES.get(name)
    if symbol is None:
        tons = "A ton may be 1000 kg or not: write t for 1000 kg, else convert. " if name in ("ton", "tons") else ""
        raise refuse(
            "bad-unit",
            f"{value.strip()[:40]!r} is not a unit known here.",
            tons + close_to(name, [*UNITS, *_OTHER_NAMES]) + f"Use one of {', '.join(UNITS)}.",
        )
    return symbol


UnitSymbol = Annotated[str, BeforeValidator(_unit)]


@dataclass(frozen=True, slots=True)
class Normalised:
    """A comparable amount: exact decimal text, unit symbol (kg, l, tablet, capsule, piece) and its code."""

    number: str
    unit: str
    rec20: str


def normalise(number: str, unit: str) -> Normalised:
    """Convert a canonical decimal `number` of `unit` (a key of UNITS) to its normal unit, exactly."""
    entry = UNITS[unit]
    with localcontext() as context:
        context.prec = 64  # 30 digits times 12 stay exact
        result = Decimal(number) * entry.factor
    text = format(result, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return Normalised(text, entry.base, UNITS[entry.base].rec20)


class Quantity(Part):
    """An amount as reported. At least a number with its unit, or the words of the report."""

    number: Amount | None = optional("the amount, as decimal digits; left out when the report gives none")
    upper: Amount | None = optional("upper end, when the report gives a range")
    unit: UnitSymbol | None = optional(f"one of {', '.join(UNITS)}; Recommendation 20 codes and plain names are taken")
    as_reported: Line | None = optional("the words of the report: 'about 26 kg in 36 packs'")
    qualifier: Qualifier | None = optional("how exact the number is; left out means the report does not say")
    basis: QuantityBasis | None = optional("what was weighed or counted: gross, pure, with the carrier material ...")
    note: Line | None = optional("anything a reader must know before adding this amount to others")

    @model_validator(mode="after")
    def _complete(self) -> Quantity:
        if (self.number is None) != (self.unit is None):
            raise refuse(
                "needs-together",
                "A quantity has a number and a unit, or neither.",
                "Add the missing one, or move both into as_reported.",
            )
        if self.number is None and self.as_reported is None:
            raise refuse(
                "needs-one-of",
                "This quantity says nothing.",
                "Give number and unit, or as_reported: amount not stated.",
            )
        if self.upper is not None and (self.number is None or Decimal(self.upper) < Decimal(self.number)):
            raise refuse(
                "out-of-range",
                "The range ends before it begins.",
                "Put the lower end into number, the higher into upper.",
            )
        return self

    def normalised(self) -> Normalised | None:
        """Return the amount in kg, l or pieces; None when no number was reported."""
        return normalise(self.number, self.unit) if self.number and self.unit else None


_WORDS = {"about": "about", "around": "about", "approximately": "about", "over": "over", "more than": "over"}
_WORDS |= {"nearly": "nearly", "almost": "nearly", "just under": "nearly", "at least": "at-least", "up to": "up-to"}
_WORDS |= {"estimated": "estimated", "an estimated": "estimated", "exactly": "exact"}
_SHORTHAND = re.compile(rf"(?:({'|'.join(_WORDS)})\s+)?([0-9][0-9,]*(?:\.[0-9]+)?)\s*([A-Za-z][A-Za-z0-9]*)", re.ASCII)


def _shorthand(value: object) -> object:
    """Read `about 36.7 kg` as a quantity; the text is kept as reported."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    match = _SHORTHAND.fullmatch(text.lower())
    if not match:
        raise refuse(
            "bad-quantity",
            "This text is not an amount with a unit.",
            "Write '36.7 kg' or 'about 26 kg'; for anything else use the fields number, unit and as_reported.",
        )
    word, number, unit = match.groups()
    grouped = number.split(".")[0].split(",")
    if len(grouped) > 1 and (any(len(g) != 3 for g in grouped[1:]) or not 1 <= len(grouped[0]) <= 3):
        raise refuse("bad-number", "The commas of this number are not between thousands.", "Write 1250.5 or 1,250.5.")
    found = {"number": canonical_decimal(number.replace(",", "")), "unit": _unit(unit), "as_reported": text}
    if word:
        found["qualifier"] = _WORDS[word]
    return found


QuantityField = Annotated[Quantity, BeforeValidator(_shorthand, json_schema_input_type=str | Quantity)]
