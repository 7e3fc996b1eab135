from __future__ import annotations

import pytest

from tests.support.log_builder import LogBuilder


@pytest.fixture
def log() -> LogBuilder:
    """A log of three agencies with three alerts, each receipted: 5 directory entries, then alert, receipt, ..."""
    log = LogBuilder()
    log.some_traffic(3)
    return log
