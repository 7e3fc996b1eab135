from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from nodes.officer import attachments
from nodes.officer.attachments import safe_name
from schemas.limits import MAX_ATTACHMENTS
from tests.support.fake_node import FakeNode, identity, received
from tests.unit.nodes.officer.conftest import OnTerminal, Run

SPECTRUM = b"\x89PNG\r\n\x00\xff"


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: FakeNode) -> None:
    monkeypatch.chdir(tmp_path)
    listed = [
        {"name": "../../x-ray.png", "media_type": "image/png", "size": 8},
        {"name": "spectrum.csv", "media_type": "text/csv", "size": 8},
    ]
    node.add(received(1, attachments=listed))
    node.files[identity(1), 1] = node.files[identity(1), 2] = SPECTRUM


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("x-ray.png", "x-ray.png"),
        ("../../.ssh/authorized_keys", "authorized_keys"),
        ("C:\\temp\\evil.exe", "evil.exe"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("..", "attachment-2"),
        ("a\x1b[31m\u202e\n.png", "a__31m__.png"),
        ("海關 (1).pdf", "海關 (1).pdf"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_partner_does_not_choose_where_a_file_goes(name: str, safe: str) -> None:
    assert safe_name(name, 2) == safe


@pytest.mark.usefixtures("_folder")
def test_an_attachment_is_saved_under_its_own_name_and_never_over_another(run: Run, tmp_path: Path) -> None:
    assert "Saved x-ray.png (8 bytes, image/png)." in run("attachment", "0001").stderr
    assert (tmp_path / "x-ray.png").read_bytes() == SPECTRUM
    (tmp_path / "x-ray.png").write_text("mine")
    assert run("attachment", "0001").exit_code == 2
    assert (tmp_path / "x-ray.png").read_text() == "mine"
    assert json.loads(run("attachment", "0001", "--force", "--json").stdout) == {"file": "x-ray.png", "bytes": 8}
    assert (tmp_path / "x-ray.png").read_bytes() == SPECTRUM


@pytest.mark.usefixtures("_folder")
def test_an_attachment_goes_where_it_is_told(run: Run, on_terminal: OnTerminal, tmp_path: Path) -> None:
    assert run("attachment", "0001", "2", "--output", "here.csv").exit_code == 0
    assert (tmp_path / "here.csv").read_bytes() == SPECTRUM
    assert run("attachment", "0001", "2", "--output", "missing/here.csv").exit_code == 1
    assert run("attachment", "0001", "2", "--output", "-").stdout_bytes == SPECTRUM
    assert "not written to a terminal" in on_terminal("attachment", "0001", "--output", "-")


@pytest.mark.usefixtures("_folder")
def test_a_number_beyond_the_last_is_not_found(run: Run) -> None:
    result = run("attachment", "0001", "3")
    assert result.exit_code == 3
    assert "It has 2" in result.stderr


def test_files_are_sent_with_their_type(run: Run, node: FakeNode, tmp_path: Path) -> None:
    (tmp_path / "x-ray.png").write_bytes(SPECTRUM)
    (tmp_path / "reading.zzz").write_bytes(b"1")
    files = ("--attach", str(tmp_path / "x-ray.png"), "--attach", str(tmp_path / "reading.zzz"))
    assert run("send", "--to", "sg-cnb", "--container", "CSQU3054383", *files).exit_code == 0
    first, second = node.calls[-1][3]["attachments"]
    assert (first["name"], first["media_type"], base64.b64decode(first["data"])) == ("x-ray.png", "image/png", SPECTRUM)
    assert second["media_type"] == "application/octet-stream"


def test_too_many_or_too_large_files_are_refused_before_they_are_read(
    run: Run, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x-ray.png"
    file.write_bytes(SPECTRUM)
    base = ("send", "--to", "sg-cnb", "--container", "CSQU3054383")
    result = run(*base, *("--attach", str(file)) * (MAX_ATTACHMENTS + 1))
    assert (result.exit_code, "[bad-document]" in result.stderr) == (2, True)
    monkeypatch.setattr(attachments, "MAX_ATTACHMENT", 7)
    result = run(*base, "--attach", str(file))
    assert (result.exit_code, "[too-large]" in result.stderr) == (2, True)
    assert node.calls == []
