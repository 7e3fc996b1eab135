from __future__ import annotations

from typing import Any

import pytest

from nodes.service import relations
from schemas.alert.document import check_document
from schemas.errors import BadDocument

ID = "019b0a5e-7c00-7abc-8def-0123456789ab"


def original(**fields: object) -> dict[str, Any]:
    return {
        "version": 1,
        "id": ID,
        "sender": "hk-customs",
        "composed": 1_790_000_000_000,
        "kind": "watch",
        "title": "Container to look out for",
        "to": ["sg-cnb", "region:asia"],
        "language": "zh-Hant",
        "marking": "green",
        "status": "exercise",
        "precedence": "priority",
        "operation": "marker",
        "modes": ["sea"],
        "caveats": ["no-judicial-use"],
        "officer": "Chan",
        "narrative": "As first told.",
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
        "watch": {"action": "inspect"},
        **fields,
    }


def errors(document: dict[str, Any]) -> list[str]:
    return [f"{p.path}: {p.message}" for p in check_document(document) if p.severity == "error"]


def test_a_reply_goes_to_the_sender_and_is_classed_as_the_original() -> None:
    made = relations.reply(original(), narrative="Seen at the gate.", document=None)
    assert made == {
        "kind": "response",
        "title": "Re: Container to look out for",
        "to": ["hk-customs"],
        "language": "zh-Hant",
        "marking": "green",
        "status": "exercise",
        "precedence": "priority",
        "operation": "marker",
        "narrative": "Seen at the gate.",
        "response": {"answers": ["Seen at the gate."]},
        "relation": {"type": "reply", "alert": ID},
    }
    assert errors(made) == []


def test_a_long_reply_is_whole_in_the_narrative_and_short_in_the_answer() -> None:
    narrative = "A sentence of the officer.\n" * 40
    made = relations.reply(original(), narrative=narrative, document=None)
    assert made["narrative"] == narrative
    assert len(made["response"]["answers"][0]) <= 400
    assert made["response"]["answers"][0].endswith("…")
    assert errors(made) == []


def test_a_reply_with_a_document_keeps_what_that_says() -> None:
    document = {
        "kind": "seizure",
        "title": "Found it",
        "marking": "amber",
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
        "relation": {"type": "recall", "alert": ID},
    }
    made = relations.reply(original(), narrative=None, document=document)
    assert (made["kind"], made["title"], made["marking"], made["to"]) == (
        "seizure",
        "Found it",
        "amber",
        ["hk-customs"],
    )
    assert made["relation"] == {"type": "reply", "alert": ID}
    assert "response" not in made
    assert errors(made) == []


def test_an_answer_to_an_answer_does_not_pile_up_prefixes() -> None:
    assert relations.reply(original(title="Re: x"), narrative="y", document=None)["title"] == "Re: x"


def test_a_title_stays_within_its_bound() -> None:
    assert len(relations.reply(original(title="x" * 160), narrative="y", document=None)["title"]) == 160


@pytest.mark.parametrize("narrative", [None, "", "  \n"])
def test_a_relation_needs_words(narrative: str | None) -> None:
    with pytest.raises(BadDocument, match="a reply needs its narrative"):
        relations.reply(original(), narrative=narrative, document=None)
    with pytest.raises(BadDocument, match="a follow-up needs its narrative"):
        relations.follow_up(original(), me="sg-cnb", narrative=narrative, document=None)
    with pytest.raises(BadDocument, match="a correction needs its narrative"):
        relations.correction(original(), narrative=narrative, reason=None, document=None)
    with pytest.raises(BadDocument, match="a recall needs its reason"):
        relations.recall(original(), reason=narrative)


def test_a_follow_up_is_about_the_same_case_for_the_same_readers() -> None:
    made = relations.follow_up(original(), me="sg-cnb", narrative="It left by road.", document=None)
    assert made["to"] == ["region:asia", "hk-customs"]
    assert made["title"] == "Update: Container to look out for"
    assert made["kind"] == "watch"
    assert made["subjects"] == original()["subjects"]
    assert made["watch"] == {"action": "inspect"}
    assert made["caveats"] == ["no-judicial-use"]
    assert made["narrative"] == "It left by road."
    assert made["relation"] == {"type": "follow-up", "alert": ID}
    assert {"id", "sender", "composed", "officer", "version"}.isdisjoint(made)


def test_a_follow_up_of_another_kind_leaves_the_part_behind() -> None:
    document = {"kind": "detection", "narrative": "The dog reacted."}
    made = relations.follow_up(original(), me="sg-cnb", narrative=None, document=document)
    assert made["kind"] == "detection"
    assert "watch" not in made
    assert made["subjects"] == original()["subjects"]


@pytest.mark.parametrize("kind", ["response", "correction", "recall"])
def test_what_answers_something_else_is_not_followed_without_a_document(kind: str) -> None:
    with pytest.raises(BadDocument, match=f"a follow-up to a {kind} needs a document"):
        relations.follow_up(original(kind=kind), me="sg-cnb", narrative="x", document=None)


def test_a_correction_is_the_whole_alert_as_it_should_have_been() -> None:
    made = relations.correction(original(), narrative="The box is blue.", reason=None, document=None)
    assert made["kind"] == "correction"
    assert made["correction"] == {"reason": "The box is blue."}
    assert made["narrative"] == "The box is blue."
    assert made["subjects"] == original()["subjects"]
    assert made["to"] == ["sg-cnb", "region:asia"]
    assert made["relation"] == {"type": "correct", "alert": ID}
    assert "watch" not in made
    assert "officer" not in made
    assert errors(made) == []


def test_a_corrected_document_may_be_the_first_one_edited() -> None:
    edited = {
        "kind": "watch",
        "title": "Container to look out for",
        "watch": {"action": "inspect"},
        "narrative": "New words.",
        "subjects": [{"type": "container", "number": "MSKU6011672"}],
    }
    made = relations.correction(original(), narrative=None, reason="Wrong number.", document=edited)
    assert made["kind"] == "correction"
    assert made["correction"] == {"reason": "Wrong number."}
    assert made["subjects"] == edited["subjects"]
    assert (made["title"], made["to"]) == ("Container to look out for", ["sg-cnb", "region:asia"])
    assert {"watch", "caveats", "operation"}.isdisjoint(made)
    assert errors(made) == []


def test_a_document_without_a_kind_changes_the_original() -> None:
    changes = {"marking": "clear", "subjects": [{"type": "container", "number": "MSKU6011672"}]}
    made = relations.correction(original(), narrative=None, reason="Wrong number.", document=changes)
    assert made["marking"] == "clear"
    assert made["subjects"] == changes["subjects"]
    assert made["caveats"] == ["no-judicial-use"]
    assert made["narrative"] == "As first told."
    assert errors(made) == []


def test_a_correction_may_say_what_changed() -> None:
    part = {"reason": "Wrong number.", "changed": ["the container's number"]}
    made = relations.correction(original(), narrative=None, reason=None, document={"correction": part})
    assert made["correction"] == part


def test_a_recall_goes_to_the_same_addresses_at_least_immediate() -> None:
    made = relations.recall(original(), reason="Wrong ship.")
    assert made == {
        "kind": "recall",
        "title": "Recall: Container to look out for",
        "to": ["sg-cnb", "region:asia"],
        "language": "zh-Hant",
        "marking": "green",
        "status": "exercise",
        "precedence": "immediate",
        "operation": "marker",
        "modes": ["sea"],
        "recall": {"reason": "Wrong ship."},
        "relation": {"type": "recall", "alert": ID},
    }
    assert relations.recall(original(precedence="flash"), reason="x")["precedence"] == "flash"
    assert errors({**made, "to": ["sg-cnb"]}) == []
