from __future__ import annotations

import pytest

from nodes.officer.phrases import grouped, money, phrase, place, quantity, spoken


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"number": "36.7", "unit": "kg"}, "36.7 kg"),
        ({"number": "36.7", "unit": "kg", "as_reported": "36.7 kg"}, "36.7 kg"),
        ({"number": "1290.5", "unit": "kg", "as_reported": "1,290.5 kg"}, "1,290.5 kg"),
        ({"number": "60", "unit": "kg", "qualifier": "nearly", "basis": "gross"}, "nearly 60 kg (gross)"),
        ({"number": "55600000", "unit": "tablet", "qualifier": "at-least"}, "at least 55,600,000 tablets"),
        ({"number": "1", "unit": "capsule"}, "1 capsule"),
        ({"number": "2", "upper": "3", "unit": "t", "qualifier": "range"}, "2 to 3 t"),
        ({"as_reported": "a boot full"}, "a boot full"),
        ({"number": "1", "unit": "kg", "as_reported": "a kilo"}, "1 kg, reported as “a kilo”"),
        ({"number": "1", "unit": "kg", "note": "pure"}, "1 kg; pure"),
    ],
)
def test_quantities(value: dict[str, str], words: str) -> None:
    assert quantity(value) == words
    assert phrase(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"country": "MY"}, "MY"),
        ({"unlocode": "SGSIN"}, "SGSIN"),
        ({"name": "Cat Lai Port", "country": "VN", "unlocode": "VNCLI", "kind": "port"}, "Cat Lai Port, VN (VNCLI)"),
        ({"region": "South America", "certainty": "believed"}, "South America [believed]"),
        ({"name": "Nadi", "kind": "stash-house", "according_to": "AFP"}, "Nadi [stash house, according to AFP]"),
        ({"relative": {"distance": "8", "unit": "nm", "of": "Barren Island"}}, "8 nm of Barren Island"),
        ({"latitude": "12.28", "longitude": "93.86"}, "12.28, 93.86"),
    ],
)
def test_places(value: dict[str, object], words: str) -> None:
    assert place(value) == words
    assert phrase(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"amount": "2400000", "currency": "NZD"}, "NZD 2,400,000"),
        ({"amount": "700", "upper": "800", "currency": "VND", "qualifier": "about"}, "about VND 700 to 800"),
    ],
)
def test_money(value: dict[str, str], words: str) -> None:
    assert money(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        (False, ""),
        ([], ""),
        (True, "yes"),
        (0, "0"),
        (["a", "b"], "a, b"),
        ([{"was": "1", "now": "2"}, {"was": "3"}], "was 1, now 2; was 3"),
        ({"first": "2026-01", "last": "2026-03"}, "2026-01 to 2026-03"),
        ({"cases": 14, "name": "ketamine", "total": {"number": "3", "unit": "t"}}, "ketamine: cases 14, total 3 t"),
        ({"a_later_field": {"inner": ["x", 1]}}, "a later field inner x, 1"),
    ],
)
def test_anything_else_is_named_rather_than_lost(value: object, words: str) -> None:
    assert phrase(value) == words


def test_numbers_are_grouped_only_when_they_are_numbers() -> None:
    assert [grouped(text) for text in ("1234567.50", "12", "-5", "a lot", "٣")] == [
        "1,234,567.50",
        "12",
        "-5",
        "a lot",
        "٣",
    ]


def test_codes_lose_their_joints() -> None:
    assert [spoken(word) for word in ("mobile-x-ray", "seals_declared")] == ["mobile X-ray", "seals declared"]
