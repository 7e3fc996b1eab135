from __future__ import annotations

import importlib.resources
import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given

from schemas.alert import export
from schemas.alert.document import alert_to_wire, compose_alert, load_document
from schemas.ids import uuid7
from tests.support.alert_documents import MINIMAL, documents

EXAMPLES = importlib.resources.files("schemas.examples")
SCHEMA = export.json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_committed_schema_is_current() -> None:
    """If not: python -c 'from schemas.alert import export; print(export.render(), end="")' > (that file)."""
    committed = importlib.resources.files("schemas.alert").joinpath("alert.schema.json").read_text(encoding="utf-8")
    assert committed == export.render()
    assert json.loads(committed) == SCHEMA


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["required"] == ["kind", "title", "to"]
    assert SCHEMA["additionalProperties"] is False
    assert SCHEMA["properties"]["id"]["readOnly"]
    assert "\\z" not in export.render()


@pytest.mark.parametrize("folder", ["cases", "templates"])
def test_the_schema_accepts_the_examples_and_their_wire_form(folder: str) -> None:
    for entry in EXAMPLES.joinpath(folder).iterdir():
        if entry.name.endswith(".yaml") and entry.name != "index.yaml":
            document = load_document(entry.read_text(encoding="utf-8"), format="yaml")
            VALIDATOR.validate(document)
            alert = compose_alert(document, alert_id=uuid7(0, bytes), sender="hk-customs", composed=0)
            VALIDATOR.validate(alert_to_wire(alert))


@given(documents())
def test_the_schema_accepts_every_alert(document: dict[str, Any]) -> None:
    alert = compose_alert(document, alert_id=uuid7(0, bytes), sender="hk-customs", composed=0)
    VALIDATOR.validate(alert_to_wire(alert))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "wach"},
        {"titel": "x"},
        {"title": ""},
        {"to": []},
        {"marking": "secret"},
        {"subjects": [{"type": "vesel"}]},
        {"subjects": [{"type": "container", "nummer": "x"}]},
        {"grading": {"source": "Z", "information": 1}},
        {"expires_hours": 0},
    ],
)
def test_the_schema_refuses_what_it_can_see(change: dict[str, Any]) -> None:
    VALIDATOR.validate(MINIMAL)
    assert list(VALIDATOR.iter_errors({**MINIMAL, **change}))
