from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nodes.officer.subjects import describe
from schemas.alert.document import alert_to_wire, compose_alert
from schemas.ids import uuid7
from tests.unit.nodes.officer.conftest import ROOT

TYPES = (
    *("container", "vessel", "vehicle", "flight", "parcel", "consignment", "carriage", "person", "organisation"),
    *("arrests", "location", "route", "substance", "value", "item", "mark", "concealment", "detection", "outcome"),
    "a-later-type",
)


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ({"type": "container", "number": "CSQU3054383", "size": "40", "kind": "reefer"}, "CSQU3054383, 40 ft, reefer"),
        ({"type": "container", "count": 17, "load": "full"}, "17 containers, load full"),
        (
            {"type": "vessel", "name": "SHENG LI MAN", "flag": "TW", "imo": "9319466"},
            "SHENG LI MAN, flag TW, IMO 9319466",
        ),
        ({"type": "vehicle", "kind": "truck", "count": 2, "country": "TH"}, "2 x truck, registered in TH"),
        ({"type": "person", "role": "courier", "minor": True}, "courier, minor"),
        ({"type": "arrests", "status": "none"}, "nobody arrested"),
        ({"type": "arrests", "status": "not-stated"}, "arrests not stated"),
        ({"type": "arrests", "status": "some", "number": 2}, "2 arrested"),
        ({"type": "arrests", "status": "some"}, "arrests made, number not stated"),
        ({"type": "value", "amount": "5", "currency": "HKD", "scope": "this-case"}, "HKD 5, this case"),
        ({"type": "location", "name": "Oi Terminal", "role": "seizure"}, "seizure: Oi Terminal"),
        ({"type": "substance", "name": "ketamine", "invented": True}, "ketamine (invented, for exercise)"),
        (
            {"type": "route", "origin": [{"country": "MY"}, {"country": "TH"}], "destination": [{"unlocode": "NZTRG"}]},
            "MY or TH → NZTRG",
        ),
        (
            {"type": "route", "origin": [{"country": "MY"}], "transit": [{"country": "SG"}, {"country": "AU"}]},
            "MY → SG → AU",
        ),
        (
            {"type": "consignment", "declared_goods": "tools", "cover_goods": "sand"},
            "declared as tools, covered by sand",
        ),
        ({"type": "detection", "steps": [{"stage": "selection", "method": "patrol"}]}, "1 step"),
    ],
)
def test_the_line_of_a_subject(subject: dict[str, object], line: str) -> None:
    assert describe(subject).line == line


def test_steps_of_a_detection_stay_in_order() -> None:
    steps = [
        {"stage": "selection", "method": "risk-profiling", "by": "Tokyo Customs"},
        {
            "stage": "confirmation",
            "method": "raman",
            "result": "positive",
            "reading": {"substance": "ketamine"},
            "note": "twice",
        },
    ]
    described = describe({"type": "detection", "steps": steps})
    assert described.line == "2 steps"
    assert described.steps == [
        "selection: risk profiling, by Tokyo Customs",
        "confirmation: raman, positive, reading: substance ketamine (twice)",
    ]


@given(
    st.sampled_from(TYPES),
    st.dictionaries(st.from_regex(r"[a-z]{3,9}_field", fullmatch=True), st.from_regex(r"[A-Z]{4,9}", fullmatch=True)),
)
def test_no_field_is_lost_even_one_of_a_later_version(kind: str, fields: dict[str, str]) -> None:
    minimal = {"amount": "1", "currency": "HKD"} if kind == "value" else {}
    described = describe({"type": kind, **minimal, **fields})
    assert all(value in f"{described.line} {described.details}" for value in fields.values())


def test_every_fact_of_the_example_cases_is_on_the_page() -> None:
    """Each text and number of each subject, however deep, is in its description."""
    seen = 0
    for path in sorted((ROOT / "schemas" / "examples" / "cases").glob("*-*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        alert = compose_alert(document, alert_id=uuid7(0, bytes), sender="hk-customs", composed=0)
        wire = alert_to_wire(alert)
        for subject in wire.get("subjects", []):  # type: ignore[union-attr]  # a list of maps, by the schema
            described = describe(subject)  # type: ignore[arg-type]
            text = _letters(f"{described} {' '.join(described.steps)}")
            for fact in _facts(subject):
                assert _letters(fact) in text, f"{path.name}: {fact!r} is missing from {described}"
                seen += 1
    assert seen > 500


def _facts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if not (key in ("type", "status") or (key == "unit") or (key == "kind") or member is True):
                yield from _facts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _facts(member)
    elif value not in ("stated", "none", "not-stated", "exact", "range"):
        yield str(value)


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())
