from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fake_node import FakeNode, identity, received
from tests.unit.nodes.officer.conftest import Run

FILE = b"\x8aa disclosure"


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: FakeNode) -> None:
    monkeypatch.chdir(tmp_path)
    node.add(received(1))
    node.disclosures[identity(1)] = FILE


@pytest.mark.usefixtures("_folder")
def test_a_disclosure_is_written_for_its_officer_alone_and_never_over_another(run: Run, tmp_path: Path) -> None:
    said = run("disclose", "0001").stderr
    file = tmp_path / f"{identity(1)}.disclosure"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (FILE, 0o600)
    assert "shows all that it says" in said
    assert "Its marking is" in said
    assert run("disclose", "0001").exit_code == 2
    file.write_bytes(b"mine, and longer than what comes")
    told = json.loads(run("disclose", "0001", "--force", "--json").stdout)
    assert told == {"alert": identity(1), "file": file.name, "bytes": len(FILE)}
    assert file.read_bytes() == FILE


@pytest.mark.usefixtures("_folder")
def test_it_goes_where_it_is_told(run: Run, tmp_path: Path) -> None:
    assert run("disclose", "0001", "-o", "court.bin").exit_code == 0
    assert (tmp_path / "court.bin").read_bytes() == FILE
    assert run("disclose", "0001", "-o", "missing/court.bin").exit_code == 1


@pytest.mark.usefixtures("_folder")
def test_an_alert_that_is_not_here_or_cannot_be_proven_now(run: Run, node: FakeNode, tmp_path: Path) -> None:
    assert run("disclose", "9999").exit_code == 3
    node.disclosures.clear()
    refused = run("disclose", "0001")
    assert (refused.exit_code, "unreachable" in refused.stderr) == (5, True)
    assert list(tmp_path.glob("*.disclosure")) == []
