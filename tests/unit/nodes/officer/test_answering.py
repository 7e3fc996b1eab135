from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_node import FakeNode, identity, received, sent
from tests.unit.nodes.officer.conftest import OnTerminal, Run

STORED = {"agency": "sg-cnb", "state": "stored", "time": None, "code": None, "officer": None}


def said(node: FakeNode) -> dict[str, Any]:
    """What the last request said."""
    return [call[3] for call in node.calls if call[0] == "POST"][-1]


@pytest.mark.parametrize("relation", ["reply", "follow-up", "correct"])
def test_text_comes_from_the_line_a_pipe_or_a_file(run: Run, node: FakeNode, tmp_path: Path, relation: str) -> None:
    node.add(received(1))
    result = run(relation, "0001", "We", "saw it.", "--officer", "Lim")
    assert result.stdout == f"{identity(77)}\twaiting\tsg-cnb\n"
    assert node.calls[-1][:3] == ("POST", f"/v1/alerts/0001/{relation}", {})
    assert said(node) == {"narrative": "We saw it.", "officer": "Lim"}

    assert run(relation, "0001", input="Two lines,\nfrom a pipe.\n").exit_code == 0
    assert said(node) == {"narrative": "Two lines,\nfrom a pipe."}

    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"title": "It came by air"}))
    assert run(relation, "0001", "--file", str(file)).exit_code == 0
    assert said(node) == {"document": {"title": "It came by air"}}


def test_an_answer_carries_files_and_can_be_tried_out(run: Run, node: FakeNode, tmp_path: Path) -> None:
    node.add(received(1))
    (tmp_path / "x-ray.png").write_bytes(b"PNG")
    result = run("reply", "0001", "Seen.", "--attach", str(tmp_path / "x-ray.png"), "--dry-run")
    assert result.stdout.startswith("sg-cnb\tyes\t")
    assert "Nothing was sent." in result.stderr
    assert node.calls[-1][2] == {"dry_run": "1"}
    assert node.calls[-1][3]["attachments"][0]["name"] == "x-ray.png"


def test_nothing_to_say_is_wrong_usage(run: Run, node: FakeNode, tmp_path: Path) -> None:
    node.add(received(1))
    file = tmp_path / "answer.yaml"
    file.write_text("title: x\n")
    assert run("reply", "0001", input="  \n").exit_code == 2
    assert run("reply", "0001", "text", "--file", str(file)).exit_code == 2
    assert node.calls == []


def test_an_answer_is_asked_for_at_a_terminal(on_terminal: OnTerminal, node: FakeNode) -> None:
    node.add(received(1))
    shown = on_terminal("reply", "0001", typed="\nSeen at the gate.\nReleased.\n\n")
    assert "An answer is needed here." in shown
    assert "goes to 1 agency" in shown
    assert said(node) == {"narrative": "Seen at the gate.\nReleased."}


def test_a_recall_needs_its_reason(run: Run, node: FakeNode) -> None:
    node.add(sent(2, [STORED]))
    assert run("recall", "0002").exit_code == 2
    assert run("recall", "0002", "--reason", "Wrong number.").exit_code == 0
    assert node.calls[-1] == ("POST", "/v1/alerts/0002/recall", {}, {"reason": "Wrong number."})
    assert json.loads(run("recall", "0002", "--reason", "Wrong.", "--json").stdout)["state"] == "waiting"


def test_a_recall_names_whom_it_reaches_before_it_goes(on_terminal: OnTerminal, node: FakeNode) -> None:
    node.add(sent(2, [STORED], title="Look out"))
    shown = on_terminal("recall", "0002", typed="Wrong number.\nn\n")
    assert "This withdraws “Look out” from 1 agency: sg-cnb." in shown
    assert {call[0] for call in node.calls} == {"GET"}
    assert "is in the log" in on_terminal("recall", "0002", "--reason", "Wrong number.", typed="y\n")
    assert "is in the log" in on_terminal("recall", "0002", "--reason", "Wrong number.", "--yes")
