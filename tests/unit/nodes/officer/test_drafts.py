from __future__ import annotations

from typing import Any

from nodes.officer.drafts import apply_flags, put_subjects, vessel, watch_title


def test_flags_alone_make_a_watch() -> None:
    assert apply_flags({}, {"to": ("sg-cnb,nz-customs", "region:oceania"), "containers": ("CSQU3054383",)}) == {
        "kind": "watch",
        "title": "Look out for container CSQU3054383",
        "to": ["sg-cnb", "nz-customs", "region:oceania"],
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
        "modes": ["sea"],
    }


def test_flags_replace_what_a_document_says_and_leave_the_rest() -> None:
    document = {"kind": "seizure", "title": "Old", "to": ["all"], "narrative": "Stays.", "subjects": [{"type": "item"}]}
    given = {"title": "New", "marking": "green", "caveats": ("no-publication",), "expires_hours": 5, "to": ()}
    assert apply_flags(document, given) == {
        **document,
        "title": "New",
        "marking": "green",
        "caveats": ["no-publication"],
        "expires_hours": 5,
    }
    assert document["title"] == "Old"


def test_numbers_fill_the_blanks_of_a_template_in_order() -> None:
    template: list[dict[str, Any]] = [
        {"type": "container", "number": None, "size": "40"},
        {"type": "vessel", "name": "X"},
        {"type": "container"},
    ]
    assert put_subjects(template, "container", [{"number": "A"}]) == [
        {"type": "container", "size": "40", "number": "A"},
        {"type": "vessel", "name": "X"},
    ]
    assert put_subjects([], "vessel", [{"name": "A"}, {"name": "B"}]) == [
        {"type": "vessel", "name": "A"},
        {"type": "vessel", "name": "B"},
    ]
    assert put_subjects(template, "container", []) == template


def test_a_vessel_is_known_by_number_or_name() -> None:
    assert vessel("9319466") == vessel("IMO 9319466") == vessel(" imo9319466 ") == {"imo": "9319466"}
    assert vessel("Sheng Li Man 7") == {"name": "Sheng Li Man 7"}
    assert vessel("٩٣١٩٤٦٦") == {"name": "٩٣١٩٤٦٦"}


def test_titles_are_made_of_what_is_looked_for() -> None:
    subjects = [{"type": "vessel", "imo": "9319466"}, {"type": "container", "number": "CSQU3054383"}]
    assert watch_title(subjects) == "Look out for vessel IMO 9319466 and 1 more"
    assert watch_title([{"type": "route"}]) == ""
    assert "title" not in apply_flags({"kind": "seizure", "subjects": subjects}, {})
