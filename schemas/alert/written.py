"""An alert's types, narrowed to what goes on the wire: whatever would be written in another way does not pass.

Derived from the types themselves, so that there is no second list of fields. A field with something to say must be
there; one with nothing to say must not; a validator that takes what officers find convenient must return what it was
given. What is of no kind known here raises TypeError, so a new sort of field is looked at before it passes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator, core_schema

from schemas.alert.alert import Alert, distinct
from schemas.alert.fields import AS_IT_IS, as_list

Validate = Callable[[object], Alert]
_LEAVES: Final = frozenset({"str", "int", "definition-ref"})
_BOUNDS: Final = frozenset({"min_length", "max_length"})


@cache
def written_alert() -> Validate:
    """Reads an alert in the form of the wire. Raises `ValidationError` for everything else."""
    # A part that was built by itself would be taken as it is, for what it takes from officers.
    validate: Validate = SchemaValidator(_written(TypeAdapter(Alert).core_schema), _use_prebuilt=False).validate_python
    return validate


def _written(schema: Any) -> Any:
    kind = schema["type"]
    if kind in _LEAVES:
        return schema
    if kind == "definitions":
        return {**schema, "schema": _written(schema["schema"]), "definitions": [*map(_written, schema["definitions"])]}
    if kind == "model":
        return {**schema, "schema": _written(schema["schema"])}
    if kind == "model-fields":
        return {**schema, "fields": {name: _field(field) for name, field in schema["fields"].items()}}
    if kind == "tagged-union":
        return {**schema, "choices": {tag: _written(choice) for tag, choice in schema["choices"].items()}}
    if kind == "union":
        return {**schema, "choices": [*map(_written, schema["choices"])]}
    if kind == "literal":
        return _literal(schema, schema["expected"])
    if kind == "bool":
        return core_schema.chain_schema([schema, core_schema.literal_schema([True])])  # what is not so is not said
    if kind == "list":
        return {**schema, "items_schema": _written(schema["items_schema"]), "min_length": schema.get("min_length") or 1}
    if kind == "function-before" and schema["function"]["type"] == "no-info":
        return _before(schema["function"]["function"], schema["schema"])
    if kind == "function-after" and schema["function"]["type"] == "no-info":
        return _after(schema, schema["function"]["function"], _written(schema["schema"]))
    raise TypeError(f"how a field of the kind {kind} is written is not known: {schema}")


def _field(field: Any) -> Any:
    schema = field["schema"]
    if schema["type"] != "default":
        return {**field, "schema": _written(schema)}
    inner = schema["schema"]
    if inner["type"] == "nullable" and schema.get("default", ...) is None:
        return {**field, "schema": {**schema, "schema": _written(inner["schema"])}}
    if schema.get("default_factory") is list or schema.get("default") is False:
        return {**field, "schema": {**schema, "schema": _written(inner)}}
    return {**field, "schema": _written(inner)}


def _literal(schema: Any, expected: list[object]) -> Any:
    if all(type(word) is str for word in expected):
        return schema
    (number,) = expected  # by itself a literal takes what Python holds for equal: True and 1.0 for 1
    if type(number) is not int:
        raise TypeError(f"how {number} is written is not known")
    return core_schema.int_schema(ge=number, le=number, strict=True)


def _before(function: Callable[[Any], object], inner: Any) -> Any:
    if function is as_list:
        return _written(inner)
    checked = core_schema.no_info_before_validator_function(_unchanged(function), _written(inner))
    form = AS_IT_IS.get(function)
    if form is None or inner["type"] != "str" or "pattern" in inner:
        return checked
    bound = min(form.get("max_length", 1 << 32), inner.get("max_length", 1 << 32))
    return core_schema.union_schema([{**inner, **form, "max_length": bound}, checked], mode="left_to_right")


def _after(schema: Any, function: Any, inner: Any) -> Any:
    if schema["schema"]["type"] == "model" or function is distinct:  # these look, and change nothing
        return {**schema, "schema": inner}
    if isinstance(function, partial) and inner["type"] == "list" and function.keywords.keys() <= _BOUNDS:
        return {**inner, **function.keywords}
    raise TypeError(f"what {function} makes of a value is not known")


def _unchanged(function: Callable[[Any], object]) -> Callable[[Any], object]:
    def check(value: Any) -> object:
        made = function(value)
        if made is not value and not (type(made) is str is type(value) and made == value):
            raise ValueError("it is written in another way")
        return value

    return check
