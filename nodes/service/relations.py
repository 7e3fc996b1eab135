"""Documents about an earlier alert: what an officer need not write again when replying, following up, correcting or
recalling. Whatever the officer's own document says wins, except for the relation itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.alert.codes import MAX_LINE, MAX_TITLE
from schemas.envelope.words import PRECEDENCE_RANK
from schemas.errors import BadDocument

__all__ = ["correction", "follow_up", "recall", "reply"]

PARTS = ("watch", "method", "risk", "request", "response", "sitrep", "bulletin", "correction", "recall")
"""The parts that belong to one kind each."""

SURROUNDINGS = ("marking", "status", "operation", "language")
"""What a thread has in common: an answer to an exercise is exercise, an answer to a red alert is red."""

CASE = (*SURROUNDINGS, "precedence", "modes", "caveats", "handling", "embargo", "subjects", *PARTS)
"""What a follow-up shares with the alert it follows: it is about the same case."""

NOT_CARRIED = ("id", "sender", "officer", "composed", "version", "relation", "attachments")
"""What belongs to one alert alone."""

UNFOLLOWED = ("response", "correction", "recall")
"""Kinds whose relation is part of their meaning, so that a follow-up cannot be of the same kind."""

Document = dict[str, Any]


def reply(original: Mapping[str, Any], *, narrative: str | None, document: Mapping[str, Any] | None) -> Document:
    """An answer to the sender of a received alert: a response, marked and classed as that alert was."""
    given = _given(document, narrative)
    base = {name: original[name] for name in (*SURROUNDINGS, "precedence") if name in original}
    base |= {"kind": "response", "title": _titled("Re", original), "to": [original["sender"]]}
    if given.get("kind", "response") == "response" and "response" not in given:
        base["response"] = {"answers": [_line(_needed(given.get("narrative"), "a reply", "narrative"))]}
    return _related({**base, **given}, "reply", original)


def follow_up(
    original: Mapping[str, Any], *, me: str, narrative: str | None, document: Mapping[str, Any] | None
) -> Document:
    """News on an alert, for those it was addressed to and the one who sent it; about the same subjects."""
    given = _given(document, narrative)
    base = {name: original[name] for name in CASE if name in original}
    if original["kind"] in UNFOLLOWED and "kind" not in given:
        raise BadDocument(
            f"a follow-up to a {original['kind']} needs a document of its own",
            hint="Follow the alert it is about instead, or give a document with its kind.",
        )
    if document is None:
        _needed(narrative, "a follow-up", "narrative")
    base |= {"kind": original["kind"], "title": _titled("Update", original), "to": _everyone(original, me)}
    if given.get("kind", original["kind"]) != original["kind"]:
        base = _without(base, PARTS)
    return _related({**base, **given}, "follow-up", original)


def correction(
    original: Mapping[str, Any], *, narrative: str | None, reason: str | None, document: Mapping[str, Any] | None
) -> Document:
    """What an own alert should have said, as a whole.

    A document with a kind is that whole; one without is what changes in the original.
    """
    said = _needed(reason or narrative or _said(document), "a correction", "narrative")
    whole = document is not None and "kind" in document
    base = {"to": original["to"]} if whole else _without(original, (*NOT_CARRIED, *PARTS))
    base["title"] = _titled("Correction", original)
    given = _without(_given(document, narrative), (*PARTS, "kind"))
    part = dict(document["correction"]) if document and isinstance(document.get("correction"), Mapping) else {}
    part.setdefault("reason", _line(said))
    merged = {**base, **given, "kind": "correction", "correction": part}
    return _related(merged, "correct", original)


def recall(original: Mapping[str, Any], *, reason: str | None) -> Document:
    """The withdrawal of an own alert, to everyone it was addressed to, at least with precedence immediate."""
    base = {name: original[name] for name in (*SURROUNDINGS, "modes") if name in original}
    base |= {
        "kind": "recall",
        "title": _titled("Recall", original),
        "to": list(original["to"]),
        "precedence": min(original["precedence"], "immediate", key=PRECEDENCE_RANK.__getitem__),
        "recall": {"reason": _needed(reason, "a recall", "reason")},
    }
    return _related(base, "recall", original)


def _given(document: Mapping[str, Any] | None, narrative: str | None) -> Document:
    given = _without(document or {}, ("relation",))
    if narrative is not None:
        given["narrative"] = narrative
    return given


def _related(document: Document, relation: str, original: Mapping[str, Any]) -> Document:
    return {**document, "relation": {"type": relation, "alert": original["id"]}}


def _without(document: Mapping[str, Any], names: Sequence[str]) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _everyone(original: Mapping[str, Any], me: str) -> list[str]:
    addresses = dict.fromkeys([*original["to"], original["sender"]])
    return [address for address in addresses if address != me]


def _titled(word: str, original: Mapping[str, Any]) -> str:
    prefix = f"{word}: "
    title = str(original["title"])
    return (title if title.startswith(prefix) else prefix + title)[:MAX_TITLE].rstrip()


def _said(document: Mapping[str, Any] | None) -> str | None:
    """Why a corrected document was written, in its own words."""
    if document is None:
        return None
    part = document.get("correction")
    reason = part.get("reason") if isinstance(part, Mapping) else None
    said = reason or document.get("narrative")
    return said if isinstance(said, str) else None


def _line(text: str) -> str:
    """The text as one line of at most `MAX_LINE` characters; the narrative has it whole."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 1].rstrip() + "…"


def _needed(text: str | None, what: str, field: str) -> str:
    if text is None or not text.strip():
        raise BadDocument(f"{what} needs its {field}", hint=f'Say it in "{field}", in a sentence.')
    return text
