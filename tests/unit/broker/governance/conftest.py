from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ceremony import Secretariat
from tests.support.directory import make_world


@pytest.fixture
def secretariat(tmp_path: Path) -> Secretariat:
    """Three agencies, 3 of 5 governors."""
    return Secretariat(make_world(), tmp_path)
