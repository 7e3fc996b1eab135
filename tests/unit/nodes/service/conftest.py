"""One node's local side, with the directory of three agencies held."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.edge import EdgeNode, edge_node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    async with edge_node(tmp_path) as made:
        yield made


@pytest.fixture
async def new_node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    """A node that never reached the hub."""
    async with edge_node(tmp_path, directory=False) as made:
        yield made
