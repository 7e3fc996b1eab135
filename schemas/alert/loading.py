"""Reading an officer's file: a small, strict subset of YAML 1.2, and strict JSON.

Plain scalars are read as YAML 1.2's core schema reads them, so that `NO` is Norway and `2026-01-02` stays the text it
is; decimals become `Decimal`, never binary floats. What a document of facts does not need is refused: aliases,
anchors, tags, several documents, repeated keys, keys that are not text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import yaml

from schemas.alert.problems import Problem
from schemas.errors import BadDocument, Malformed, TooDeep, TooLarge
from schemas.limits import MAX_DEPTH, MAX_DOCUMENT

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,29})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,29})\.[0-9]{1,30}", re.ASCII)
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is built in; the events are the same
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


def load_document(
    text: str,
    *,
    format: Literal["yaml", "json"],  # noqa: A002 - the plain word; nothing here formats
) -> dict[str, object]:
    """Read a document from text of at most MAX_DOCUMENT bytes; numbers with a point become `Decimal`.

    Raises TooLarge, TooDeep, Malformed (not YAML or JSON), BadDocument (a construct refused, with its line).
    """
    try:
        size = len(text) if len(text) > MAX_DOCUMENT else len(text.encode())
    except UnicodeEncodeError:
        raise Malformed("The document holds half a character.", hint="Save it as UTF-8.") from None
    if size > MAX_DOCUMENT:
        raise TooLarge(
            f"The document is larger than {MAX_DOCUMENT} bytes.",
            hint="Shorten it, or send long reports as attachments.",
        )
    value = _load_yaml(text) if format == "yaml" else _load_json(text)
    if not isinstance(value, dict):
        raise Malformed("The document is not a group of fields.", hint="Begin with lines such as 'kind: watch'.")
    return value


class _Refused(Exception):
    """Carries a problem out of the parsers; never leaves this module."""

    def __init__(self, code: str, line: int, message: str, hint: str) -> None:
        self.problem = Problem(f"line {line}", code, message, hint)


def _load_yaml(text: str) -> object:
    try:
        return _Reader(text).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "its beginning"
        what = getattr(error, "problem", None) or "unreadable characters"
        raise Malformed(
            f"This is not readable YAML at {where}: {what}.",
            hint="Check indentation (spaces, not tabs), colons and quotes on and above that line.",
        ) from None
    except _Refused as refused:
        raise BadDocument(refused.problem.message, hint=refused.problem.hint, problems=(refused.problem,)) from None


class _Reader:
    """Builds values straight from the parser's events, so that nothing refused is ever built."""

    def __init__(self, text: str) -> None:
        self._events = iter(yaml.parse(text, Loader=_PARSER))

    def document(self) -> object:
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), 0)
        next(self._events)  # document end
        after: Any = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Refused(
                "bad-key", after.start_mark.line + 1, "A second document begins here.", "Send one document per file."
            )
        return value

    def _value(self, event: Any, depth: int) -> object:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _Refused("yaml-alias", line, "Anchors and aliases are not used here.", "Write it out, or in quotes.")
        if event.tag:
            raise _Refused("yaml-tag", line, "Tags (!...) are not used here.", "Leave it out, or put quotes around it.")
        if isinstance(event, yaml.ScalarEvent):
            return _plain(event.value) if event.implicit[0] else event.value
        if depth == MAX_DEPTH:
            raise TooDeep(f"Line {line} is nested deeper than {MAX_DEPTH} levels.", hint="Flatten the document.")
        return self._list(depth + 1) if isinstance(event, yaml.SequenceStartEvent) else self._fields(depth + 1)

    def _list(self, depth: int) -> list[object]:
        members = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            members.append(self._value(event, depth))
        return members

    def _fields(self, depth: int) -> dict[str, object]:
        fields: dict[str, object] = {}
        while True:
            event: Any = next(self._events)
            if isinstance(event, yaml.MappingEndEvent):
                return fields
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise _Refused("bad-key", line, "A field name must be a word.", "Write 'name: value'.")
            self._value(event, depth)  # refuses an anchor or a tag
            name = event.value
            if name in fields:
                raise _Refused("duplicate-key", line, f"The field {name[:60]!r} stands here twice.", "Keep one.")
            fields[name] = self._value(next(self._events), depth)


def _plain(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return Decimal(text)
    return text


def _load_json(text: str) -> object:
    def pairs(members: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(members)
        if len(fields) != len(members):
            counts = Counter(name for name, _ in members)
            twice = next(name for name, count in counts.items() if count > 1)
            problem = Problem(
                twice, "duplicate-key", f"The field {twice[:60]!r} stands there twice.", "Keep one of them."
            )
            raise BadDocument(problem.message, hint=problem.hint, problems=(problem,))
        return fields

    def constant(name: str) -> object:
        raise Malformed(f"{name} is not a number of JSON.", hint="Leave the field out.")

    def integer(digits: str) -> int:
        if len(digits) > 31:
            raise Malformed("A number has more than 30 digits.", hint="Shorten it, or put it in quotes.")
        return int(digits)

    def decimal(digits: str) -> Decimal:
        try:
            return Decimal(digits)
        except InvalidOperation:  # an exponent beyond what the machine counts with
            raise Malformed("A number is too large or too small.", hint="Write it out, or put it in quotes.") from None

    _json_depth(text)
    try:
        return json.loads(
            text, object_pairs_hook=pairs, parse_float=decimal, parse_constant=constant, parse_int=integer
        )
    except json.JSONDecodeError as error:
        raise Malformed(
            f"This is not readable JSON at line {error.lineno}, column {error.colno}: {error.msg}.",
            hint="Check commas, braces and quotes on and above that line.",
        ) from None


def _json_depth(text: str) -> None:
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text, re.DOTALL):
        if token.group() in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise TooDeep(f"The document is nested deeper than {MAX_DEPTH} levels.", hint="Flatten it.")
        elif token.group() in "]}":
            depth -= 1
