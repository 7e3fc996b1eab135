"""The field types every part of an alert is made of: text, numbers, dates, countries, currencies, addresses.

Each type takes what an officer may sensibly write and returns the one canonical form that goes on the wire. Reading
from the wire compares with that form, so leniency towards officers never becomes leniency towards peers.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final

from iso3166 import countries_by_alpha2, countries_by_apolitical_name
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from schemas.alert import codes


class Part(BaseModel):
    """Base of all alert types: strict, closed, immutable, built on first use to keep imports quick."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)


def refuse(code: str, message: str, hint: str) -> PydanticCustomError:
    """Make the error a validator raises: a stable code, one sentence, and what to do next."""
    return PydanticCustomError(code, "{text}", {"text": message, "hint": hint})


def optional(description: str) -> Any:
    """Declare a field that may be left out."""
    return Field(default=None, description=description)


def required(description: str) -> Any:
    """Declare a field that must be there."""
    return Field(description=description)


def switch(description: str) -> Any:
    """Declare a yes/no field; `false` is the same as leaving it out and never travels."""
    return Field(default=False, description=description)


def several(description: str, most: int = codes.MAX_FEW) -> Any:
    """Declare a list that may be empty, of at most `most` members."""
    return Field(default_factory=list, max_length=most, description=description)


def close_to(word: str, known: Any) -> str:
    """Return ' Did you mean ...?' for the nearest of `known`, or nothing."""
    import difflib

    near = difflib.get_close_matches(word[:40].lower(), {str(k).lower(): None for k in known}, n=1, cutoff=0.6)
    match = next((str(k) for k in known if near and str(k).lower() == near[0]), None)
    return f"Did you mean {match!r}? " if match else ""


# --- text ----------------------------------------------------------------------------------------------------------
# Controls can rewrite a reader's terminal, bidirectional overrides can make a text read otherwise than it is.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


_MARKS = 30
"""Marks on one letter: UAX #15's Stream-Safe Text Format. Normalising takes time with the square of their number."""
_PRINTED = bytes([*b"\n", *range(0x20, 0x7F)])
_MOST = 4 * codes.MAX_NARRATIVE  # no text within the bounds is longer before it is normalised


def _heaped(text: str) -> bool:
    marks = 0
    for character in "" if text.isascii() else text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MARKS:
            return True
    return False


def _text(value: object, *, lines: bool) -> object:
    if type(value) is str and value.isascii() and len(value) <= _MOST:
        # To look for what cannot be printed so takes a long text a third of the time that `isprintable` does.
        printed = not value.encode("ascii").translate(None, _PRINTED) if lines else value.isprintable()
        if printed:
            return value.strip()
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(value)  # an unquoted number in a text field: 4711 means "4711"
    if not isinstance(value, str) or len(value) > _MOST:
        return value  # of a wrong type, or too long in any form: refused by what follows
    if _heaped(value):
        raise refuse(
            "bad-character",
            f"More than {_MARKS} marks stand on one letter of this text.",
            "Remove them; no script needs so many.",
        )
    value = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    bad = _UNSAFE.search(value) or (None if lines else re.search(r"[\n\t]", value))
    if bad:
        raise refuse(
            "bad-character",
            f"This text holds the character U+{ord(bad.group()):04X}, which is not allowed here.",
            "Remove it; control characters, text-direction marks and, in one-line fields, line breaks are refused.",
        )
    return value


AS_IT_IS: Final[dict[Callable[[Any], object], core_schema.StringSchema]] = {}
"""Texts that a validator returns as they are, beyond doubt: pydantic looks for this form without asking it.

The patterns are of Rust's `regex`: no look-around, and `\\z` for the end, as everywhere here.
"""

_one_line = partial(_text, lines=False)
AS_IT_IS[_one_line] = core_schema.str_schema(pattern=r"^[!-~]([ -~]*[!-~])?\z", strict=True)

_Line = BeforeValidator(_one_line)
Short = Annotated[str, StringConstraints(min_length=1, max_length=codes.MAX_SHORT), _Line]
Line = Annotated[str, StringConstraints(min_length=1, max_length=codes.MAX_LINE), _Line]
Title = Annotated[str, StringConstraints(min_length=1, max_length=codes.MAX_TITLE), _Line]
Prose = Annotated[
    str,
    StringConstraints(min_length=1, max_length=codes.MAX_NARRATIVE),
    BeforeValidator(partial(_text, lines=True)),
]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\z", max_length=32), _Line]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]


def _form(
    pattern: str, code: str, message: str, hint: str, *, plain: core_schema.StringSchema | None = None
) -> BeforeValidator:
    """Build a validator for a text with a fixed ASCII form; ``plain`` is a form of which all fit it."""
    form = re.compile(pattern, re.ASCII)

    def check(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = value.strip()
        if not form.fullmatch(text):
            raise refuse(code, message, hint)
        return text

    if plain is not None:
        AS_IT_IS[check] = plain
    return BeforeValidator(check)


_SLUG = core_schema.str_schema(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\z", max_length=32, strict=True)


Url = Annotated[
    str,
    StringConstraints(max_length=codes.MAX_URL),
    _form(
        r"https?://[^\s\x00-\x20\x7f<>]+",
        "bad-form",
        "This is not a web address.",
        "Write it in full, beginning with https:// or http://, without spaces.",
        plain=core_schema.str_schema(pattern=r"^https?://[!-;=?-~]+\z", strict=True),
    ),
]
Language = Annotated[
    str,
    _form(
        r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?",
        "bad-language",
        "This is not a BCP 47 language tag.",
        "Use a tag such as en, th, zh-Hant or pt-BR.",
        plain=core_schema.str_schema(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?\z", strict=True),
    ),
]
Slug = Annotated[
    str,
    _form(
        r"(?=.{1,32}$)[a-z0-9]+(-[a-z0-9]+)*",
        "bad-form",
        "This is not an id of the directory.",
        "Ids are lower-case letters and digits with single hyphens, at most 32 characters: marker, south-asia.",
        plain=_SLUG,
    ),
]
Address = Annotated[
    str,
    _form(
        r"((region|operation):)?(?=[^:]{1,32}$)[a-z0-9]+(-[a-z0-9]+)*",
        "bad-address",
        "This is not an address.",
        "Write an agency (hk-customs), region:oceania, operation:marker, or all.",
        plain=_SLUG,
    ),
]
MediaType = Annotated[
    str,
    _form(
        r"(?=.{3,100}$)[a-z]+/[a-z0-9][a-z0-9.+-]*",
        "bad-form",
        "This is not a media type.",
        "Use a type such as image/png or application/pdf.",
    ),
]


def as_list(value: object) -> object:
    """Take one entry where a list is expected: `to: all` means `to: [all]`."""
    return [value] if isinstance(value, str | dict) else value


class _OneOrMore:
    """Metadata of a list that may be written as its only entry."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many.get("items", {}), many]}


ONE_OR_MORE = _OneOrMore()


# --- numbers -------------------------------------------------------------------------------------------------------
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


def canonical_decimal(value: object) -> str:
    """Return the one text of a decimal number: no exponent, no leading or trailing zeros, no minus zero.

    Takes int, Decimal, float (by its shortest decimal) and text. Raises `bad-number`.
    """
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > codes.MAX_DIGITS:
            raise _bad_number()
        text = format(value, "f")
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value) if abs(value) < 10**codes.MAX_DIGITS else ""
    elif isinstance(value, str):
        text = value.strip()
    else:
        raise _bad_number()
    if len(text) > codes.MAX_DIGITS * 2 or not _DECIMAL.fullmatch(text):
        raise _bad_number()
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text) > codes.MAX_DIGITS:
        raise _bad_number()
    return "0" if text == "-0" else text


def _bad_number() -> PydanticCustomError:
    return refuse(
        "bad-number",
        "This is not a decimal number.",
        "Write digits with a point for decimals and no thousands separators: 1250.5, not 1,250.5.",
    )


def _amount(value: object) -> str:
    text = canonical_decimal(value)
    if text.startswith("-"):
        raise refuse("out-of-range", "This number cannot be negative.", "Write it without the minus sign.")
    return text


_NUMERIC = str | int | float
_DIGITS = {"pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"}
Signed = Annotated[
    str, BeforeValidator(canonical_decimal, json_schema_input_type=_NUMERIC), Field(json_schema_extra=_DIGITS)
]
Amount = Annotated[str, BeforeValidator(_amount, json_schema_input_type=_NUMERIC), Field(json_schema_extra=_DIGITS)]
Count = Annotated[int, Field(ge=0, le=codes.MAX_COUNT)]


# --- dates ---------------------------------------------------------------------------------------------------------
_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?(Z|[+-](?:0\d|1[0-4]):[0-5]\d))?)?)?", re.ASCII
)


def _moment(value: object) -> object:
    if isinstance(value, dt.datetime):
        value = value.isoformat().replace("+00:00", "Z")
    elif isinstance(value, dt.date):
        value = value.isoformat()
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a bare year
    if not isinstance(value, str):
        return value
    text = value.strip()
    match = _MOMENT.fullmatch(text)
    if match:
        year, month, day, hour, minute, second = (int(g or d) for g, d in zip(match.groups(), "111000", strict=False))
        try:
            dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - a check of the numbers, not a time
        except ValueError:
            match = None
    if not match:
        raise refuse(
            "bad-date",
            "This is not a date.",
            "Write 2026-01-31, or as much as is known (2026-01, 2026), or a time with its zone: 2026-01-31T08:30Z.",
        )
    return text


Moment = Annotated[
    str,
    BeforeValidator(_moment, json_schema_input_type=str | int),
    Field(description="A date as precise as it is known: YYYY, YYYY-MM, YYYY-MM-DD, or a time with its zone."),
]


# --- lists of the world --------------------------------------------------------------------------------------------
def _country(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip().upper()
    if text not in countries_by_alpha2:
        names = {name.title(): c.alpha2 for name, c in countries_by_apolitical_name.items()}
        exact = names.get(value.strip().title())
        near = f"Did you mean {exact}? " if exact else close_to(value, names)
        raise refuse(
            "bad-country",
            f"{value.strip()[:40]!r} is not a country code of ISO 3166.",
            near + "Use the two-letter code, such as TH or NZ.",
        )
    return text


def _currency(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip().upper()
    if text not in codes.CURRENCIES:
        raise refuse(
            "bad-currency",
            f"{value.strip()[:40]!r} is not a currency code of ISO 4217.",
            close_to(value, codes.CURRENCIES) + "Use the three-letter code, such as HKD or AUD.",
        )
    return text


Country = Annotated[str, BeforeValidator(_country), Field(description="ISO 3166 alpha-2 code")]
Currency = Annotated[str, BeforeValidator(_currency), Field(description="ISO 4217 code")]
