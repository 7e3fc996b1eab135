from __future__ import annotations

import sys

import pytest

from nodes.officer.messages import say


def test_on_a_terminal_lines_break_between_words_and_keep_their_margin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "24")
    say("  hint: run `bearing dead-letters` to see why\n\nend", indent=2)
    assert capsys.readouterr().err.splitlines() == [
        "  hint: run `bearing",
        "    dead-letters` to see",
        "    why",
        "",
        "end",
    ]


def test_elsewhere_a_line_stays_a_line_and_nothing_acts_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a " * 200 + "\x1b[2J")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "a " * 200 + "\\x1b[2J\n"
