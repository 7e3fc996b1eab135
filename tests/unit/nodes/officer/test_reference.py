from __future__ import annotations

import re

from nodes.cli import SECTIONS
from tests.unit.nodes.officer.conftest import ROOT, Run


def test_the_committed_reference_is_current(run: Run) -> None:
    committed = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert run("reference").stdout == committed, "run: bearing reference > docs/cli.md"


def test_every_command_and_option_is_in_it(run: Run) -> None:
    text = run("reference").stdout
    for name, place in ((name, place) for section in SECTIONS.values() for name, place in section.items()):
        assert place.hidden or f"`bearing {name}`" in text
    assert "`bearing dead-letters retry`" in text
    assert "--dry-run" in text


def test_the_guide_names_only_commands_that_exist() -> None:
    guide = (ROOT / "docs" / "officer.md").read_text(encoding="utf-8")
    known = {name for section in SECTIONS.values() for name in section}
    used = set(re.findall(r"^(?:\$ )?bearing ([a-z][a-z-]*)", guide, re.MULTILINE)) | set(
        re.findall(r"`bearing ([a-z][a-z-]*)", guide)
    )
    assert used
    assert used <= known
