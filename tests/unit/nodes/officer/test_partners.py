from __future__ import annotations

import json

from tests.support.fake_node import FakeNode
from tests.unit.nodes.officer.conftest import Run


def test_the_directory_lists_every_address(run: Run, node: FakeNode) -> None:
    rows = [line.split("\t") for line in run("directory").stdout.splitlines()]
    assert ["sg-cnb", "agency", "Central Narcotics Bureau of Singapore", "south-east-asia", "active"] in rows
    assert [row[0] for row in rows[-4:]] == ["region:oceania", "region:far-east", "operation:marker", "all"]
    assert json.loads(run("directory", "--json").stdout)["version"] == 33
