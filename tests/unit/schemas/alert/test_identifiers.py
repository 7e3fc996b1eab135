from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from stdnum import iso6346

from schemas.alert import identifiers


def read(kind: Any, value: object) -> str:
    result: str = TypeAdapter(kind).validate_python(value, strict=True)
    return result


def code_of(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    [error] = caught.value.errors()
    return error["type"]


@pytest.mark.parametrize(
    ("kind", "written", "canonical"),
    [
        (identifiers.ContainerNumber, "csqu 305438-3", "CSQU3054383"),
        (identifiers.ContainerNumber, "TASU1170000", "TASU1170000"),
        (identifiers.ImoNumber, "IMO 9319466", "9319466"),
        (identifiers.ImoNumber, 8814275, "8814275"),
        (identifiers.Mmsi, 512000123, "512000123"),
        (identifiers.Mmsi, "512 000 123", "512000123"),
        (identifiers.CasNumber, "537-46-2", "537-46-2"),
        (identifiers.CasNumber, " 42542-10-9 ", "42542-10-9"),
        (identifiers.Locode, "hk hkg", "HKHKG"),
        (identifiers.HsCode, "7204.49", "720449"),
        (identifiers.HsCode, 2905, "2905"),
        (identifiers.HsCode, "72", "72"),
        (identifiers.FlightNumber, "mh 6127", "MH6127"),
        (identifiers.AirWaybill, "160-12345675", "16012345675"),
    ],
)
def test_what_people_write_becomes_one_form(kind: Any, written: object, canonical: str) -> None:
    assert read(kind, written) == canonical
    assert read(kind, canonical) == canonical


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (identifiers.ContainerNumber, "CSQU305438"),
        (identifiers.ContainerNumber, "CSQA3054383"),
        (identifiers.ContainerNumber, "CSQU305438\u0663"),
        (identifiers.ImoNumber, "931946"),
        (identifiers.ImoNumber, "IMO IMO 9319466"),
        (identifiers.Mmsi, "112000123"),
        (identifiers.Mmsi, "51200012"),
        (identifiers.CasNumber, "537-46"),
        (identifiers.CasNumber, "037-46-2"),
        (identifiers.CasNumber, 537462),
        (identifiers.Locode, "HKHK"),
        (identifiers.Locode, "HKHK1"),
        (identifiers.HsCode, "123"),
        (identifiers.HsCode, "12345678901234"),
        (identifiers.FlightNumber, "MH61270"),
        (identifiers.AirWaybill, "160-1234567"),
    ],
)
def test_another_form_is_refused(kind: Any, value: object) -> None:
    assert code_of(kind, value) in ("bad-form", "string_type")


@given(st.from_regex(r"[A-Z]{3}[UJZ][0-9]{6}", fullmatch=True))
def test_each_container_has_exactly_one_check_digit(head: str) -> None:
    verdicts = []
    for digit in "0123456789":
        try:
            verdicts.append(read(identifiers.ContainerNumber, head + digit))
        except ValidationError as error:
            [detail] = error.errors()
            assert detail["type"] == "check-digit"
    assert len(verdicts) == 1


@given(st.integers(100000, 999999), st.integers(0, 9))
def test_an_imo_number_is_refused_with_the_digit_expected(head: int, digit: int) -> None:
    right = sum(int(n) * w for n, w in zip(str(head), range(7, 1, -1), strict=True)) % 10
    number = f"{head}{digit}"
    if digit == right:
        assert read(identifiers.ImoNumber, number) == number
    else:
        with pytest.raises(ValidationError, match=f"but {right} is expected"):
            read(identifiers.ImoNumber, number)


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, b"CSQU3054383"])
@pytest.mark.parametrize("kind", [identifiers.ContainerNumber, identifiers.ImoNumber, identifiers.CasNumber])
def test_other_types_are_refused(kind: Any, value: object) -> None:
    assert code_of(kind, value) == "string_type"


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3), st.sampled_from("UJZ"), st.integers(0, 999_999))
def test_container_digits_are_those_of_stdnum(owner: str, category: str, serial: int) -> None:
    number = f"{owner}{category}{serial:06}"
    assert identifiers._container_digit(number) == iso6346.calc_check_digit(number)
