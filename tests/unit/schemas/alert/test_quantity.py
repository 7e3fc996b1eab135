from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.alert.quantity import UNITS, Normalised, Quantity, QuantityField, normalise

ADAPTER: TypeAdapter[Quantity] = TypeAdapter(QuantityField)


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        ("36.7", "kg", Normalised("36.7", "kg", "KGM")),
        ("625.29", "g", Normalised("0.62529", "kg", "KGM")),
        ("1000", "g", Normalised("1", "kg", "KGM")),
        ("5", "mg", Normalised("0.000005", "kg", "KGM")),
        ("33.2", "t", Normalised("33200", "kg", "KGM")),
        ("1", "lb", Normalised("0.45359237", "kg", "KGM")),
        ("16", "oz", Normalised("0.45359237", "kg", "KGM")),
        ("750", "ml", Normalised("0.75", "l", "LTR")),
        ("55600000", "tablet", Normalised("55600000", "tablet", "U2")),
        ("5", "capsule", Normalised("5", "capsule", "AV")),
        ("60", "piece", Normalised("60", "piece", "H87")),
        ("0", "g", Normalised("0", "kg", "KGM")),
    ],
)
def test_amounts_compare_in_one_unit(number: str, unit: str, expected: Normalised) -> None:
    assert normalise(number, unit) == expected


@given(st.integers(0, 10**29), st.sampled_from(sorted(UNITS)))
def test_normalising_is_exact(number: int, unit: str) -> None:
    result = normalise(str(number), unit)
    base = UNITS[unit]
    assert Decimal(result.number).as_integer_ratio() == (
        Decimal(number).as_integer_ratio() if base.factor == 1 else _ratio(number, base.factor)
    )
    assert "E" not in result.number


def _ratio(number: int, factor: Decimal) -> tuple[int, int]:
    from fractions import Fraction

    exact = number * Fraction(factor)
    return exact.numerator, exact.denominator


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("36.7 kg", {"number": "36.7", "unit": "kg"}),
        ("about 26 kg", {"number": "26", "unit": "kg", "qualifier": "about"}),
        ("More than 2,000 g", {"number": "2000", "unit": "g", "qualifier": "over"}),
        ("just under 2 kg", {"number": "2", "unit": "kg", "qualifier": "nearly"}),
        ("an estimated 16kg", {"number": "16", "unit": "kg", "qualifier": "estimated"}),
        ("94,800,000 tablets", {"number": "94800000", "unit": "tablet"}),
        ("up to 130 KGM", {"number": "130", "unit": "kg", "qualifier": "up-to"}),
    ],
)
def test_an_amount_in_words_is_read_and_kept(text: str, fields: dict[str, str]) -> None:
    assert ADAPTER.validate_python(text).model_dump(exclude_none=True) == {**fields, "as_reported": text}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("several tablets", "bad-quantity"),
        ("26", "bad-quantity"),
        ("kg 26", "bad-quantity"),
        ("26 stone", "bad-unit"),
        ("2 tons", "bad-unit"),
        ("1,5 kg", "bad-number"),
        ("1234,567 kg", "bad-number"),
        ("007 kg", "bad-number"),
    ],
)
def test_an_amount_in_words_that_could_be_misread_is_refused(text: str, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(text)
    assert [e["type"] for e in caught.value.errors()] == [code]


def test_a_ton_is_asked_about() -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python("2 tons")
    assert "1000 kg" in caught.value.errors()[0]["ctx"]["hint"]


@pytest.mark.parametrize("fields", [{"number": 1, "unit": "kg"}, {"as_reported": "several tablets"}])
def test_number_with_unit_or_words_are_enough(fields: dict[str, Any]) -> None:
    quantity = ADAPTER.validate_python(fields)
    assert (quantity.normalised() is None) == ("number" not in fields)


def test_the_fentanyl_report_fits() -> None:
    pure = ADAPTER.validate_python({"number": "11.2", "unit": "kg", "basis": "pure"})
    gross = ADAPTER.validate_python({"number": 60, "unit": "kg", "qualifier": "nearly", "basis": "gross"})
    assert pure.normalised() == Normalised("11.2", "kg", "KGM")
    assert gross.normalised() == Normalised("60", "kg", "KGM")
