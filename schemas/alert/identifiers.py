"""Numbers that carry a check digit or a fixed form: containers, ships, radio, substances, ports, goods.

A wrong check digit is refused with the one that would be right, since one mistyped character is the commonest error and
the officer has the label in front of them. Most are computed by python-stdnum.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import mul
from typing import Annotated, Final

from pydantic import BeforeValidator, Field
from stdnum import casrn, imo

from schemas.alert.fields import refuse


def _compact(value: object, drop: str) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value.upper().translate({ord(c): None for c in drop}) if isinstance(value, str) else value


def _checked(
    what: str, form: str, example: str, drop: str, expected: Callable[[str], str]
) -> Callable[[object], object]:
    """Build the validator of a number whose last digit checks the others."""
    pattern = re.compile(form, re.ASCII)

    def check(value: object) -> object:
        number = value if type(value) is str and pattern.fullmatch(value) else _compact(value, drop)
        if not isinstance(number, str):
            return value
        if not pattern.fullmatch(number):
            raise refuse("bad-form", f"This is not {what}.", f"Write it like {example}.")
        digit = expected(number[:-1])
        if number[-1] != digit:
            raise refuse(
                "check-digit",
                f"The check digit of {number} is wrong: it ends in {number[-1]}, but {digit} is expected.",
                "Compare every character with the marking or document; one of them is mistyped.",
            )
        return number

    return check


def _imo(value: object) -> object:
    number = _compact(value, " ")
    return _IMO_CHECK(number.removeprefix("IMO") if isinstance(number, str) else value)


# ISO 6346: digits count as they are, letters from 10 on without the multiples of 11; each place weighs twice the one
# before. Containers are the commonest numbers of all, and this is a fifth of what stdnum takes.
_CHARACTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORTH: Final = dict(zip(_CHARACTERS, (n for n in range(39) if n % 11 or not n), strict=True))
_WEIGHTS: Final = tuple(1 << place for place in range(10))


def _container_digit(number: str) -> str:
    return str(sum(map(mul, map(_WORTH.__getitem__, number), _WEIGHTS)) % 11 % 10)


_IMO_CHECK = _checked(
    "an IMO ship number (seven digits)", r"[0-9]{7}", "9319466 or IMO 9319466", "", imo.calc_check_digit
)
_CONTAINER_CHECK = _checked(
    "an ISO 6346 container number (three letters, U, J or Z, seven digits)",
    r"[A-Z]{3}[UJZ][0-9]{7}",
    "CSQU3054383",
    " -/",
    _container_digit,
)
_CAS_DIGITS = _checked("a CAS registry number", r"[0-9]{5,10}", "537-46-2", "", casrn.calc_check_digit)


def _cas(value: object) -> object:
    text = value.strip() if isinstance(value, str) else value
    if not isinstance(text, str):
        return value
    if not re.fullmatch(r"[1-9][0-9]{1,6}-[0-9]{2}-[0-9]", text, re.ASCII):
        raise refuse("bad-form", "This is not a CAS registry number.", "Write it with its hyphens, like 537-46-2.")
    _CAS_DIGITS(text.replace("-", ""))
    return text


def _fixed(form: str, message: str, hint: str, drop: str) -> Callable[[object], object]:
    pattern = re.compile(form, re.ASCII)

    def check(value: object) -> object:
        text = _compact(value, drop)
        if isinstance(text, str) and not pattern.fullmatch(text):
            raise refuse("bad-form", message, hint)
        return text

    return check


_mmsi = _fixed(
    r"[2-7][0-9]{8}",
    "This is not the MMSI of a ship (nine digits, the first 2 to 7).",
    "Copy it from the AIS display; an IMO number has seven digits and goes into imo.",
    " ",
)
_locode = _fixed(
    r"[A-Z]{2}[A-Z2-9]{3}",
    "This is not a UN/LOCODE (two letters for the country, three characters for the place).",
    "Write it like HKHKG; for a place without a code use name and country instead.",
    " ",
)
_hs = _fixed(
    r"[0-9]{4}([0-9]{2}){0,4}|[0-9]{2}",
    "This is not a Harmonized System code (2, 4, 6, 8, 10 or 12 digits).",
    "Write its digits in quotes, with or without dots: '7204.49'.",
    " .",
)
_flight = _fixed(
    r"[A-Z0-9]{2}[A-Z]?[0-9]{1,4}[A-Z]?",
    "This is not a flight number.",
    "Write the airline's code and the number: CX100.",
    " -",
)
_awb = _fixed(
    r"[0-9]{11}",
    "This is not an air waybill number (eleven digits, beginning with the airline's three).",
    "Write it like 160-12345675; a house waybill goes into house_waybill.",
    " -",
)


def _air_waybill(value: object) -> object:
    number = _awb(value)
    if isinstance(number, str):
        digit = str(int(number[3:10]) % 7)  # IATA Resolution 600a: the serial number modulo seven
        if number[10] != digit:
            raise refuse(
                "check-digit",
                f"The check digit of {number} is wrong: it ends in {number[10]}, but {digit} is expected.",
                "Compare every digit with the waybill; one of them is mistyped.",
            )
    return number


ContainerNumber = Annotated[str, BeforeValidator(_CONTAINER_CHECK), Field(description="ISO 6346, check digit verified")]
ImoNumber = Annotated[
    str,
    BeforeValidator(_imo, json_schema_input_type=str | int),
    Field(description="seven digits, check digit verified"),
]
Mmsi = Annotated[str, BeforeValidator(_mmsi, json_schema_input_type=str | int), Field(description="nine digits")]
CasNumber = Annotated[str, BeforeValidator(_cas), Field(description="CAS registry number, check digit verified")]
Locode = Annotated[str, BeforeValidator(_locode), Field(description="UN/LOCODE, five characters")]
HsCode = Annotated[
    str,
    BeforeValidator(_hs, json_schema_input_type=str | int),
    Field(description="Harmonized System code, digits only"),
]
FlightNumber = Annotated[str, BeforeValidator(_flight), Field(description="airline code and number")]
AirWaybill = Annotated[
    str,
    BeforeValidator(_air_waybill, json_schema_input_type=str | int),
    Field(description="eleven digits, check digit verified"),
]
