"""The words and styles of states, precedences and markings, the same in every list and page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.officer.screen import Cell
from nodes.officer.when import clock

_STATE_STYLES = {
    "unread": "strong",
    "waiting": "warn",
    "accepted": "",
    "escalated": "bad",
    "withdrawn": "faint",
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
    """The title, led by what an officer must not overlook: that it is not meant in earnest, or was wrong."""
    status = str(alert.get("status", "actual"))
    marks = ["" if status == "actual" else f"[{status.upper()}] ", "[CORRECTED] " if alert.get("corrected") else ""]
    return "".join([*marks, str(alert["title"])])


def state_word(alert: Mapping[str, Any]) -> str:
    """The state of an alert in a list; that it was recalled matters more than how far it had come."""
    return "recalled" if alert.get("recalled") else str(alert["state"])


def put_off(alert: Mapping[str, Any], now: int) -> str:
    """Why the hub has not taken it yet, and when it is tried again: `quota until 10:42`; empty if nothing did."""
    waits = alert.get("waits")
    return f"{waits['code']} until {clock(waits['until'], now)}" if waits and waits["until"] > now else ""


def put_off_line(alert: Mapping[str, Any], now: int) -> str:
    """The same as a sentence: `NOT SENT YET - quota until 10:42; it goes out by itself then`."""
    why = put_off(alert, now)
    return f"NOT SENT YET - {why}; it goes out by itself then" if why else ""


def held(alert: Mapping[str, Any], now: int) -> Cell:
    """How many recipients hold it, and trouble with others: `5 of 7`, `5 of 7, 1 refused`; or why it was put off."""
    if waiting := put_off(alert, now):
        return Cell(waiting, "warn")
    found, total = alert.get("counts") or {}, alert.get("recipients_total", 0)
    holding = sum(found.get(word, 0) for word in ("stored", "read", "actioned"))
    trouble = [f"{found[word]} {word}" for word in ("escalated", "refused", "expired") if found.get(word)]
    return Cell(", ".join([f"{holding} of {total}", *trouble]), "bad" if trouble else "")


def read(alert: Mapping[str, Any]) -> str:
    """How many recipients have read it, and how many acted on it: `2`, `2, 1 actioned`."""
    found = alert.get("counts") or {}
    actioned = found.get("actioned", 0)
    done = f", {actioned} actioned" if actioned else ""
    return f"{found.get('read', 0) + actioned}{done}"


def counts(alert: Mapping[str, Any]) -> str:
    """The number of recipients in each state, for other programs: `recipients=7,actioned=2,stored=5`."""
    found = alert.get("counts") or {}
    pairs = [("recipients", alert.get("recipients_total", 0))]
    pairs += [(word, found[word]) for word in _FURTHEST_FIRST if found.get(word)]
    return ",".join(f"{word}={number}" for word, number in pairs)


_FURTHEST_FIRST = (
    "actioned",
    "read",
    "stored",
    "accepted",
    "waiting",
    "escalated",
    "refused",
    "expired",
    "recalled",
    "withdrawn",
)
