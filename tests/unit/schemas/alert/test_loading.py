from __future__ import annotations

import json
from decimal import Decimal
from time import process_time
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.alert.loading import load_document
from schemas.errors import BadDocument, Malformed, TooDeep, TooLarge
from schemas.limits import MAX_DEPTH, MAX_DOCUMENT

Format = Literal["yaml", "json"]
_scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=12)
_trees = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_plain_yaml_scalars_are_what_an_officer_means() -> None:
    text = """
    country: NO
    answer: yes
    switch: on
    flag: true
    day: 2026-01-02
    time: 2026-01-02T08:30Z
    weight: 36.70
    count: -12
    serial: 0123
    sexagesimal: 12:30:45
    exponent: 1e5
    infinite: .inf
    nothing: ~
    empty:
    quoted: "36.7"
    block: |
      5
    """
    assert load_document(text, format="yaml") == {
        "country": "NO",
        "answer": "yes",
        "switch": "on",
        "flag": True,
        "day": "2026-01-02",
        "time": "2026-01-02T08:30Z",
        "weight": Decimal("36.70"),
        "count": -12,
        "serial": "0123",
        "sexagesimal": "12:30:45",
        "exponent": "1e5",
        "infinite": ".inf",
        "nothing": None,
        "empty": None,
        "quoted": "36.7",
        "block": "5\n",
    }


def test_decimals_keep_every_digit() -> None:
    for text, form in (("n: 0.100000000000000005551115123125", "yaml"), ('{"n": 0.10000000000000000555}', "json")):
        number = load_document(text, format=form)["n"]  # type: ignore[arg-type]  # a literal of the tuple
        assert isinstance(number, Decimal)
        assert str(number) in text


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("kind: watch\na: &x 1\nb: *x\n", "yaml-alias", 2),
        ("a: *x\n", "yaml-alias", 1),
        ("&x a: 1\n", "yaml-alias", 1),
        ("a: !!python/object/apply:os.system [ls]\n", "yaml-tag", 1),
        ("a: !!str 5\n", "yaml-tag", 1),
        ("a: ! 5\n", "yaml-tag", 1),
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", 3),
        ("a:\n  - {b: 1, b: 2}\n", "duplicate-key", 2),
        ("? [a]\n: 1\n", "bad-key", 1),
        ("a: 1\n---\nb: 2\n", "bad-key", 2),
    ],
)
def test_what_facts_do_not_need_is_refused_by_name(text: str, code: str, line: int) -> None:
    with pytest.raises(BadDocument) as caught:
        load_document(text, format="yaml")
    assert [(p.code, p.path) for p in caught.value.problems] == [(code, f"line {line}")]


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}]\n" for n in range(9)
    )
    with pytest.raises(BadDocument) as caught:
        load_document(bomb, format="yaml")
    assert caught.value.problems[0].path == "line 1"


@pytest.mark.parametrize("text", ["<<: {a: 1}\nb: 2\n"])
def test_a_merge_key_is_only_a_name(text: str) -> None:
    assert load_document(text, format="yaml") == {"<<": {"a": 1}, "b": 2}


@pytest.mark.parametrize(
    ("opening", "closing", "form"), [("[", "]", "yaml"), ("[", "]", "json"), ("{a: ", "}", "yaml")]
)
def test_nesting_is_bounded(opening: str, closing: str, form: Format) -> None:
    def nested(levels: int) -> str:
        head, tail = ('{"a": ', "}") if form == "json" else ("{a: ", "}")
        return head + opening * (levels - 1) + "1" + closing * (levels - 1) + tail

    assert load_document(nested(MAX_DEPTH), format=form)
    with pytest.raises(TooDeep):
        load_document(nested(MAX_DEPTH + 1), format=form)
    with pytest.raises(TooDeep):
        load_document(opening * 50_000, format=form)


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_size_is_bounded_in_bytes(form: Format) -> None:
    def document(size: int) -> str:
        return '{"a": "' + "é" * ((size - 9) // 2) + "x" * ((size - 9) % 2) + '"}'

    assert len(document(MAX_DOCUMENT).encode()) == MAX_DOCUMENT
    assert load_document(document(MAX_DOCUMENT), format=form)
    with pytest.raises(TooLarge):
        load_document(document(MAX_DOCUMENT + 1), format=form)
    with pytest.raises(TooLarge):
        load_document("x" * (MAX_DOCUMENT + 1), format=form)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "yaml"),
        ("# only a comment\n", "yaml"),
        ("- a\n", "yaml"),
        ("just words\n", "yaml"),
        ("a: [1\n", "yaml"),
        ("a: 'x\n", "yaml"),
        ("a:\n\tb: 1\n", "yaml"),
        ("a: \x00\n", "yaml"),
        ("a: \ud800\n", "yaml"),
        ("", "json"),
        ("[1]", "json"),
        ("{'a': 1}", "json"),
        ('{"a": NaN}', "json"),
        ('{"a": -Infinity}', "json"),
        ('{"a": 1} {"b": 2}', "json"),
        ('{"a": ' + "9" * 5000 + "}", "json"),
        ('{"a": "\ud800"}', "json"),
    ],
)
def test_what_is_no_document_is_malformed(text: str, form: Format) -> None:
    with pytest.raises(Malformed) as caught:
        load_document(text, format=form)
    assert caught.value.hint


def test_the_line_of_a_mistake_is_named() -> None:
    with pytest.raises(Malformed, match="line 3"):
        load_document("kind: watch\ntitle: x\nto: a: b\n", format="yaml")
    with pytest.raises(Malformed, match="line 2"):
        load_document('{"kind": "watch",\n"title" "x"}', format="json")


def test_json_fields_stand_once() -> None:
    with pytest.raises(BadDocument) as caught:
        load_document('{"a": {"b": 1, "b": 2}}', format="json")
    assert [p.code for p in caught.value.problems] == ["duplicate-key"]


@given(st.dictionaries(st.text(max_size=8), _trees, max_size=6))
def test_json_is_read_as_written(document: dict[str, object]) -> None:
    text = json.dumps(document)
    try:
        assert load_document(text, format="json") == document
    except TooDeep:
        assert text.count("[") + text.count("{") > MAX_DEPTH


@given(st.text(max_size=200), st.sampled_from(["yaml", "json"]))
@example("a: !<tag:yaml.org,2002:int> 5", "yaml")
@example("%YAML 9.9\n---\na: 1", "yaml")
@example("{a: 1}: b", "yaml")
@example("\ufeffkind: watch", "yaml")
def test_any_text_is_read_or_refused(text: str, form: Format) -> None:
    try:
        document = load_document(text, format=form)
    except (Malformed, BadDocument, TooDeep):
        return
    assert isinstance(document, dict)


def test_a_number_with_an_absurd_exponent_is_refused_like_any_other_mistake() -> None:
    with pytest.raises(Malformed, match="too large or too small"):
        load_document('{"title": 1e99999999999999999999}', format="json")


def test_a_doubled_field_among_very_many_is_found_at_once() -> None:
    names = ", ".join(f'"f{number}": 1' for number in range(17_000))
    started = process_time()
    with pytest.raises(BadDocument, match="'f16999' stands there twice"):
        load_document(f'{{{names}, "f16999": 1}}', format="json")
    assert process_time() - started < 1  # comparing all with all took many seconds
