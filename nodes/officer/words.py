"""The words and styles of states, precedences and markings, the same in every list and page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.officer.screen import Cell
from nodes.officer.visible import visible

_STATE_STYLES = {
    "unread": "strong",
    "waiting": "warn",
    "accepted": "",
    "stored": "",
    "read": "",
    "actioned": "good",
    "refused": "bad",
    "expired": "bad",
    "recalled": "bad",
}
_PRECEDENCE_STYLES = {"flash": "bad", "immediate": "warn", "priority": "", "routine": "faint"}
_MARKING_STYLES = {"red": "red", "amber+strict": "amber", "amber": "amber", "green": "green", "clear": ""}


def state(word: str) -> Cell:
    """A delivery or reading state."""
    return Cell(word, _STATE_STYLES.get(word, ""))


def precedence(word: str) -> Cell:
    """`flash`, `immediate`, `priority` or `routine`."""
    return Cell(word, _PRECEDENCE_STYLES.get(word, ""))


def marking(word: str) -> Cell:
    """A Traffic Light Protocol 2.0 marking as the protocol writes it: `TLP:AMBER+STRICT`."""
    return Cell(f"TLP:{word.upper()}", _MARKING_STYLES.get(word, ""))


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 agency`, `3 agencies`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def title(alert: Mapping[str, Any]) -> str:
    """The title, led by what an officer must not overlook: that it is not meant in earnest."""
    status = alert.get("status", "actual")
    return str(alert["title"]) if status == "actual" else f"[{str(status).upper()}] {alert['title']}"


def state_word(alert: Mapping[str, Any]) -> str:
    """The state of an alert in a list; that it was recalled matters more than how far it had come."""
    return "recalled" if alert.get("recalled") else str(alert["state"])


def progress(alert: Mapping[str, Any]) -> str:
    """What the recipients have done, the furthest first: `7: 2 actioned, 5 stored`."""
    total = alert.get("recipients_total", 0)
    parts = [f"{number} {word}" for word, number in _counted(alert)]
    return f"{total}: {', '.join(parts)}" if parts else str(total)


def counts(alert: Mapping[str, Any]) -> str:
    """The same for other programs: `recipients=7,actioned=2,stored=5`."""
    pairs = [("recipients", alert.get("recipients_total", 0)), *_counted(alert)]
    return ",".join(f"{word}={number}" for word, number in pairs)


_FURTHEST_FIRST = ("actioned", "read", "stored", "accepted", "waiting", "refused", "expired", "recalled")


def _counted(alert: Mapping[str, Any]) -> list[tuple[str, int]]:
    found = alert.get("counts") or {}
    return [(word, found[word]) for word in _FURTHEST_FIRST if found.get(word)]


def plain_title(alert: Mapping[str, Any]) -> str:
    """The title made harmless, for a sentence of our own."""
    return visible(title(alert))
