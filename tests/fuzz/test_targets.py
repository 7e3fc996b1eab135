"""No decoder is forgotten: whatever reads bytes or text by its name and its first argument is reached by a target."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.targets import DECODERS, OWN_FILES, TARGETS

ROOT = Path(__file__).parents[2]
NAMES = re.compile(r"(decode|parse|read|load|open|split|unwrap|refusal_from|alert_from|known|peek)(_\w+)?")
TAKES = re.compile(r"\b(bytes|str|Value|object|Any)\b")


def decoders() -> Iterator[str]:
    """Full names of public functions that are named like decoders and take bytes, text or a value."""
    for package in ("schemas", "broker", "nodes"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.FunctionDef) and NAMES.fullmatch(node.name):
                    first = next(iter((*node.args.posonlyargs, *node.args.args)), None)
                    if (
                        first is not None
                        and first.annotation is not None
                        and TAKES.search(ast.unparse(first.annotation))
                    ):
                        yield f"{module}.{node.name}"


def test_every_decoder_has_its_target() -> None:
    found = set(decoders())
    assert len(found) > 50
    forgotten = found - DECODERS.keys() - OWN_FILES.keys()
    assert not forgotten, "name in tests/fuzz/targets.py which target reaches these"


@pytest.mark.parametrize("name", sorted({**DECODERS, **OWN_FILES}))
def test_every_decoder_named_is_there(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_every_target_named_is_there_and_none_is_left_over_by_accident() -> None:
    assert set(DECODERS.values()) <= TARGETS.keys()
    assert not DECODERS.keys() & OWN_FILES.keys()
