"""Good alerts are read without a report, and nothing else is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert import document as document_module
from schemas.alert.alert import Alert
from schemas.alert.canonical import read_canonical
from schemas.alert.codes import MAX_ALERT
from schemas.alert.document import alert_from_wire, alert_to_wire, compose_alert, load_document
from schemas.codec import Value, decode, encode
from schemas.errors import BadDocument
from schemas.ids import uuid7
from schemas.limits import MAX_BODY
from tests.fuzz.mutator import mutated
from tests.support.alert_documents import MINIMAL, documents

ID = uuid7(1_770_000_000_000, lambda n: bytes(range(n)))
CASES = sorted((Path(document_module.__file__).parents[1] / "examples" / "cases").glob("[a-z][a-z]-*.yaml"))


def written(document: dict[str, Any]) -> dict[str, Value]:
    return alert_to_wire(compose_alert(document, alert_id=ID, sender="hk-customs", composed=1_770_000_000_000))


@cache
def example(case: Path) -> bytes:
    return encode(written(load_document(case.read_text(encoding="utf-8"), format="yaml")))


def reported(value: Value) -> Alert | None:
    """What the reading with a report makes of it."""
    try:
        return document_module._read(value)
    except BadDocument:
        return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_example_is_read_without_a_report(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = decode(example(case), max_size=MAX_BODY)
    alert = document_module._read(wire)
    monkeypatch.delattr(document_module, "_read")
    assert alert_from_wire(wire) == alert
    assert alert_to_wire(alert) == wire


@given(documents())
def test_whatever_is_composed_is_read_without_a_report(document: dict[str, Any]) -> None:
    wire = written(document)
    assert read_canonical(wire) == reported(wire)
    assert read_canonical(wire) is not None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 1 << 32))
def test_the_verdict_is_the_same_near_an_example(case: Path, seed: int) -> None:
    data = mutated(example(case), MAX_BODY, seed, lambda given, _: given)
    value = decode(data, max_size=MAX_BODY)
    value = _retyped(value, Random(seed)) if seed % 3 == 0 else value
    assert read_canonical(value) == reported(value)


def _retyped(value: Any, random: Random) -> Any:
    """With one of its numbers or flags, if it has any, of another type that Python takes for equal."""
    match value:
        case dict() | list() if value:
            keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
            key = random.choice(keys)
            copy = value.copy()
            copy[key] = _retyped(value[key], random)
            return copy
        case bool():
            return int(value)
        case int():
            return random.choice((bool(value), float(value)))
    return value


NESTED: dict[str, Any] = {
    **MINIMAL,
    "dates": [{"event": "seizure", "date": "2026-01-31", "about": True}],
    "subjects": [
        {"type": "container", "number": "CSQU3054383", "count": 1, "label": "box-1"},
        {
            "type": "location",
            "relative": {"distance": "12", "unit": "nm", "of": "the light"},
            "within": "box-1",
        },
    ],
    "grading": {"source": "A", "information": 1},
}


def test_nested_fields_are_good_to_begin_with() -> None:
    assert read_canonical(written(NESTED)) is not None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), True),
        (("version",), 1.0),
        (("composed",), 1_770_000_000_000.0),
        (("grading", "information"), True),
        (("grading", "information"), 1.0),
        (("subjects", 0, "count"), True),
        (("subjects", 0, "count"), 1.0),
        (("dates", 0, "about"), 1),
        (("dates", 0, "about"), False),
        (("subjects", 0, "invented"), False),
        (("subjects", 0, "note"), None),
        (("subjects", 0, "seals"), []),
        (("narrative",), None),
        (("narrative",), b"bytes"),
        (("caveats",), []),
        (("title",), " Watch for a container"),
        (("title",), 7),
        (("to",), "sg-cnb"),
        (("to",), [" sg-cnb"]),
        (("to",), []),
        (("to",), ("sg-cnb",)),
        (("subjects", 0, "number"), "csqu3054383"),
        (("subjects", 0), []),
        (("subjects", 1, "within"), "box-2"),
        (("subjects", 1, "relative", "distance"), 12),
        (("surprise",), 1),
        (("kind",), "recall"),
        (("marking",), "red"),
    ],
)
def test_anything_else_is_left_to_the_report(path: tuple[str | int, ...], value: Any) -> None:
    wire: Any = written({**NESTED, "to": ["all"]} if value == "red" else NESTED)
    inner = wire
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert read_canonical(wire) is None
    with pytest.raises(BadDocument):
        alert_from_wire(wire)


@pytest.mark.parametrize(
    "path",
    [("language",), ("marking",), ("status",), ("precedence",), ("version",), ("subjects", 1, "relative", "unit")],
)
def test_a_field_that_says_something_of_itself_is_not_left_out(path: tuple[str | int, ...]) -> None:
    wire: Any = written(NESTED)
    inner = wire
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    assert read_canonical(wire) is None
    with pytest.raises(BadDocument, match="form the wire demands"):
        alert_from_wire(wire)


@pytest.mark.parametrize(
    "value", [None, [], 1, "alert", b"", {}, {1: 2}, {"title": "\ud800"}, {**MINIMAL, "to": 1 << 70}]
)
def test_what_is_no_alert_at_all(value: Any) -> None:
    assert read_canonical(value) is None
    with pytest.raises(BadDocument):
        alert_from_wire(value)


def test_an_alert_over_its_bound_is_left_to_the_report() -> None:
    vessel = {"type": "vessel", "description": "\U0001f6a2" * 400, "note": "\U0001f6a2" * 400}
    fits = MAX_ALERT // len(encode({**vessel}))
    wire = written({**MINIMAL, "subjects": [vessel] * (fits - 1)})
    assert read_canonical(wire) is not None
    wire["subjects"] = [{**vessel} for _ in range(fits + 1)]
    assert read_canonical(wire) is None
    with pytest.raises(BadDocument, match="larger than"):
        alert_from_wire(wire)
