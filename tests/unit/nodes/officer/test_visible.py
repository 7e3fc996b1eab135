from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.officer.visible import visible, visible_json, visible_lines

any_text = st.text(st.characters())  # lone surrogates included
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def harmless(text: str) -> bool:
    return all(
        unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") and unicodedata.bidirectional(c) not in BIDI
        for c in text
    )


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J\x1b[31mgone", r"\x1b[2J\x1b[31mgone"),
        ("\x1b]0;new title\x07", r"\x1b]0;new title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7fdelete\x08back", r"\x7fdelete\x08back"),
        ("one\ntwo\tthree\rfour", r"one\ntwo\tthree\rfour"),
        ("invoice\u202egpj.exe", r"invoice\u202egpj.exe"),
        ("a\u2066b\u2069c\u200fd\u061ce", r"a\u2066b\u2069c\u200fd\u061ce"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("hidden\U000e0041tag", r"hidden\U000e0041tag"),
        ("half \ud800 pair", r"half \ud800 pair"),
        ("line\u2028separator\u2029s", r"line\u2028separator\u2029s"),
    ],
)
def test_what_could_act_on_the_terminal_is_shown_as_an_escape(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


@pytest.mark.parametrize("text", ["海關", "ด่านศุลกากร", "می‌خواهم", "สวัสดี", "Đà Nẵng", "ශ්‍රී ලංකා", "“quoted” 5 °C", "👮"])
def test_letters_of_every_script_stay(text: str) -> None:
    assert visible(text) == text


@given(any_text)
def test_no_text_keeps_a_control_or_an_override(text: str) -> None:
    assert harmless(visible(text))
    assert all(harmless(line) for line in visible_lines(text))


def test_lines_are_kept_and_tabs_become_spaces() -> None:
    assert visible_lines("one\r\ntwo\n\tthree\rfour\x1bfive") == ["one", "two", r"    three\rfour\x1bfive"]


@given(st.recursive(any_text | st.integers() | st.none(), lambda inner: st.dictionaries(any_text, inner, max_size=3)))
def test_json_means_the_same_and_is_harmless(value: object) -> None:
    text = visible_json(value)
    assert json.loads(text) == value
    assert harmless(text.replace("\n", ""))


def test_json_keeps_letters_readable_and_escapes_beyond_the_first_plane() -> None:
    assert visible_json({"title": "海關\U000e0041\x9b"}, indent=None) == '{"title": "海關\\udb40\\udc41\\u009b"}'
