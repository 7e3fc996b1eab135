"""YAML for the source file, read strictly, with the line on which each value stands.

Only plain values: no anchors, tags, floats, doubled keys or second document. A date stays the text it is written as.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from schemas.codec import Value
from schemas.errors import BadSource, SourceProblem
from schemas.limits import MAX_METADATA

Path = tuple[str | int, ...]
"""Where a value stands: ``("agencies", 2, "name")``."""

MAX_DEPTH: Final = 12
"""Nesting of lists and maps; the source needs seven."""

_TEXT = "tag:yaml.org,2002:str"
_COLLECTIONS: Final = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_SCALARS: Final[Mapping[str, Callable[[str], Value]]] = {
    "tag:yaml.org,2002:bool": {"true": True, "false": False}.__getitem__,
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:timestamp": str,
    _TEXT: str,
}


@dataclass(slots=True)
class Lines:
    """A value, and on which line (from 1) each part of it stands."""

    value: Value = None
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of the nearest part that stands in the file."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def load_lines(text: str) -> Lines:
    """Read the source file's text. Raises `BadSource` with the line of the first fault of form."""
    if len(text) > MAX_METADATA:
        raise _refusal(1, f"the file has more than {MAX_METADATA} characters")
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refusal(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise _refusal(1, f"not YAML: {str(error)[:200]}") from error
    found = Lines(lines={(): 1})
    if not isinstance(node, yaml.MappingNode):
        raise _refusal(1, "the file is not a map of sections")
    found.value = _value(node, (), found)
    return found


def _check_events(text: str) -> None:
    """What `yaml.compose` would do more than we allow, seen before it does it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refusal(line, "anchors and aliases are not used here: write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _refusal(line, f"lists and maps nest deeper than {MAX_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _refusal(line, "a second document begins here; the file holds one")


def _value(node: yaml.Node, path: Path, found: Lines) -> Value:
    found.lines[path] = line = node.start_mark.line + 1
    if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
        raise _refusal(line, f"{node.tag[:40]!a} is no plain list or map")
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, number), found) for number, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        value: dict[str, Value] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                raise _refusal(key.start_mark.line + 1, "a key is not plain text")
            if key.value in value:
                raise _refusal(key.start_mark.line + 1, f"{key.value} is there twice")
            value[key.value] = _value(item, (*path, key.value), found)
            found.lines[(*path, key.value)] = key.start_mark.line + 1
        return value
    if node.tag == "tag:yaml.org,2002:int":
        if not node.value.isascii() or not node.value.isdecimal() or (node.value[0] == "0" and node.value != "0"):
            raise _refusal(line, f"{node.value[:40]!a} is not a plain whole number")
        return int(node.value) if len(node.value) < 19 else _too_long(line)
    try:
        return _SCALARS[node.tag](node.value)
    except KeyError:
        shown = f"{str(node.value)[:40]!a} is neither text, a whole number, true nor false; put text in quotes"
        raise _refusal(line, shown) from None


def _too_long(line: int) -> int:
    raise _refusal(line, "a number is too long")


def _refusal(line: int, message: str) -> BadSource:
    return BadSource(f"line {line}: {message}", problems=(SourceProblem(line, "", message),))
