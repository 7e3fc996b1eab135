"""JSON for governed documents, without the latitude of JSON: no doubled keys, no floats, no lone surrogates."""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from schemas.codec import Fields, Value
from schemas.errors import DirectoryInvalid, Malformed
from schemas.ids import DIGEST_SIZE

FORMAT: Final = 1
"""The version of both document formats."""

_MAX_JSON_DEPTH = 16
"""Nesting of objects and lists; TUF metadata needs seven, our documents four."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def load_json(data: bytes, what: str) -> dict[str, Value]:
    """The JSON object that ``data`` holds as UTF-8. ``what`` names the file in errors. Raises `DirectoryInvalid`."""
    try:
        text = data.decode("utf-8")
        if _depth(text) > _MAX_JSON_DEPTH:
            raise DirectoryInvalid(f"{what} nests deeper than {_MAX_JSON_DEPTH}")
        value = json.loads(text, object_pairs_hook=_distinct, parse_float=_no_float, parse_constant=_no_float)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates have no UTF-8 form
    except ValueError as error:
        raise DirectoryInvalid(f"{what} is not strict JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise DirectoryInvalid(f"{what} is not a JSON object")
    return value


def dump_json(value: Value) -> bytes:
    """JSON for people to read and sign: sorted keys, two spaces, a final line break."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def check_format(reader: Fields) -> None:
    """Refuse a document of another format than this program writes. Raises `Malformed`."""
    found = reader.integer("format")
    if found != FORMAT:
        raise Malformed(f"format {found} is not known here", hint="Update this program.")


def hex_digests(texts: tuple[str, ...], what: str) -> tuple[bytes, ...]:
    """SHA-256 digests from lower-case hex, without doubles. Raises `Malformed`."""
    for text in texts:
        if not _DIGEST.fullmatch(text):
            raise Malformed(f"{what}: {text[:80]!a} is not {DIGEST_SIZE} bytes in lower-case hex")
    if len(set(texts)) != len(texts):
        raise Malformed(f"{what} names a digest twice")
    return tuple(bytes.fromhex(text) for text in texts)


def _depth(text: str) -> int:
    """An upper bound of the nesting, so that the parser below cannot exhaust the stack; brackets in texts count too."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _distinct(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not a whole number")
