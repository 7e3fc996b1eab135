"""The committed examples are sound, carry their sources, and are addressed as their markings allow."""

from __future__ import annotations

import importlib.resources
from typing import Any

import pytest

from schemas.alert import codes
from schemas.alert.document import alert_from_wire, alert_to_wire, check_document, compose_alert, load_document
from schemas.ids import uuid7

EXAMPLES = importlib.resources.files("schemas.examples")
ID = uuid7(1_770_000_000_000, bytes)


def names(folder: str) -> list[str]:
    found = (entry.name for entry in EXAMPLES.joinpath(folder).iterdir())
    return sorted(name for name in found if name.endswith(".yaml") and name != "index.yaml")


def load(folder: str, name: str) -> dict[str, Any]:
    return load_document(EXAMPLES.joinpath(folder, name).read_text(encoding="utf-8"), format="yaml")


def index() -> dict[str, str]:
    entries = load("cases", "index.yaml")["cases"]
    return {entry["file"]: entry["sender"] for entry in entries}


CASES = names("cases")
TEMPLATES = names("templates")


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_sound_and_has_its_source(name: str) -> None:
    document = load("cases", name)
    assert check_document(document) == []
    alert = compose_alert(document, alert_id=ID, sender=index()[name], composed=1_770_000_000_000)
    assert alert_from_wire(alert_to_wire(alert)) == alert
    assert alert.references[0] == name.removesuffix(".yaml")
    assert alert.sources
    assert alert.narrative
    assert len(alert.narrative) > 80
    assert alert.to != [index()[name]]
    for subject in alert.subjects:
        number = getattr(subject, "number", None) if subject.type == "container" else None
        assert not number or subject.invented, "no container number was published"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_sound_explained_and_harmless(name: str) -> None:
    text = EXAMPLES.joinpath("templates", name).read_text(encoding="utf-8")
    document = load("templates", name)
    assert check_document(document) == []
    assert text.startswith("# ")
    assert document["status"] == "exercise"
    alert = compose_alert(document, alert_id=ID, sender="fj-customs", composed=1_770_000_000_000)
    assert alert_from_wire(alert_to_wire(alert)) == alert


def test_the_index_names_every_case_once() -> None:
    entries = load("cases", "index.yaml")["cases"]
    assert isinstance(entries, list)
    assert len(entries) == len(index()) == 121
    assert sorted(index()) == CASES


def test_red_and_strict_cases_name_their_readers() -> None:
    marked = {name: load("cases", name) for name in CASES}
    tight = [d for d in marked.values() if d["marking"] in ("red", "amber+strict")]
    assert {d["marking"] for d in tight} == {"red", "amber+strict"}
    assert not [a for d in tight for a in d["to"] if ":" in a or a == "all"]


def test_cases_use_the_kinds_and_means_an_exchange_has() -> None:
    documents = [load("cases", name) for name in CASES]
    assert {d["kind"] for d in documents} >= {"seizure", "watch", "detection", "method", "risk", "request", "bulletin"}
    assert {d["precedence"] for d in documents} == {"flash", "immediate", "priority", "routine"}
    assert {mode for d in documents for mode in d["modes"]} == {"sea", "air", "post", "road", "rail", "other"}
    addresses = {a for d in documents for a in d["to"]}
    assert {"all", "region:oceania", "operation:marker"} <= addresses
    assert {s["type"] for d in documents for s in d["subjects"]} >= {
        *(
            "substance",
            "container",
            "vessel",
            "vehicle",
            "flight",
            "consignment",
            "carriage",
            "concealment",
            "location",
        ),
        *("route", "detection", "arrests", "value", "item", "mark", "outcome", "person", "organisation"),
    }


def test_templates_cover_every_kind() -> None:
    kinds = {load("templates", name)["kind"] for name in TEMPLATES}
    assert kinds == set(codes.Kind.__args__)  # type: ignore[attr-defined]  # a Literal keeps its words there


def test_none_arrested_differs_from_not_stated() -> None:
    states = {s["status"] for n in CASES for s in load("cases", n)["subjects"] if s["type"] == "arrests"}
    assert states == {"none", "some", "not-stated"}
