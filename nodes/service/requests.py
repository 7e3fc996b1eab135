"""What comes in over the local API, read strictly: one JSON object or a query, every field known and of its type."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.errors import Malformed, TooDeep, TooLarge

__all__ = ["Given", "read_object"]

MAX_DIGITS = 30
"""Digits of a number in a document; longer ones only cost time to read."""

MAX_PARTS = 500_000
"""Lists, objects and their items in a request: an empty object is three bytes to send, and 64 to hold. What is large in
an honest request is a file in base64, which has none of these."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data` (RFC 8259); decimals become `Decimal`, no bytes at all an empty object.

    Raises `Malformed` for anything else, a field given twice included, `TooDeep`, and `TooLarge` for too many parts.
    """
    if not data:
        return {}
    if sum(map(data.count, (b"{", b"[", b","))) > MAX_PARTS:
        raise TooLarge(f"the request has more than {MAX_PARTS} parts", hint="Send less at once.")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise Malformed("the request is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(
            f"the request is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            hint="Check commas, braces and quotes there.",
        ) from error
    except RecursionError as error:
        raise TooDeep("the request is nested too deep") from error
    if not isinstance(value, dict):
        raise Malformed("the request is not a JSON object", hint='Put it in braces, as in {"document": {...}}.')
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise Malformed(f"the field {name[:60]!a} stands there twice", hint="Keep one of them.")
        fields[name] = value
    return fields


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Malformed(f"a number has more than {MAX_DIGITS} digits", hint="Put it in quotes.")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond what the machine counts with
        raise Malformed("a number is too large or too small", hint="Write it out, or put it in quotes.") from None


def _constant(name: str) -> object:
    raise Malformed(f"{name} is not JSON", hint="Leave the field out.")


class Given:
    """The fields of a request, taken one by one; `done` refuses what nobody asked for."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._left = dict(fields)

    def text(self, name: str) -> str | None:
        """A text, or None. Raises `Malformed`."""
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise Malformed(f"{name} must be a text", hint="Put it in quotes.")
        return value

    def word(self, name: str, words: tuple[str, ...]) -> str:
        """One of `words`. Raises `Malformed`."""
        value = self.text(name)
        if value not in words:
            raise Malformed(f"{name} must be one of {', '.join(words)}", hint=f"Give {name} one of these values.")
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """A JSON object, or None. Raises `Malformed`."""
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, dict):
            raise Malformed(f"{name} must be an object", hint=f'Give it as {{"{name}": {{...}}}}.')
        return value

    def list(self, name: str) -> list[Any]:
        """A JSON list; an empty one if there is none. Raises `Malformed`."""
        value = self._left.pop(name, [])
        if not isinstance(value, list):
            raise Malformed(f"{name} must be a list", hint=f'Give it as {{"{name}": [...]}}.')
        return value

    def blob(self, name: str) -> bytes:
        """Bytes in base64 (RFC 4648 section 4, padded). Raises `Malformed`."""
        value = self.text(name)
        try:
            data = base64.b64decode(value or "", validate=True)
        except ValueError:
            data = b""
        if not data or base64.b64encode(data).decode("ascii") != value:
            raise Malformed(f"{name} must be bytes in base64", hint="Use the padded alphabet of RFC 4648, one line.")
        return data

    def number(self, name: str) -> int | None:
        """A whole number in a query, as text, or None. Raises `Malformed`."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise Malformed(f"{name} must be a whole number", hint=f"For example {name}=50.")
        return int(value)

    def flag(self, name: str) -> bool:
        """`1` or `0` in a query; 0 if it is not there. Raises `Malformed`."""
        value = self._left.pop(name, "0")
        if value not in ("0", "1"):
            raise Malformed(f"{name} must be 1 or 0", hint=f"For example {name}=1.")
        return bool(value == "1")

    def done(self) -> None:
        """Refuse fields that were not taken. Raises `Malformed`."""
        if self._left:
            name = min(self._left)
            raise Malformed(f"{name[:60]!a} is not a field of this request", hint="See docs/spec/local-api.md.")
