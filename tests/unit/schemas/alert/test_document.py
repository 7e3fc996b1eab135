from __future__ import annotations

import datetime as dt
from decimal import Decimal
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert.document import (
    Alert,
    alert_from_wire,
    alert_to_wire,
    check_document,
    compose_alert,
    draft_alert,
    load_document,
)
from schemas.codec import Value, decode, encode
from schemas.errors import BadDocument, BadId
from schemas.ids import uuid7
from schemas.limits import MAX_DOCUMENT
from tests.support.alert_documents import MINIMAL, documents

ID = uuid7(1_770_000_000_000, lambda n: bytes(range(n)))


def compose(document: dict[str, Any]) -> Alert:
    return compose_alert(document, alert_id=ID, sender="hk-customs", composed=1_770_000_000_000)


def only_plain_values(value: Value) -> bool:
    if isinstance(value, dict):
        return all(type(k) is str and only_plain_values(v) for k, v in value.items())
    if isinstance(value, list):
        return all(only_plain_values(v) for v in value)
    return value is not None and type(value) in (bool, int, str, bytes)


@given(documents())
def test_what_is_composed_survives_the_wire_exactly(document: dict[str, Any]) -> None:
    alert = compose(document)
    wire = alert_to_wire(alert)
    assert only_plain_values(wire)
    assert decode(encode(wire), max_size=MAX_DOCUMENT) == wire
    back = alert_from_wire(wire)
    assert back == alert
    assert alert_to_wire(back) == wire


@given(documents())
def test_the_wire_form_is_itself_a_sound_document(document: dict[str, Any]) -> None:
    wire = alert_to_wire(compose(document))
    again = {k: v for k, v in wire.items() if k not in ("id", "sender", "composed", "version")}
    assert not [p for p in check_document(again) if p.severity == "error"]
    assert alert_to_wire(compose(again)) == wire


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
_names = st.sampled_from([*Alert.model_fields, "titel"])


@given(st.dictionaries(_names, _anything, max_size=12))
def test_any_map_yields_problems_and_never_an_exception(document: dict[str, Any]) -> None:
    for problem in check_document(document):
        assert problem.message
        assert problem.hint
        assert problem.severity in ("error", "warning")


@given(st.dictionaries(_names, _anything, max_size=12), documents())
def test_a_foreign_wire_map_is_refused_or_read_exactly(noise: dict[str, Any], document: dict[str, Any]) -> None:
    value: dict[str, Any] = {**alert_to_wire(compose(document)), **noise}
    try:
        alert = alert_from_wire(value)
    except BadDocument:
        return
    assert alert_to_wire(alert) == value


@given(st.dictionaries(st.sampled_from([*Alert.model_fields, "x"]), st.none() | st.text(max_size=4)), documents())
def test_a_draft_has_the_problems_of_its_document_and_is_the_alert_that_would_be_composed(
    noise: dict[str, Any], document: dict[str, Any]
) -> None:
    given = {**document, **noise}
    alert, problems = draft_alert(given, alert_id=ID, sender="hk-customs", composed=1_770_000_000_000)
    assert problems == check_document(given)
    assert (alert is None) is any(problem.severity == "error" for problem in problems)
    assert alert is None or alert == alert_from_wire(alert_to_wire(alert))


def test_defaults_depend_on_the_kind() -> None:
    watch = compose(MINIMAL)
    assert (watch.language, watch.marking, watch.status, watch.precedence) == ("en", "amber", "actual", "priority")
    method = compose({"kind": "method", "title": "t", "to": "all", "method": {"indicators": "odd weight"}})
    assert method.precedence == "routine"
    assert method.to == ["all"]


def test_an_alert_carries_what_the_node_adds() -> None:
    alert = compose(MINIMAL)
    assert alert.id == "019c1c38-a400-7001-8203-040506070809"
    assert (alert.sender, alert.composed, alert.version) == ("hk-customs", 1_770_000_000_000, 1)


def test_empty_fields_do_not_travel() -> None:
    wire = alert_to_wire(compose({**MINIMAL, "narrative": None, "links": [], "watch": {}}))
    assert set(wire) == {
        *("version", "id", "sender", "composed", "kind", "title", "to", "language", "marking", "status"),
        *("precedence", "subjects", "watch"),
    }
    assert wire["watch"] == {}


def test_numbers_become_exact_decimal_text_whatever_they_came_as() -> None:
    for number in (36.7, Decimal("36.70"), "36.7"):
        document = {
            **MINIMAL,
            "subjects": [{"type": "substance", "name": "x", "quantity": {"number": number, "unit": "kg"}}],
        }
        wire: Any = alert_to_wire(compose(document))
        assert wire["subjects"][0]["quantity"]["number"] == "36.7"


def test_dates_of_other_loaders_are_read() -> None:
    document = {**MINIMAL, "embargo": dt.date(2026, 1, 2), "dates": [{"event": "arrival", "date": 2026}]}
    alert = compose(document)
    assert alert.embargo == "2026-01-02"
    assert alert.dates[0].date == "2026"


def test_a_document_with_errors_is_not_composed_and_says_all() -> None:
    with pytest.raises(BadDocument) as caught:
        compose({"kind": "watch", "to": ["!"], "subjects": [{"type": "location", "unlocode": "QQABC"}]})
    listed = [(p.path, p.severity) for p in caught.value.problems]
    assert listed == [("title", "error"), ("to[0]", "error"), ("subjects[0].unlocode", "warning")]
    assert "(1 more)" in caught.value.message


def test_a_warning_does_not_stop_an_alert() -> None:
    alert = compose({**MINIMAL, "kind": "seizure"})
    assert alert.kind == "seizure"


def test_the_node_must_give_a_sound_id_and_sender() -> None:
    with pytest.raises(BadId):
        compose_alert(MINIMAL, alert_id=b"\0" * 16, sender="hk-customs", composed=0)
    with pytest.raises(BadId):
        compose_alert(MINIMAL, alert_id=ID, sender="HK", composed=0)


def test_a_time_before_the_epoch_is_refused() -> None:
    with pytest.raises(BadDocument):
        compose_alert(MINIMAL, alert_id=ID, sender="hk-customs", composed=-1)


@pytest.mark.parametrize(
    "change",
    [
        {"marking": "AMBER"},
        {"to": "sg-cnb"},
        {"title": " spaced "},
        {"links": []},
        {"narrative": None},
        {"version": True},
        {"version": 2},
        {"composed": 1.0},
        {"subjects": [{"type": "container", "number": "csqu3054383"}]},
        {"subjects": [{"type": "container", "number": "CSQU3054383", "invented": False}]},
        {"subjects": [{"type": "value", "amount": 5, "currency": "HKD"}]},
        {"subjects": [{"type": "value", "amount": "5.0", "currency": "HKD"}]},
        {"subjects": [{"type": "value", "amount": "5", "currency": "hkd"}]},
        {"subjects": [{"type": "route", "origin": "MX"}]},
        {"subjects": [{"type": "substance", "name": "x", "quantity": "5 kg"}]},
        {"unknown": 1},
    ],
)
def test_the_wire_takes_the_canonical_form_only(change: dict[str, Any]) -> None:
    wire = alert_to_wire(compose(MINIMAL))
    assert alert_from_wire(wire) == compose(MINIMAL)
    with pytest.raises(BadDocument):
        alert_from_wire({**wire, **change})


def test_a_lenient_form_on_the_wire_is_named_for_what_it_is() -> None:
    with pytest.raises(BadDocument) as caught:
        alert_from_wire({**alert_to_wire(compose(MINIMAL)), "to": "sg-cnb"})
    assert [p.code for p in caught.value.problems] == ["not-canonical"]


@pytest.mark.parametrize("value", [None, [], "alert", 5, b"x"])
def test_an_alert_on_the_wire_is_a_map(value: Value) -> None:
    with pytest.raises(BadDocument):
        alert_from_wire(value)


def test_alerts_are_immutable() -> None:
    alert = compose(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        alert.title = "other"  # type: ignore[misc]  # the point of the test


def test_a_file_of_an_officer_becomes_an_alert() -> None:
    text = "kind: watch\ntitle: Boxes\nto: all\nembargo: 2026-01-02\nsubjects:\n  - {type: vessel, name: X, flag: NO}\n"
    alert = compose(load_document(text, format="yaml"))
    assert alert.embargo == "2026-01-02"
    assert alert_to_wire(alert)["subjects"] == [{"type": "vessel", "name": "X", "flag": "NO"}]


def test_a_report_of_problems_is_bounded() -> None:
    document = {**MINIMAL, **{f"field{n}": n for n in range(1000)}}
    assert len(check_document(document)) == 200


def test_a_hostile_alert_is_judged_before_its_reader_is_held_up() -> None:
    wire = alert_to_wire(compose(MINIMAL))
    started = process_time()
    with pytest.raises(BadDocument):
        alert_from_wire({**wire, **{f"field-{number}": 1 for number in range(16_000)}})
    assert process_time() - started < 0.5  # looking for the nearest name of each took seconds
