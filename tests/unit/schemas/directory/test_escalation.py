from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.directory.escalation import escalation_due
from schemas.limits import FLASH_SECONDS, MAX_FLASH_SECONDS, MIN_FLASH_SECONDS
from tests.support.directory import NOW, make_world

WORLD = make_world(publish=False)
DAY = 86_400_000


def test_a_flash_is_due_after_the_time_that_the_governors_allow() -> None:
    assert escalation_due(WORLD.document, "flash", NOW, NOW + DAY) == NOW + FLASH_SECONDS * 1_000
    hasty = replace(WORLD.document, limits=replace(WORLD.document.limits, flash_seconds=30))
    assert escalation_due(hasty, "flash", NOW, NOW + DAY) == NOW + 30_000


@pytest.mark.parametrize("precedence", ["immediate", "priority", "routine"])
def test_nothing_else_is_escalated(precedence: str) -> None:
    assert escalation_due(WORLD.document, precedence, NOW, NOW + DAY) is None


def test_what_expires_before_it_is_due_is_not_escalated() -> None:
    assert escalation_due(WORLD.document, "flash", NOW, NOW + FLASH_SECONDS * 1_000) is None
    assert escalation_due(WORLD.document, "flash", NOW, NOW + FLASH_SECONDS * 1_000 + 1) is not None


def test_the_bounds_make_sense() -> None:
    assert MIN_FLASH_SECONDS < FLASH_SECONDS < MAX_FLASH_SECONDS
