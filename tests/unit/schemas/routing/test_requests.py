"""Reading what agencies ask to be copied on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope.words import SUBJECTS, TOPICS
from schemas.errors import BadId, Malformed
from schemas.routing.requests import StandingRequest, parse_requests, request_to_json

GOOD: dict[str, Any] = {
    "id": "yachts",
    "topics": ["seizure"],
    "regions": ["oceania"],
    "subjects": ["vessel"],
    "reason": "We keep the register of yachts.",
}


def test_a_request_reads() -> None:
    assert parse_requests([GOOD]) == (
        StandingRequest("yachts", ("seizure",), ("oceania",), ("vessel",), "We keep the register of yachts."),
    )


def some(words: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), unique=True, max_size=3).map(tuple)


@given(some(TOPICS), some(("oceania", "far-east")), some(SUBJECTS))
def test_round_trip(topics: tuple[str, ...], regions: tuple[str, ...], subjects: tuple[str, ...]) -> None:
    request = StandingRequest("a-request", topics, regions, subjects, "Because it is so.")
    if not (topics or regions or subjects):
        with pytest.raises(Malformed, match="asks for everything"):
            parse_requests([request_to_json(request)])
    else:
        assert parse_requests([request_to_json(request)]) == (request,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"surprise": 1}, "surprise"),
        ({"topics": ["gossip"]}, "gossip"),
        ({"topics": ["seizure", "seizure"]}, "twice"),
        ({"topics": "seizure"}, "topics"),
        ({"subjects": ["yacht"]}, "yacht"),
        ({"reason": ""}, "reason"),
        ({"reason": "a\x1b[2J"}, "reason"),
    ],
)
def test_defects_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse_requests([{**GOOD, **change}])


@pytest.mark.parametrize("change", [{"id": "Yachts"}, {"regions": ["all regions"]}])
def test_ids_have_their_form(change: dict[str, Any]) -> None:
    with pytest.raises(BadId):
        parse_requests([{**GOOD, **change}])


def test_lists_hold_each_id_once_and_objects_only() -> None:
    with pytest.raises(Malformed, match="twice"):
        parse_requests([GOOD, GOOD])
    with pytest.raises(Malformed, match="not an object"):
        parse_requests(["yachts"])
