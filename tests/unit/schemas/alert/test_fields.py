from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from time import process_time
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from schemas.alert import codes, fields


def read(kind: Any, value: object) -> object:
    return TypeAdapter(kind).validate_python(value, strict=True)


def code_of(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    [error] = caught.value.errors()
    return error["type"]


@given(st.decimals(-(10**12), 10**12, places=6))
def test_every_writing_of_a_number_has_one_text(number: Decimal) -> None:
    text = fields.canonical_decimal(number)
    assert Decimal(text) == number
    assert fields.canonical_decimal(text) == text
    assert fields.canonical_decimal(f"{number:f}") == text
    assert "E" not in text
    assert not (("." in text) and text.endswith(("0", ".")))


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_float_is_read_as_the_decimal_people_see(number: float) -> None:
    try:
        text = fields.canonical_decimal(number)
    except PydanticCustomError:
        assert abs(number) < 1e-9  # more places than a number may have
    else:
        assert float(text) == number


@pytest.mark.parametrize(
    ("written", "text"), [(0, "0"), ("-0", "0"), (-0.0, "0"), ("1.500", "1.5"), (Decimal("1E+3"), "1000")]
)
def test_canonical_numbers(written: object, text: str) -> None:
    assert fields.canonical_decimal(written) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1,5",
        "1e5",
        "+1",
        ".5",
        "5.",
        "01",
        "--1",
        "1_0",
        "\u0661",
        "0x1",
        math.nan,
        math.inf,
        True,
        None,
        10**30,
        Decimal("NaN"),
        Decimal("1E+50"),
        Decimal("1E-50"),
        "9" * 31,
        [],
        b"1",
    ],
)
def test_what_is_no_number(value: object) -> None:
    assert code_of(fields.Signed, value) == "bad-number"


def test_amounts_are_not_negative() -> None:
    assert read(fields.Signed, "-1.5") == "-1.5"
    assert code_of(fields.Amount, "-1.5") == "out-of-range"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01", "2026-01"),
        ("2026", "2026"),
        (2026, "2026"),
        ("2026-01-31T08:30Z", "2026-01-31T08:30Z"),
        ("2026-01-31T08:30:15+08:00", "2026-01-31T08:30:15+08:00"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (dt.datetime(2026, 1, 31, 8, 30, tzinfo=dt.UTC), "2026-01-31T08:30:00Z"),
    ],
)
def test_dates_as_precise_as_they_are_known(written: object, text: str) -> None:
    assert read(fields.Moment, written) == text


@pytest.mark.parametrize(
    "value",
    [
        "31.01.2026",
        "2026-1-31",
        "2026-02-30",
        "2026-13",
        "2026-01-31T08:30",
        "2026-01-31 08:30Z",
        "2026-01-31T25:00Z",
        "26",
        "2026-01-31T08:30+15:00",
        "\u0662026",
        dt.datetime.fromisoformat("2026-01-31T08:30"),
        "0000",
    ],
)
def test_what_is_no_date(value: object) -> None:
    assert code_of(fields.Moment, value) == "bad-date"


@pytest.mark.parametrize(
    ("written", "text"), [(" a ", "a"), (4711, "4711"), (Decimal("1.10"), "1.10"), ("e\u0301", "\u00e9")]
)
def test_text_is_trimmed_and_composed(written: object, text: str) -> None:
    assert read(fields.Short, written) == text


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f", "\ufeff", "\ud800"]
)
@pytest.mark.parametrize("kind", [fields.Short, fields.Prose])
def test_characters_that_deceive_are_refused(kind: Any, character: str) -> None:
    assert code_of(kind, f"a{character}b") == "bad-character"


class Unknown(str):
    """A text that is looked at character by character."""


@given(
    st.text(st.characters(codec="utf-8", max_codepoint=0x180)) | st.text(st.characters(codec="ascii")), st.booleans()
)
def test_plain_text_is_judged_as_any_other(text: str, lines: bool) -> None:
    def judged(value: str) -> object:
        try:
            return fields._text(value, lines=lines)
        except PydanticCustomError as error:
            return error.message()

    assert judged(text) == judged(Unknown(text))


def test_line_breaks_belong_into_the_narrative_only() -> None:
    assert read(fields.Prose, "a\r\nb\n\n") == "a\nb"
    assert code_of(fields.Short, "a\nb") == "bad-character"
    assert code_of(fields.Short, "a\tb") == "bad-character"


@pytest.mark.parametrize("length", [10_000, 39_999, 400_000])
def test_a_heap_of_marks_costs_its_reader_nothing(length: int) -> None:
    heap = "a" + "\u0315\u0300" * (length // 2)  # out of order: to sort them takes the square of their number
    started = process_time()
    assert code_of(fields.Prose, heap) in {"bad-character", "string_too_long"}
    assert process_time() - started < 0.5


def test_as_many_marks_as_any_script_needs_are_kept() -> None:
    text = "e" + "\u0323" * 30
    assert read(fields.Short, text) == "\u1eb9" + "\u0323" * 29
    assert code_of(fields.Short, text + "\u0323") == "bad-character"


@pytest.mark.parametrize(
    ("name", "country"), [("Thailand", "TH"), ("new zealand", "NZ"), ("Thailnd", "TH"), ("Fiji", "FJ")]
)
def test_a_country_by_name_is_told_its_code(name: str, country: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(fields.Country, name)
    hint = caught.value.errors()[0]["ctx"]["hint"]
    assert country in hint or name.title()[:5] in hint


def test_codes_are_written_in_either_case() -> None:
    assert read(fields.Country, "hk") == "HK"
    assert read(fields.Currency, "hkd") == "HKD"


@pytest.mark.parametrize("address", ["hk-customs", "region:oceania", "operation:marker", "all", "oceania"])
def test_addresses(address: str) -> None:
    assert read(fields.Address, address) == address


@pytest.mark.parametrize(
    "address", ["", "HK", "region:", "region:a b", "group:x", "a--b", "-a", "a" * 33, "region:all:x", "a\n"]
)
def test_what_is_no_address(address: str) -> None:
    if address.strip() != address:
        assert read(fields.Address, address) == address.strip()
    else:
        assert code_of(fields.Address, address) == "bad-address"


def test_no_vocabulary_repeats_a_word() -> None:
    for name in dir(codes):
        words = get_args(getattr(codes, name))
        assert len(set(words)) == len(words), name
        assert all(isinstance(word, str) and word == word.strip() for word in words), name


def test_currencies_have_three_letters() -> None:
    assert len(codes.CURRENCIES) > 150
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in codes.CURRENCIES)
