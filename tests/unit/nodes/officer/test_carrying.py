"""Export and import as an officer sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.errors import CarrierDamaged, CarrierMisdirected
from tests.support.fake_node import NOW, FakeNode
from tests.unit.nodes.officer.conftest import OnTerminal, Run

SUMMARY = {
    "agency": "hk-customs",
    "made": NOW,
    "alerts": 0,
    "receipts": 0,
    "attachments": 0,
    "left": 0,
    "forbidden": 0,
    "bytes": 3_709,
}
BROUGHT = {
    "made": NOW,
    "size": 99,
    "older": False,
    "alerts": 0,
    "receipts": 0,
    "quarantined": 0,
    "directories": 0,
    "accepted": 0,
    "refused": 0,
    "attachments": 0,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"alerts": 1}, "out, 3,709 bytes: 1 alert."),
        ({"alerts": 2, "receipts": 1, "attachments": 3}, "out, 3,709 bytes: 2 alerts, 1 receipt, 3 attachments."),
        ({}, "nothing waits here; it asks what waits at the hub."),
        ({"forbidden": 2}, "2 alerts stayed here: the governors do not let alerts be carried."),
        ({"left": 1}, "1 alert did not fit; export again when these are through."),
    ],
)
def test_an_export_says_what_is_in_it(
    on_terminal: OnTerminal, node: FakeNode, home: Path, changes: dict[str, Any], expected: str
) -> None:
    node.exported = ({**SUMMARY, **changes}, b"the file")
    page = on_terminal("export", "out", columns=80)
    assert expected in page
    assert "bearing-broker import DATA out" in page
    assert "bearing import FILE" in page
    assert "0 alerts" not in page
    assert (home / "out").read_bytes() == b"the file"


def test_an_export_into_a_folder_takes_a_name_of_its_own_and_replaces_nothing(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    node.exported = ({**SUMMARY, "alerts": 1}, b"the file")
    assert run("export", str(tmp_path)).exit_code == 0
    (made,) = tmp_path.iterdir()
    assert made.name.startswith("hk-customs-to-hub-")
    again = run("export", str(made))
    assert "is there already" in again.stderr
    assert "--force" in again.stderr
    assert run("export", str(made), "--force").exit_code == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "Nothing in it is new. The file was made"),
        ({"alerts": 2, "receipts": 1}, "New: 2 alerts, 1 receipt. The file was made"),
        ({"accepted": 1}, "Of what you sent, 1 alert entered the log."),
        ({"accepted": 2, "refused": 1}, "2 alerts entered the log, 1 refused (bearing sent)."),
        ({"quarantined": 1}, "1 item failed a check; see `bearing quarantine`."),
        ({"older": True}, "It is older than what this node holds"),
    ],
)
def test_an_import_says_what_it_brought(
    on_terminal: OnTerminal, node: FakeNode, home: Path, changes: dict[str, Any], expected: str
) -> None:
    node.brought = {**BROUGHT, **changes}
    (home / "back").write_bytes(b"a file of the hub" * 100_000)
    page = on_terminal("import", "back", columns=80)
    assert expected in page
    assert ("bearing inbox" in page) == bool(changes.get("alerts"))
    assert node.handed_in == b"a file of the hub" * 100_000


@pytest.mark.parametrize(
    ("failure", "code", "hint"),
    [
        (CarrierDamaged("cut"), "carrier-damaged", "Copy"),
        (CarrierMisdirected("x"), "carrier-misdirected", "own export"),
    ],
)
def test_a_file_that_is_refused_is_named_with_a_way_out(
    run: Run, node: FakeNode, tmp_path: Path, failure: CarrierDamaged, code: str, hint: str
) -> None:
    node.failure = failure
    (tmp_path / "back").write_bytes(b"x")
    refused = run("import", str(tmp_path / "back"))
    assert refused.exit_code == 4
    assert code in refused.stderr
    assert hint in refused.stderr


def test_what_is_no_file_is_named(run: Run, node: FakeNode, tmp_path: Path) -> None:
    assert f"{tmp_path} is a folder" in run("import", str(tmp_path)).stderr.replace("\n  ", " ")
    missing = run("import", str(tmp_path / "none"))
    assert missing.exit_code == 3
    assert "mounted" in missing.stderr
    assert not node.handed_in


@pytest.mark.parametrize(
    ("waiting", "exported", "expected"),
    [
        (3, 1, "3 waiting, 1 of them exported for a courier"),
        (2, 2, "2 waiting, exported for a courier"),
        (1, 0, "1 waiting\n"),
    ],
)
def test_the_status_says_what_is_with_a_courier(
    on_terminal: OnTerminal, node: FakeNode, waiting: int, exported: int, expected: str
) -> None:
    node.state["outbox"] = {"waiting": waiting, "exported": exported, "refused": 0}
    assert expected in on_terminal("status", columns=80)
