"""Standing requests: what an agency asks to be copied on, published among its own signed keys.

A request matches an alert whose topic is among ``topics``, whose sender is in one of ``regions``, and which is about
one of the types of ``subjects``; what is empty matches all. It gives its agency nothing by itself: only where a rule
with the effect ``permit`` lets the agency be copied, and no rule or invariant keeps it out, does a copy reach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.codec import Fields, Value
from schemas.envelope.words import SUBJECTS, TOPICS
from schemas.errors import Malformed
from schemas.ids import check_slug
from schemas.routing.rules import check_reason, check_words, distinct

MAX_REQUESTS: Final = 32
"""Standing requests of one agency: every officer of every partner can read them all."""


@dataclass(frozen=True, slots=True)
class StandingRequest:
    """What one agency asks for. At least one of the three sets is not empty."""

    id: str
    topics: tuple[str, ...]
    regions: tuple[str, ...]
    """Of the sender."""
    subjects: tuple[str, ...]
    """Types of subjects; one of them in the alert suffices."""
    reason: str


def parse_requests(values: list[Value]) -> tuple[StandingRequest, ...]:
    """Read an agency's list of requests. Raises `Malformed` or `BadId` naming the field."""
    requests = tuple(_parse_request(value) for value in values)
    distinct(tuple(request.id for request in requests), "requests")
    return requests


def request_to_json(request: StandingRequest) -> dict[str, Value]:
    """The JSON form of a request, without what is empty."""
    named = {"topics": request.topics, "regions": request.regions, "subjects": request.subjects}
    lists: dict[str, Value] = {name: list(values) for name, values in named.items() if values}
    return {"id": request.id, **lists, "reason": request.reason}


def _parse_request(value: Value) -> StandingRequest:
    if not isinstance(value, dict):
        raise Malformed("a request is not an object")
    reader = Fields({"topics": [], "regions": [], "subjects": [], **value}, "request")
    request_id = check_slug(reader.text("id"))
    what = f"request {request_id}"
    topics, regions, subjects = (
        distinct(reader.texts(name), f"{what}: {name}") for name in ("topics", "regions", "subjects")
    )
    reason = reader.text("reason")
    reader.done()
    check_words(topics, TOPICS, f"{what}: topics")
    check_words(subjects, SUBJECTS, f"{what}: subjects")
    for region in regions:
        check_slug(region)
    if not (topics or regions or subjects):
        raise Malformed(f"{what} asks for everything: name topics, regions or subjects")
    check_reason(reason, what)
    return StandingRequest(request_id, topics, regions, subjects, reason)
