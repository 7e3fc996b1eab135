"""docs/limits.md says what the code does: each number is the code's, and each test it names is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "docs" / "limits.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "**" not in line and not line.startswith("| what")
]


def test_there_are_rows() -> None:
    assert len(ROWS) > 25
    assert {len(row) for row in ROWS} == {5}


@pytest.mark.parametrize("row", [row for row in ROWS if row[2]], ids=lambda row: row[2])
def test_the_number_is_the_codes(row: list[str]) -> None:
    name = row[2].strip("`")
    module, _, attribute = name.rpartition(".")
    holder = import_module(module) if not module.endswith("Settings") else None
    if holder is None:
        holder = import_module(module.removesuffix(".Settings")).Settings()
    assert f"{getattr(holder, attribute):,}" in re.findall(r"[0-9,]*[0-9]", row[1]), name


@pytest.mark.parametrize("row", [row for row in ROWS if row[4]], ids=lambda row: row[0])
def test_the_test_is_there(row: list[str]) -> None:
    path, _, name = row[4].strip("`").partition("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), row[4]
