from __future__ import annotations

from decimal import Decimal

import pytest

from nodes.service.requests import Given, read_object
from schemas.errors import Malformed, TooDeep


def test_an_object() -> None:
    assert read_object(b'{"a": [1, 2.50, true, null, "\xe8\x8c\xb6"]}') == {"a": [1, Decimal("2.50"), True, None, "茶"]}
    assert read_object(b"") == {}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1, "a": 2}', "'a' stands there twice"),
        (b'{"b": {"a": 1, "a": 2}}', "'a' stands there twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": ' + b"9" * 31 + b"}", "more than 30 digits"),
        (b'{"a": 1e99999999999999999999}', "too large or too small"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
    ],
)
def test_anything_else_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_object(data)
    assert says in refused.value.message


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(TooDeep):
        read_object(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_fields_of_their_types() -> None:
    given = Given({"t": "x", "o": {"a": 1}, "l": [1], "n": "50", "f": "1", "w": "read"})
    assert given.text("t") == "x"
    assert given.object("o") == {"a": 1}
    assert given.list("l") == [1]
    assert given.number("n") == 50
    assert given.flag("f") is True
    assert given.word("w", ("read", "actioned")) == "read"
    given.done()


def test_fields_that_are_not_there() -> None:
    given = Given({})
    assert (given.text("t"), given.object("o"), given.list("l"), given.number("n"), given.flag("f")) == (
        None,
        None,
        [],
        None,
        False,
    )


@pytest.mark.parametrize("value", ["", "-1", "+1", "01", "1.0", " 1", "1_0", "\u0661", "9" * 19, "x"])
def test_numbers_in_one_form_only(value: str) -> None:
    with pytest.raises(Malformed, match="n must be a whole number"):
        Given({"n": value}).number("n")


def test_fields_of_another_type() -> None:
    with pytest.raises(Malformed, match="t must be a text"):
        Given({"t": 1}).text("t")
    with pytest.raises(Malformed, match="o must be an object"):
        Given({"o": []}).object("o")
    with pytest.raises(Malformed, match="l must be a list"):
        Given({"l": {}}).list("l")
    with pytest.raises(Malformed, match="f must be 1 or 0"):
        Given({"f": "true"}).flag("f")
    with pytest.raises(Malformed, match="w must be one of read, actioned"):
        Given({"w": "done"}).word("w", ("read", "actioned"))
    with pytest.raises(Malformed, match="w must be one of"):
        Given({}).word("w", ("read", "actioned"))


def test_a_field_nobody_asked_for() -> None:
    with pytest.raises(Malformed, match="'extra' is not a field"):
        Given({"extra": 1}).done()


def test_bytes_in_base64_of_one_form_only() -> None:
    assert Given({"b": "AP8="}).blob("b") == b"\x00\xff"
    for value in ("", "AP8", "AP9=", "AP8=\n", " AP8=", "AP_-", "é", None, 7):
        with pytest.raises(Malformed):
            Given({"b": value}).blob("b")
