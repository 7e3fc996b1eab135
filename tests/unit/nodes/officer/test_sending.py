from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import Nobody
from tests.support.fake_node import FakeNode, identity
from tests.unit.nodes.officer.conftest import OnTerminal, Run

LINE = ("send", "--to", "sg-cnb", "--container", "CSQU3054383")
WATCH = {
    "kind": "watch",
    "title": "Look out for container CSQU3054383",
    "to": ["sg-cnb"],
    "subjects": [{"type": "container", "number": "CSQU3054383"}],
    "modes": ["sea"],
}


def document(node: FakeNode) -> dict[str, Any]:
    """What the node was given last."""
    found: list[dict[str, Any]] = [call[3]["document"] for call in node.calls if call[:2] == ("POST", "/v1/alerts")]
    return found[-1]


def test_one_line_sends_a_container_alert(run: Run, node: FakeNode) -> None:
    result = run(*LINE)
    assert result.stdout == f"{identity(77)}\twaiting\tsg-cnb\n"
    assert document(node) == WATCH
    assert json.loads(run(*LINE, "--json").stdout)["recipients"] == ["sg-cnb"]


def test_the_officer_is_named_only_when_named(run: Run, node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*LINE)
    assert "officer" not in node.calls[-1][3]
    run(*LINE, "--officer", "Lim")
    assert node.calls[-1][3]["officer"] == "Lim"
    monkeypatch.setenv("BEARING_OFFICER", "Desk 4")
    run(*LINE)
    assert node.calls[-1][3]["officer"] == "Desk 4"


def test_every_flag_has_its_field(run: Run, node: FakeNode) -> None:
    result = run(
        *(*LINE, "--title", "Hold it", "--text", "Tonight.", "--vessel", "9319466", "--precedence", "flash"),
        *("--marking", "amber+strict", "--status", "exercise", "--operation", "marker", "--caveat", "no-publication"),
        *("--expires", "48", "--mode", "rail"),
    )
    assert result.exit_code == 0, result.stderr
    assert document(node) == {
        **WATCH,
        "title": "Hold it",
        "narrative": "Tonight.",
        "precedence": "flash",
        "marking": "amber+strict",
        "status": "exercise",
        "operation": "marker",
        "caveats": ["no-publication"],
        "expires_hours": 48,
        "modes": ["rail"],
        "subjects": [*WATCH["subjects"], {"type": "vessel", "imo": "9319466"}],
    }


def test_a_dry_run_names_who_receives_it_and_why(run: Run, on_terminal: OnTerminal, node: FakeNode) -> None:
    rows = [line.split("\t") for line in run(*LINE, "--dry-run").stdout.splitlines()]
    assert rows[0] == ["sg-cnb", "yes", "address", "addressed"]
    assert node.calls[-1][2] == {"dry_run": "1"}
    shown = on_terminal(*LINE, "--dry-run", env={"NO_COLOR": "1"})
    assert shown.split()[:4] == ["Receives", "Agencies", "Rule", "Reason"]
    assert "1 agency receives it." in shown
    assert "Nothing was sent." in shown


@pytest.mark.parametrize("suffix", ["yaml", "yml", "json"])
def test_a_file_is_sent_as_it_is_but_for_the_flags(run: Run, node: FakeNode, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"alert.{suffix}"
    file.write_text(json.dumps(WATCH))  # JSON is YAML, too
    assert run("send", str(file), "--precedence", "immediate").exit_code == 0
    assert document(node) == {**WATCH, "precedence": "immediate"}


def test_a_document_may_come_through_a_pipe(run: Run, node: FakeNode) -> None:
    assert run("send", "-", input=yaml.safe_dump(WATCH)).exit_code == 0
    assert document(node) == WATCH


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("alert.txt", b"kind: watch", "its name should end in .yaml or .json"),
        ("alert.yaml", b"\xff\xfe", "not UTF-8"),
        ("alert.yaml", b"a: &a [*a]", "["),
        ("alert.json", b'{"kind": ', "["),
        ("alert.yaml", b"x" * 300_000, "[too-large]"),
    ],
)
def test_a_file_that_is_no_document_is_refused_input(
    run: Run, node: FakeNode, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = run("send", str(tmp_path / name))
    assert result.exit_code == 2
    assert words in result.stderr
    assert node.calls == []


def test_a_file_that_is_not_there_is_wrong_usage(run: Run, node: FakeNode, tmp_path: Path) -> None:
    result = run("send", str(tmp_path / "alert.yaml"))
    assert result.exit_code == 2
    assert "alert.yaml" in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "args", [(), ("--dry-run",), ("x.yaml", "--template", "seizure"), ("--precedence", "urgent"), ("--expires", "0")]
)
def test_wrong_usage_is_told_from_a_refusal(run: Run, node: FakeNode, args: tuple[str, ...]) -> None:
    assert run("send", *args).exit_code == 2
    assert node.calls == []


def test_a_template_alone_goes_out_as_the_exercise_it_is(run: Run, node: FakeNode) -> None:
    assert run("send", "--template", "container-watch", "--to", "sg-cnb").exit_code == 0
    assert document(node)["status"] == "exercise"
    assert document(node)["subjects"][0]["invented"] is True


def test_made_up_facts_never_stand_beside_real_ones(run: Run, node: FakeNode) -> None:
    assert run(*LINE, "--template", "container-watch").exit_code == 0
    sent = document(node)
    assert sent["subjects"] == WATCH["subjects"]
    assert sent["title"] == WATCH["title"]
    assert sent["watch"] == {"actions": ["hold", "scan", "report"]}
    assert not sent.keys() & {"narrative", "dates", "status"}


def test_an_unknown_template_is_not_found(run: Run, node: FakeNode) -> None:
    result = run("send", "--template", "container")
    assert result.exit_code == 3
    assert "container-watch" in result.stderr


def test_refused_by_the_exchange_is_exit_code_4(run: Run, node: FakeNode) -> None:
    node.failure = Nobody("nobody would receive it")
    assert run(*LINE).exit_code == 4


def test_on_a_terminal_the_answer_is_a_sentence(on_terminal: OnTerminal, node: FakeNode) -> None:
    shown = on_terminal(*LINE, env={"NO_COLOR": "1"})
    assert shown == (
        "Alert 00000077 is in the log at index 117 and goes to 1 agency:\n"
        "  sg-cnb\n"
        "See who holds it: bearing sent 00000077\n"
    )


def test_an_alert_the_hub_refuses_is_told_at_once(on_terminal: OnTerminal, run: Run, node: FakeNode) -> None:
    node.verdict = {"state": "refused", "refusal": {"code": "quota", "message": "too many", "hint": "Wait a minute."}}
    assert "REFUSED - too many [quota]. Wait a minute." in on_terminal(*LINE)
    result = run(*LINE, "--wait", "5", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["refusal"]["code"] == "quota"
    assert run(*LINE, "--wait", "5").stdout == f"{identity(77)}\trefused\tsg-cnb\n"


def test_an_alert_that_waits_is_said_to_go_out_by_itself(on_terminal: OnTerminal, run: Run, node: FakeNode) -> None:
    node.verdict = {"state": "waiting"}
    assert "waits in the outbox and goes out by itself, to 1 agency" in on_terminal(*LINE, "--wait", "0")
    result = run(*LINE, "--wait", "0.1")
    assert (result.exit_code, result.stdout.split("\t")[1]) == (0, "waiting")


def test_a_pipe_does_not_wait_unless_told_to(run: Run, node: FakeNode) -> None:
    assert run(*LINE).stdout.split("\t")[1] == "waiting"
    assert run(*LINE, "--wait", "5").stdout.split("\t")[1] == "accepted"
