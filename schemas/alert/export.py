"""The JSON Schema of an alert document, for editors and for systems that write documents.

The schema states forms and vocabularies. Check digits, country and currency lists and the rules between fields are
beyond it: `check_document` decides.
"""

from __future__ import annotations

import json
from typing import Any

from schemas.alert.alert import Alert, Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FILLED_IN = ("version", "id", "sender", "composed")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a document; what the node fills in is there too, marked read-only."""
    schema = _tidy(Document.model_json_schema())
    whole = _tidy(Alert.model_json_schema())["properties"]
    for name in _FILLED_IN:
        schema["properties"][name] = {**whole[name], "readOnly": True}
    schema["title"] = "Crossbearing alert document"
    schema["description"] = "What an officer or a system hands to a node; with the read-only fields, what a node shows."
    return {"$schema": DIALECT, **schema}


def render() -> str:
    """Return the schema as the text of `alert.schema.json`, ready to commit."""
    return json.dumps(json_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _tidy(node: Any) -> Any:
    """Leave out derived titles and null defaults, and write patterns as ECMA 262 knows them (no `\\z`)."""
    if isinstance(node, list):
        return [_tidy(member) for member in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _tidy(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    if isinstance(kept.get("pattern"), str):
        kept["pattern"] = kept["pattern"].replace(r"\z", "$")
    return kept
