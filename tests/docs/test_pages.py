"""The pages say what is there: every error code, every make target, every metric and every link they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broker.metrics import Metrics
from schemas.errors import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "certs").rglob("*.md")])


def test_every_error_code_is_explained_on_some_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    internal = {"unknown-refusal"}  # stands for the code of a newer peer, which is shown instead
    assert [code for code in REGISTRY if f"`{code}`" not in text and code not in internal] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_make_targets_named_in_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|^\$ |^    )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named - targets == set()


def test_metrics_named_in_operations_exist() -> None:
    exposed = Metrics().expose().decode()
    named = set(re.findall(r"crossbearing_[a-z_]+", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")))
    assert {name for name in named if name.removesuffix("_total") not in exposed} == set()


def test_tests_named_in_the_threat_model_exist() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+\w+\.py)(?:::(\w+))?`", page)
    assert len(named) > 50
    missing = []
    for file, function in named:
        path = ROOT / "tests" / file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if not text or (function and f"def {function}(" not in text):
            missing.append(f"{file}::{function}")
    assert missing == []
