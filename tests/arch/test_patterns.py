"""No regular expression takes for ever: each is given what it repeats, very often, and then something that fails it.

A pattern in which repetitions can share the same text between them in many ways tries all of those ways. On strings of
thousands of characters such a test does not end; where each text can be matched in one way only, it ends at once.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]  # the library's own reading of a pattern
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OFTEN = 3_000
CALLS = {"match", "fullmatch", "search", "sub", "finditer", "findall", "split"}


COMPILED = """
import importlib, json, pathlib, re, sys
root, found, compile = pathlib.Path.cwd(), [], re.compile
def noted(pattern, flags=0):
    frame = sys._getframe(1)
    path = pathlib.Path(frame.f_code.co_filename)
    if path.is_relative_to(root) and ".venv" not in path.parts and not isinstance(pattern, re.Pattern):
        written = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        found.append([f"{path.relative_to(root)}:{frame.f_lineno}", written])
    return compile(pattern, flags)
re.compile = noted
for package in ("broker", "nodes", "schemas"):
    for path in sorted(pathlib.Path(package).rglob("*.py")):
        if path.name != "__main__.py":
            importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
json.dump(found, sys.stdout)
"""
"""Imports every module, and notes what it compiles: patterns put together at import are found as they are used."""


def patterns() -> Iterator[tuple[str, str | bytes]]:
    """Every pattern of ours, with where it stands. Those of pydantic (`pattern=`) never backtrack."""
    told = subprocess.run([sys.executable, "-c", COMPILED], cwd=ROOT, capture_output=True, check=True, text=True)
    for where, pattern in json.loads(told.stdout):
        yield f"{where} {pattern[:30]}", pattern
    for package in ("broker", "certs", "deploy", "nodes", "schemas"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                named = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
                of_re = named and node.func.value.id == "re" and node.func.attr in CALLS  # type: ignore[attr-defined]  # see above
                written = [node.args[0]] if of_re and node.args else []
                for found in written:
                    if isinstance(found, ast.Constant) and isinstance(found.value, str | bytes):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", found.value


def pumped(parsed: Any, often: int) -> str:
    """A text that the pattern matches, with what may be repeated repeated so often."""
    made = ""
    for op, argument in parsed:
        match op:
            case _constants.LITERAL:
                made += chr(argument)
            case _constants.NOT_LITERAL:
                made += chr(argument + 1)
            case _constants.ANY:
                made += "a"
            case _constants.IN:
                made += _one_of(argument)
            case _constants.BRANCH:
                made += pumped(argument[1][0], often)
            case _constants.SUBPATTERN:
                made += pumped(argument[3], often)
            case _constants.MAX_REPEAT | _constants.MIN_REPEAT:
                low, high, inside = argument
                nested = any(kind in {_constants.MAX_REPEAT, _constants.SUBPATTERN} for kind, _ in inside)
                times = min(high, often) if high is _constants.MAXREPEAT or high > 1 else low
                made += pumped(inside, 20 if nested else often) * (min(times, 150) if nested else times)
            case _:
                pass  # an assertion matches no character
    return made


def _one_of(members: Any) -> str:
    if members[0][0] is _constants.NEGATE:
        return "a"
    kind, value = members[0]
    if kind is _constants.LITERAL:
        return chr(value)
    if kind is _constants.RANGE:
        return chr(value[0])
    return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}.get(str(value), "a")


FOUND = dict(patterns())


def test_the_patterns_are_found() -> None:
    assert len(FOUND) > 40


@pytest.mark.timeout(20)
@pytest.mark.parametrize("where", FOUND)
def test_no_pattern_takes_for_ever(where: str) -> None:
    written = FOUND[where]
    text = pumped(_parser.parse(written), OFTEN)
    for failing in (text + "\x00", text[: len(text) // 2] + "\x00" + text, text + text + "~"):
        subject = failing if isinstance(written, str) else failing.encode("latin-1", "replace")
        compiled: re.Pattern[Any] = re.compile(written)
        compiled.fullmatch(subject)
        compiled.match(subject)


def test_the_texts_made_here_do_find_a_slow_one() -> None:
    text = pumped(_parser.parse(r"([a-z]+-?)*!"), OFTEN) + "\x00"
    program = "import re, sys; re.fullmatch(r'([a-z]+-?)*!', sys.argv[1])"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", program, text.replace("\x00", "?")], timeout=3, check=False)
