from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nodes.officer
from tests.support.fake_node import FakeNode, received
from tests.unit.nodes.officer.conftest import OnTerminal, Run

PRINTERS = {"screen.py", "messages.py", "failure.py", "questions.py", "completion.py", "reference.py", "templates.py"}
"""The last three print files of our own; the others make harmless what they print."""

HOSTILE = "\x1b[31mred\x1b[0m \x9b2J \u202eevil\u202c\x07 tab\there\nline"


def test_nothing_is_printed_past_the_screen() -> None:
    bad = [
        f"{path.name}:{call.lineno}"
        for path in Path(nodes.officer.__path__[0]).glob("*.py")
        if path.name not in PRINTERS
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in {"print", "click.echo", "click.secho", "sys.stdout.write"}
    ]
    assert bad == []


@pytest.mark.parametrize(
    "command", [("inbox",), ("show", "0001"), ("search", "red"), ("inbox", "--json"), ("show", "0001", "--json")]
)
def test_piped_output_carries_no_control_of_a_partner(run: Run, node: FakeNode, command: tuple[str, ...]) -> None:
    node.add(_hostile_alert())
    result = run(*command)
    assert result.exit_code == 0
    assert not set(result.stdout) & {"\x1b", "\x9b", "\x07", "\u202e", "\u202c"}
    assert "red" in result.stdout


def test_a_tab_or_line_end_in_a_title_makes_no_new_column_or_row(run: Run, node: FakeNode) -> None:
    node.add(_hostile_alert())
    lines = run("inbox").stdout.splitlines()
    assert [line.count("\t") for line in lines] == [6]
    assert r"tab\there\nline" in lines[0]


@pytest.mark.parametrize("command", [("inbox",), ("show", "0001"), ("search", "red")])
def test_a_terminal_gets_no_control_of_a_partner(
    on_terminal: OnTerminal, node: FakeNode, command: tuple[str, ...]
) -> None:
    node.add(_hostile_alert())
    shown = on_terminal(*command, env={"NO_COLOR": "1"})
    assert "[31mred" in shown
    assert not set(shown) & {"\x1b", "\x9b", "\x07", "\u202e", "\u202c"}


def test_colour_is_for_terminals_and_only_where_wanted(on_terminal: OnTerminal, run: Run, node: FakeNode) -> None:
    node.add(received(1, precedence="flash"))
    assert "\x1b[1;31mflash" in on_terminal("inbox")
    assert "\x1b" not in on_terminal("inbox", env={"NO_COLOR": "1"})
    assert "\x1b" not in on_terminal("inbox", env={"TERM": "dumb"})
    assert "\x1b" not in run("inbox").stdout


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal_and_no_column_is_lost(
    on_terminal: OnTerminal, node: FakeNode, columns: int
) -> None:
    node.add(received(1, title="海關 " * 60), received(2, title="short"))
    shown = on_terminal("inbox", columns=columns, env={"NO_COLOR": "1"})
    heading, *lines = shown.splitlines()
    assert heading.split()[:5] == ["State", "Id", "Precedence", "From", "Kind" if columns >= 96 else "Title"]
    assert "Age" in heading
    assert ("Local time" in heading) == (columns >= 110)
    assert all(len(line) + line.count("海") + line.count("關") <= max(columns, 68) for line in [heading, *lines])
    assert "…" in shown


def test_an_empty_list_says_so_beside_the_answer(run: Run, node: FakeNode) -> None:
    result = run("inbox", "--state", "unread")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No unread alerts.\n")


def _hostile_alert() -> dict[str, object]:
    return received(
        1,
        title=HOSTILE,
        narrative=HOSTILE,
        officer=HOSTILE,
        sender="sg-cnb",
        references=[HOSTILE],
        handling=HOSTILE,
        subjects=[{"type": "vessel", "name": HOSTILE, "other_names": [HOSTILE], HOSTILE: HOSTILE}],
        partners=[{"name": HOSTILE, "note": HOSTILE}],
        dates=[{"event": "arrival", "date": HOSTILE, "note": HOSTILE}],
        attachments=[{"name": HOSTILE, "media_type": HOSTILE, "size": 1}],
        **{HOSTILE: {HOSTILE: HOSTILE}},
    )
