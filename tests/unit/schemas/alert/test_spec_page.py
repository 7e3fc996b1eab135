"""The page on the alert says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from schemas.alert import codes
from schemas.alert.alert import Document
from schemas.alert.document import check_document, load_document
from schemas.alert.problems import CODES

PAGE = Path(__file__).parents[4].joinpath("docs", "spec", "alert.md").read_text(encoding="utf-8")


def test_the_problem_codes_are_those_of_the_code() -> None:
    table = PAGE.split("## Problems")[1]
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", table, re.MULTILINE)) == CODES


def test_the_examples_are_sound() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for text in examples:
        assert check_document(load_document(text, format="yaml")) == []


def test_every_field_and_vocabulary_of_the_document_is_on_the_page() -> None:
    parts = {"method", "risk", "request", "response", "sitrep", "bulletin", "correction"}  # "`watch` … `recall`"
    assert not [name for name in Document.model_fields if f"`{name}`" not in PAGE and name not in parts]
    for words in (codes.Kind, codes.Marking, codes.Status, codes.Precedence, codes.Mode, codes.RelationType):
        assert not [word for word in get_args(words) if word not in PAGE]
