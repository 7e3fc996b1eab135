from __future__ import annotations

import pytest

from nodes.auditor.text import count, entries_text, plain, size, when


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hong Kong 香港", "Hong Kong 香港"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\nb\tc\x00", "a\\nb\\tc\\x00"),
        ("left\u202eright", "left\\u202eright"),
        ("\x9bcsi", "\\x9bcsi"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_times_are_shown_in_utc_and_impossible_ones_as_numbers() -> None:
    assert when(0) == "1970-01-01 00:00:00.000 UTC"
    assert when(1_790_000_000_123) == "2026-09-21 14:13:20.123 UTC"
    assert when(1 << 62) == f"{1 << 62} ms"


def test_numbers_with_their_nouns() -> None:
    assert [count(1, "entry", "entries"), count(2, "entry", "entries"), count(1000, "alert")] == [
        "1 entry",
        "2 entries",
        "1,000 alerts",
    ]
    assert [size(1), size(1023), size(1536), size(5 << 20), size(3 << 30), size(7 << 40)] == [
        "1 byte",
        "1,023 bytes",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "7.0 TiB",
    ]
    assert [entries_text(7, 7), entries_text(7, 9)] == ["entry 7", "entries 7 to 9"]
