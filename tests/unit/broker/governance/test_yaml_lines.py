from __future__ import annotations

import pytest

from broker.governance.yaml_lines import MAX_DEPTH, load_lines
from schemas.errors import BadSource
from schemas.limits import MAX_METADATA


def test_values_and_their_lines() -> None:
    found = load_lines(
        "name: A\nlist:\n  - {id: x, day: 2026-09-01}\n  - id: y\n    flag: true\n    n: 1\n    none: ~\n"
    )
    assert found.value == {
        "name": "A",
        "list": [{"id": "x", "day": "2026-09-01"}, {"id": "y", "flag": True, "n": 1, "none": None}],
    }
    assert found.line(("list", 1, "flag")) == 5
    assert found.line(("list", 1, "absent")) == 4
    assert found.line(("nowhere",)) == 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("- a\n", 1, "not a map"),
        ("", 1, "not a map"),
        ("a: 1\na: 2\n", 2, "twice"),
        ("a: &x 1\nb: *x\n", 1, "anchors"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1.5\n", 1, "neither text"),
        ("a: 1\nb: NO\n", 2, "quotes"),
        ("a: 0x10\n", 1, "plain whole number"),
        ("a: 1_000\n", 1, "plain whole number"),
        ("a: 010\n", 1, "plain whole number"),
        ("a: -1\n", 1, "plain whole number"),
        ("a: 99999999999999999999\n", 1, "too long"),
        ("a: !!python/object:os.system {}\n", 1, "no plain list"),
        ("a: !!binary aGk=\n", 1, "quotes"),
        ("1: a\n", 1, "plain text"),
        ("a: [1\nb: 2\n", 2, "not YAML"),
        ("a: \x00\n", 1, "not YAML"),
        ("a: " + "[" * 99 + "]" * 99, 1, f"deeper than {MAX_DEPTH}"),
        ("a: " + "x" * MAX_METADATA, 1, "characters"),
    ],
)
def test_what_is_refused(text: str, line: int, words: str) -> None:
    with pytest.raises(BadSource) as refused:
        load_lines(text)
    (problem,) = refused.value.problems
    assert words in problem.message
    assert problem.line == line
