"""Every problem code has a document that shows it, and nothing else with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import schemas.alert
from schemas.alert.document import check_document
from schemas.alert.problems import CODES
from tests.support.alert_documents import MINIMAL

LONG = "x" * 500
ELSEWHERE = {  # shown by the tests of the loader and of the wire
    "yaml-alias",
    "yaml-tag",
    "duplicate-key",
    "bad-key",
    "not-canonical",
}

STEP = {"stage": "selection", "method": "patrol"}
ATTACHMENT = {
    "name": "x.png",
    "media_type": "image/png",
    "size": 1,
    "sealed_size": 42,
    "digest": "0" * 64,
    "key": "0" * 64,
}


def subject(**fields: Any) -> dict[str, Any]:
    return {"subjects": [{"type": "container", "number": "CSQU3054383"}, fields]}


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("missing", "title", {"title": None}),
    ("missing", "subjects[1].type", subject(name="x")),
    ("missing", "method", {"kind": "method"}),
    ("missing", "relation", {"kind": "recall", "recall": {"reason": "mistake"}}),
    ("unknown-field", "titel", {"titel": "x"}),
    ("wrong-type", "title", {"title": ["x"]}),
    ("wrong-type", "subjects", {"subjects": "container"}),
    ("wrong-type", "watch", {"watch": "hold"}),
    ("wrong-type", "grading.information", {"grading": {"source": "A", "information": "1"}}),
    ("wrong-type", "title", {"title": 10**5000}),
    ("wrong-type", "subjects[1].flag", subject(type="vessel", name="x", flag=5)),
    ("wrong-type", "subjects[1].currency", subject(type="value", amount=1, currency=5)),
    ("wrong-type", "subjects[1].quantity.unit", subject(type="substance", name="x", quantity={"number": 1, "unit": 5})),
    ("wrong-type", "operation", {"operation": 5}),
    ("too-short", "title", {"title": "  "}),
    ("too-long", "title", {"title": LONG}),
    ("too-few", "to", {"to": []}),
    ("too-many", "to", {"to": [f"sg-a{n}" for n in range(65)]}),
    ("too-many", "subjects[1].origin", subject(type="route", origin=["MX"] * 17)),
    ("out-of-range", "expires_hours", {"expires_hours": 0}),
    ("out-of-range", "grading.information", {"grading": {"source": "A", "information": 7}}),
    ("out-of-range", "subjects[1].amount", subject(type="value", amount=-1, currency="HKD")),
    ("out-of-range", "subjects[1]", subject(type="value", amount=2, upper=1, currency="HKD")),
    ("out-of-range", "subjects[1]", subject(type="substance", name="x", purity_percent=101)),
    ("out-of-range", "subjects[1]", subject(type="location", latitude=91, longitude=0)),
    (
        "out-of-range",
        "subjects[1].quantity",
        subject(type="substance", name="x", quantity={"upper": 1, "as_reported": "x"}),
    ),
    ("bad-choice", "kind", {"kind": "wach"}),
    ("bad-choice", "subjects[1].type", subject(type="vesel")),
    ("bad-form", "subjects[1].number", subject(type="container", number="CSQU305438")),
    ("bad-form", "subjects[1].mmsi", subject(type="vessel", mmsi="12345")),
    ("bad-form", "subjects[1].cas", subject(type="substance", name="x", cas="537462")),
    ("bad-form", "subjects[1].unlocode", subject(type="location", unlocode="HKG1")),
    ("bad-form", "subjects[1].hs_codes[0]", subject(type="consignment", hs_codes=["123"])),
    ("bad-form", "subjects[1].number", subject(type="flight", number="flight 12345")),
    ("bad-form", "subjects[1].air_waybill", subject(type="consignment", air_waybill="160-1234567")),
    ("bad-form", "operation", {"operation": "Operation Marker"}),
    ("bad-form", "sources[0]", {"sources": ["www.example.org"]}),
    ("bad-form", "subjects[1].label", subject(type="vessel", name="x", label="Box 1")),
    ("bad-form", "attachments[0].name", {"attachments": [{**ATTACHMENT, "name": "../x"}]}),
    ("bad-form", "attachments[0].media_type", {"attachments": [{**ATTACHMENT, "media_type": "picture"}]}),
    ("bad-form", "links[0].alert", {"links": [{"type": "see-also", "alert": "1234"}]}),
    ("check-digit", "subjects[1].number", subject(type="container", number="CSQU3054384")),
    ("check-digit", "subjects[1].imo", subject(type="vessel", imo="9319467")),
    ("check-digit", "subjects[1].cas", subject(type="substance", name="x", cas="537-46-3")),
    ("check-digit", "subjects[1].air_waybill", subject(type="consignment", air_waybill="160-12345674")),
    ("bad-character", "title", {"title": "watch\x1b[31m"}),
    ("bad-character", "narrative", {"narrative": "abc\u202edef"}),
    ("bad-number", "subjects[1].amount", subject(type="value", amount="1,5", currency="HKD")),
    ("bad-quantity", "subjects[1].quantity", subject(type="substance", name="x", quantity="plenty")),
    (
        "bad-unit",
        "subjects[1].quantity.unit",
        subject(type="substance", name="x", quantity={"number": 1, "unit": "ton"}),
    ),
    ("bad-date", "embargo", {"embargo": "2026-02-30"}),
    ("bad-country", "subjects[1].flag", subject(type="vessel", name="x", flag="Thailand")),
    ("bad-currency", "subjects[1].currency", subject(type="value", amount=1, currency="HK$")),
    ("bad-language", "language", {"language": "English"}),
    ("bad-address", "to[0]", {"to": ["Hong Kong"]}),
    ("duplicate", "to", {"to": ["sg-cnb", "sg-cnb"]}),
    ("duplicate", "subjects[1].label", {"subjects": [{"type": "container", "size": "20", "label": "a"}] * 2}),
    ("needs-one-of", "subjects[1]", subject(type="container")),
    ("needs-one-of", "subjects[1]", subject(type="vessel")),
    ("needs-one-of", "subjects[1]", subject(type="flight")),
    ("needs-one-of", "subjects[1]", subject(type="parcel")),
    ("needs-one-of", "subjects[1]", subject(type="consignment")),
    ("needs-one-of", "subjects[1]", subject(type="organisation", role="front")),
    ("needs-one-of", "subjects[1]", subject(type="location")),
    ("needs-one-of", "subjects[1]", subject(type="route")),
    ("needs-one-of", "subjects[1].quantity", subject(type="substance", name="x", quantity={"basis": "gross"})),
    ("needs-one-of", "partners[0]", {"partners": [{"roles": ["tip"]}]}),
    ("needs-one-of", "links[0]", {"links": [{"type": "see-also"}]}),
    ("needs-together", "subjects[1].quantity", subject(type="substance", name="x", quantity={"number": 1})),
    ("needs-together", "subjects[1]", subject(type="substance", name="x", status="confirmed")),
    ("needs-together", "subjects[1]", subject(type="location", latitude=1)),
    ("needs-together", "subjects[1]", subject(type="item", kind="cash", amount=1)),
    ("needs-subject", "subjects", {"subjects": []}),
    ("contradiction", "subjects[1]", subject(type="arrests", status="none", number=2)),
    ("contradiction", "subjects[1]", subject(type="arrests", status="some", number=0)),
    ("contradiction", "subjects[1]", subject(type="vessel", name="x", stateless=True, flag="NO")),
    (
        "contradiction",
        "relation.type",
        {"relation": {"type": "recall", "alert": "01934f6a-0000-7000-8000-000000000000"}},
    ),
    (
        "contradiction",
        "relation.type",
        {
            "kind": "recall",
            "recall": {"reason": "x"},
            "relation": {"type": "reply", "alert": "01934f6a-0000-7000-8000-000000000000"},
        },
    ),
    ("date-order", "dates[0]", {"dates": [{"event": "detection", "date": "2026-02", "until": "2026-01-31"}]}),
    (
        "date-order",
        "sitrep.period",
        {
            "kind": "sitrep",
            "sitrep": {"period": {"first": "2026-02-02", "last": "2026-02-01"}, "as_at": 2026, "counting": "all"},
        },
    ),
    ("minor-named", "subjects[1]", subject(type="person", role="courier", minor=True, name="A B")),
    ("not-for-kind", "recall", {"recall": {"reason": "mistake"}}),
    ("marking-address", "to[1]", {"marking": "red", "to": ["sg-cnb", "operation:marker"]}),
    ("marking-address", "to[0]", {"marking": "amber+strict", "to": "region:oceania"}),
    ("marking-address", "to[0]", {"marking": "amber+strict", "to": ["all"]}),
    ("unknown-label", "subjects[1].within", subject(type="substance", name="x", within="box")),
    ("too-large", "", {"subjects": [{"type": "detection", "steps": [{**STEP, "note": "x" * 400}] * 64}] * 20}),
    ("too-deep", "", {"narrative": [[[[[[[[[[[["x"]]]]]]]]]]]]}),
    ("nothing-seized", "subjects", {"kind": "seizure"}),
    ("unknown-port", "subjects[1].unlocode", subject(type="location", unlocode="QQABC")),
    ("unknown-port", "subjects[1].origin", subject(type="route", origin="QQABC")),
    ("unknown-hs", "subjects[1].hs_codes[0]", subject(type="consignment", hs_codes=["77.01"])),
]


@pytest.mark.parametrize(("code", "path", "change"), CASES, ids=[f"{c}-{p}" for c, p, _ in CASES])
def test_a_document_with_one_defect_has_one_problem(code: str, path: str, change: dict[str, Any]) -> None:
    document = {k: v for k, v in {**MINIMAL, **change}.items() if v is not None}
    problems = check_document(document)
    assert [(p.code, p.path) for p in problems] == [(code, path)]
    assert problems[0].severity == ("warning" if CODES[code].startswith("warning") else "error")
    assert problems[0].message.endswith(".")
    assert problems[0].hint


def test_every_code_is_shown_here_or_by_name_elsewhere() -> None:
    assert {code for code, _, _ in CASES} | ELSEWHERE == set(CODES)


def test_the_sources_use_no_code_that_is_not_listed() -> None:
    used: set[str] = set()
    for module in Path(str(schemas.alert.__path__[0])).glob("*.py"):
        used |= set(re.findall(r'(?:refuse|_Refused)\(\s*"([a-z-]+)"', module.read_text()))
    assert "check-digit" in used
    assert used <= set(CODES)


def test_all_problems_are_reported_together_in_the_order_of_the_document() -> None:
    problems = check_document(
        {
            "kind": "watch",
            "titel": "x",
            "to": ["nowhere!"],
            "subjects": [
                {"type": "container", "number": "CSQU3054384", "size": "19"},
                {"type": "vessel", "imo": 9319467, "flag": "XX"},
                {"type": "location", "unlocode": "QQABC"},
            ],
        }
    )
    assert [(p.path, p.code) for p in problems] == [
        ("title", "missing"),
        ("titel", "unknown-field"),
        ("to[0]", "bad-address"),
        ("subjects[0].number", "check-digit"),
        ("subjects[0].size", "bad-choice"),
        ("subjects[1].imo", "check-digit"),
        ("subjects[1].flag", "bad-country"),
        ("subjects[2].unlocode", "unknown-port"),
    ]


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"titel": "x"}, "Did you mean 'title'?"),
        ({"watch": {"action": ["hold"]}}, "Did you mean 'actions'?"),
        (subject(type="vessel", imo_number="9319466", name="x"), "Leave it out"),
        (subject(type="vessel", descripton="white hull", name="x"), "Did you mean 'description'?"),
        (
            subject(type="substance", name="x", quantity={"number": 1, "unit": "kg", "bases": "net"}),
            "Did you mean 'basis'?",
        ),
        (
            subject(type="detection", steps=[{"stage": "selection", "method": "patrol", "notes": "x"}]),
            "Did you mean 'note'?",
        ),
        ({"dates": [{"event": "arrival", "date": "2026", "untill": "2027"}]}, "Did you mean 'until'?"),
        ({"kind": "wach"}, "Did you mean 'watch'?"),
        ({"modes": ["see"]}, "Did you mean 'sea'?"),
        (subject(type="vessel", name="x", flag="thailand"), "Did you mean TH?"),
        (subject(type="value", amount=1, currency="HDK"), "Did you mean 'HKD'?"),
        ({"id": "x"}, "the node fills it in"),
    ],
)
def test_a_near_miss_is_told_what_was_meant(change: dict[str, Any], hint: str) -> None:
    assert any(hint in p.hint for p in check_document({**MINIMAL, **change}))


@pytest.mark.parametrize(
    ("number", "digit"),
    [("CSQU3054384", "3 is expected"), ("csqu 305438-0", "3 is expected"), ("TASU1170001", "0 is expected")],
)
def test_a_wrong_check_digit_names_the_right_one(number: str, digit: str) -> None:
    [problem] = check_document({**MINIMAL, "subjects": [{"type": "container", "number": number}]})
    assert problem.path == "subjects[0].number"
    assert digit in problem.message
