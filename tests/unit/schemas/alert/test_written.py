"""The types of an alert as they are written: what passes them is on the wire as it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

from schemas.alert import written as written_module
from schemas.alert.alert import Alert
from schemas.alert.document import alert_to_wire, compose_alert
from schemas.alert.fields import AS_IT_IS, Part
from schemas.alert.written import written_alert
from schemas.ids import uuid7
from tests.support.alert_documents import MINIMAL

ID = uuid7(1_770_000_000_000, lambda n: bytes(range(n)))
FORMS = {form["pattern"]: (function, form) for function, form in AS_IT_IS.items()}


@pytest.mark.parametrize("pattern", FORMS)
@given(st.data())
def test_a_text_of_a_plain_form_is_returned_as_it_is(pattern: str, data: st.DataObject) -> None:
    function, form = FORMS[pattern]
    text = data.draw(st.from_regex(pattern.replace(r"\z", r"\Z"), fullmatch=True))
    assume(len(text) <= form.get("max_length", len(text)))
    assert function(text) == text


def test_every_validator_with_a_plain_form_is_one_of_an_alert() -> None:
    assert len(AS_IT_IS) == len(FORMS) + 1  # an address and an id have one form, and two messages


def everything(part: type[BaseModel]) -> None:
    part.model_rebuild()
    for narrower in part.__subclasses__():
        everything(narrower)


def test_parts_that_were_built_before_are_not_taken_for_what_they_take_from_officers() -> None:
    everything(Part)
    validate = written_alert.__wrapped__()
    document = {**MINIMAL, "subjects": [{"type": "container", "number": "CSQU3054383"}], "grading": None}
    wire: Any = alert_to_wire(compose_alert(document, alert_id=ID, sender="hk-customs", composed=1_770_000_000_000))
    assert type(validate(wire)) is Alert
    wire["subjects"][0]["number"] = "csqu 305438-3"
    with pytest.raises(ValidationError, match="written in another way"):
        validate(wire)


@pytest.mark.parametrize(
    "schema",
    [
        core_schema.float_schema(),
        core_schema.nullable_schema(core_schema.str_schema()),
        core_schema.literal_schema([b"bytes"]),
        core_schema.no_info_after_validator_function(str, core_schema.str_schema()),
        core_schema.with_info_before_validator_function(lambda value, _: value, core_schema.str_schema()),
        core_schema.with_info_after_validator_function(lambda value, _: value, core_schema.str_schema()),
    ],
)
def test_a_kind_of_field_that_nobody_looked_at_does_not_pass(schema: Any) -> None:
    with pytest.raises(TypeError):
        written_module._written(schema)
