"""The head of an alert's page: who, to whom, when, how sure, and how it may be handled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.officer import words
from nodes.officer.phrases import joined, phrase, spoken
from nodes.officer.screen import Cell
from nodes.officer.when import age, full, now_ms

_CAVEATS = {
    "no-judicial-use": "no judicial use: intelligence, not evidence",
    "no-onward-sharing": "no onward sharing without the originator",
    "no-action-without-originator": "no action without the originator",
    "no-publication": "no publication",
    "protect-source": "protect the source",
    "need-to-know": "need to know: named readers only",
    "personal-data": "personal data: retention and access rules apply",
    "officer-safety": "officer safety: read before handling goods or meeting persons",
}
_SOURCES = {
    "A": "reliable",
    "B": "usually reliable",
    "C": "fairly reliable",
    "D": "not usually reliable",
    "E": "unreliable",
    "F": "source cannot be judged",
}
_INFORMATION = {
    1: "confirmed",
    2: "probably true",
    3: "possibly true",
    4: "doubtful",
    5: "improbable",
    6: "truth cannot be judged",
}
_RELATIONS = {"reply": "reply to", "follow-up": "follow-up to", "correct": "correction of", "recall": "recall of"}


def head_fields(answer: dict[str, Any]) -> list[tuple[str, Cell | str]]:
    """Labels and values for the top of the page; `answer` is the node's about one alert."""
    alert, now = answer["alert"], now_ms()
    precedence = words.precedence(alert["precedence"])
    relation = alert.get("relation")
    return [
        ("Id", alert["id"]),
        ("State", words.state("recalled" if answer.get("recalled_by") else answer["state"])),
        ("Kind", spoken(alert["kind"])),
        ("Precedence", precedence),
        ("From", joined([alert["sender"], phrase(alert.get("officer"))])),
        ("To", joined(alert["to"])),
        ("Written", _moment(alert.get("composed"), now)),
        ("Received", _moment(answer.get("received"), now) if answer["direction"] == "in" else ""),
        ("Carried", _carried(answer.get("carried"))),
        ("Exported", _exported(answer.get("exported"))),
        ("Valid for", f"{alert['expires_hours']} hours" if alert.get("expires_hours") else ""),
        ("Operation", phrase(alert.get("operation"))),
        ("Transport", phrase(alert.get("modes"))),
        ("Concerns", f"{_RELATIONS.get(relation['type'], relation['type'])} {relation['alert']}" if relation else ""),
        ("Grading", _grading(alert.get("grading"))),
        (
            "Handling",
            Cell(joined((_CAVEATS.get(word, spoken(word)) for word in alert.get("caveats") or ()), "; "), "warn"),
        ),
        ("", Cell(phrase(alert.get("handling")), "warn")),
        ("Embargo", f"not public before {alert['embargo']}" if alert.get("embargo") else ""),
        ("Hazards", Cell(_hazards(alert), "bad")),
    ]


def _carried(carried: Mapping[str, int] | None) -> str:
    """That a courier took it, which is why it is older than it would be by the line."""
    return (
        f"by a courier: sealed {full(carried['sealed'])}, entered the log {full(carried['entered'])}" if carried else ""
    )


def _exported(exported: int | None) -> str:
    return f"{full(exported)}, for a courier; the hub has not answered yet" if exported else ""


def _hazards(alert: Mapping[str, Any]) -> str:
    return joined(
        (joined([spoken(entry["hazard"]), phrase(entry.get("advice"))], ": ") for entry in alert.get("hazards") or ()),
        "; ",
    )


def _grading(grading: Mapping[str, Any] | None) -> str:
    if not grading:
        return ""
    source, information = grading.get("source"), grading.get("information")
    said = joined(
        [_SOURCES.get(str(source), ""), _INFORMATION.get(information, "") if isinstance(information, int) else ""]
    )
    return f"{source or ''}{information or ''} ({said})"


def _moment(then: int | None, now: int) -> str:
    return f"{full(then)} ({age(then, now)})" if then is not None else ""
