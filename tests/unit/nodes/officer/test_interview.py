from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nodes.officer import answers
from nodes.officer.questions import Unacceptable
from tests.support.fake_node import FakeNode
from tests.unit.nodes.officer.conftest import OnTerminal
from tests.unit.nodes.officer.test_sending import WATCH, document

ENTER = "\n"


def test_a_first_alert_takes_two_answers_and_enter(on_terminal: OnTerminal, node: FakeNode) -> None:
    typed = ENTER + "CSQU3054383\n" + ENTER * 5 + "sg-cnb\n" + ENTER * 2 + "y\n"
    shown = on_terminal("send", typed=typed)
    assert "goes to 1 agency:\n  sg-cnb: addressed (address)" in shown
    assert "is in the log" in shown
    assert document(node) == {
        **WATCH,
        "marking": "amber",
        "precedence": "priority",
        "status": "actual",
        "watch": {"actions": ["hold", "scan", "report"]},
    }


def test_each_answer_is_checked_at_once(on_terminal: OnTerminal, node: FakeNode) -> None:
    typed = (
        "99\nx\ncontainer\n"
        "nonsense\nCSQU3054384\nCSQU305438\ny\nMSCU6639870\n\n"
        "shoot\nscan report\n"
        "fl\nred\nex\n"
        "sg-cbn\n?\nsg-cnb, nz-customs\n"
        "Hold it\n"
        "Tonight.\nBy sea.\n\n"
        "y\n"
    )
    shown = on_terminal("send", typed=typed)
    for words in (
        "Answer with a number from 1 to",
        "This is not an ISO 6346 container number",
        "The check digit should be 3, not 4",
        "The check digit at the end is missing; it should be 3.",
        "'shoot' is not one of",
        "there is no agency 'sg-cbn'. Did you mean 'sg-cnb'?",
        "Central Narcotics Bureau of Singapore",
        "“Hold it”, TLP:RED, flash",
    ):
        assert words in shown
    assert document(node) == {
        **WATCH,
        "title": "Hold it",
        "subjects": [{"type": "container", "number": n} for n in ("CSQU3054383", "MSCU6639870")],
        "watch": {"actions": ["scan", "report"]},
        "precedence": "flash",
        "marking": "red",
        "status": "exercise",
        "to": ["sg-cnb", "nz-customs"],
        "narrative": "Tonight.\nBy sea.",
    }


def test_only_what_the_flags_leave_open_is_asked(on_terminal: OnTerminal, node: FakeNode) -> None:
    flags = ("--vessel", "EXAMPLE STAR", "--marking", "green", "--precedence", "flash", "--text", "Tonight.")
    shown = on_terminal("send", *flags, "--status", "test", typed=ENTER + "sg-cnb\n" + ENTER + "y\n")
    assert "Container number" not in shown
    assert "Marking" not in shown
    assert document(node)["title"] == "Look out for vessel EXAMPLE STAR"
    assert document(node)["subjects"] == [{"type": "vessel", "name": "EXAMPLE STAR"}]


def test_a_vessel_is_asked_for_by_name_or_number(on_terminal: OnTerminal, node: FakeNode) -> None:
    typed = "9319467\n9319466\n" + ENTER * 4 + "sg-cnb\n" + ENTER * 2 + "y\n"
    shown = on_terminal("send", "--template", "vessel-watch", typed=typed)
    assert "but 6 is expected" in shown
    assert document(node)["subjects"] == [{"type": "vessel", "imo": "9319466"}]


def test_what_was_written_is_kept_when_it_does_not_go_out(on_terminal: OnTerminal, node: FakeNode, home: Path) -> None:
    typed = ENTER + "CSQU3054383\n" + ENTER * 5 + "sg-cnb\n" + ENTER * 2 + "n\n"
    assert "What you wrote is in draft-1.yaml" in on_terminal("send", typed=typed)
    assert all(call[2].get("dry_run") == "1" for call in node.calls if call[1] == "/v1/alerts")
    kept = home / "draft-1.yaml"
    assert yaml.safe_load(kept.read_text())["subjects"] == WATCH["subjects"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "is in the log" in on_terminal("send", "draft-1.yaml", env={"NO_COLOR": "1"})
    assert "draft-2.yaml" in on_terminal("send", typed=typed)


def test_a_dry_run_asks_and_sends_nothing(on_terminal: OnTerminal, node: FakeNode) -> None:
    typed = ENTER + "CSQU3054383\n" + ENTER * 5 + "sg-cnb\n" + ENTER * 2
    assert "Nothing was sent." in on_terminal("send", "--dry-run", typed=typed)
    assert node.calls[-1][2] == {"dry_run": "1"}


def test_nothing_is_asked_when_the_node_is_away(on_terminal: OnTerminal) -> None:
    shown = on_terminal("send")
    assert "What do you want" not in shown
    assert "[unreachable]" in shown


@pytest.mark.parametrize("answer", ["csqu3054383", "CSQU 305438 3", "CSQU-305438/3"])
def test_a_container_number_is_taken_as_it_is_painted(answer: str) -> None:
    assert answers.container(answer) == "CSQU3054383"


@pytest.mark.parametrize(("answer", "better"), [("CSQU305438", "CSQU3054383"), ("CSQU3054384", None), ("CSQU", None)])
def test_only_a_missing_check_digit_is_offered(answer: str, better: str | None) -> None:
    """A wrong one means that some character is wrong, and nobody knows which."""
    with pytest.raises(Unacceptable) as caught:
        answers.container(answer)
    assert caught.value.better == better


def test_a_title_too_long_is_told_at_once() -> None:
    with pytest.raises(Unacceptable, match="more than 160"):
        answers.title("x" * 161)


def editor(home: Path, *commands: str) -> dict[str, str]:
    """An editor that applies one sed command each time it is opened."""
    script = home / "editor.sh"
    steps = "\n".join(f"{number}) sed -i '{command}' \"$1\";;" for number, command in enumerate(commands, 1))
    script.write_text(f'#!/bin/sh\necho . >> "$0.count"\ncase $(wc -l < "$0.count") in\n{steps}\nesac\n')
    script.chmod(0o700)
    return {"EDITOR": str(script)}


def test_anything_richer_is_written_in_the_editor_until_it_is_right(
    on_terminal: OnTerminal, node: FakeNode, home: Path
) -> None:
    env = editor(home, "s/^title: .*/title: 12 kg in tea/; s/CSQU3054383/CSQU3054384/", "s/CSQU3054384/CSQU3054383/")
    shown = on_terminal("send", "--template", "seizure", "--to", "sg-cnb", typed="y\ny\n", env=env)
    assert "subjects[0].number: The check digit of CSQU3054384 is wrong" in shown
    assert "is in the log" in shown
    assert document(node)["title"] == "12 kg in tea"
    assert document(node)["to"] == ["sg-cnb"]


def test_made_up_facts_sent_as_real_are_questioned(on_terminal: OnTerminal, node: FakeNode, home: Path) -> None:
    env = editor(home, "s/^status: exercise/status: actual/")
    shown = on_terminal("send", "--template", "seizure", "--to", "sg-cnb", typed="n\n", env=env)
    assert "still marked as invented" in shown


def test_an_editor_left_without_saving_sends_nothing(on_terminal: OnTerminal, node: FakeNode, home: Path) -> None:
    assert "Nothing was written." in on_terminal("send", "--template", "seizure", env={"EDITOR": "true"})
    assert {call[0] for call in node.calls} == {"GET"}


def test_a_text_that_is_no_document_can_be_mended_or_given_up(
    on_terminal: OnTerminal, node: FakeNode, home: Path
) -> None:
    shown = on_terminal("send", "--template", "seizure", typed="n\n", env=editor(home, "1i kind: [broken"))
    assert "Edit it again?" in shown
    assert {call[0] for call in node.calls} == {"GET"}
