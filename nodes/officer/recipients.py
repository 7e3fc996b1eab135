"""Who holds an alert that was sent: one line for every recipient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.officer import words
from nodes.officer.phrases import joined
from nodes.officer.screen import Cell, Column, Screen
from nodes.officer.when import clock, full, iso, now_ms
from schemas.errors import NotFound

COLUMNS = [
    Column("Agency"),
    Column("State"),
    Column("Since"),
    Column("Officer"),
    Column("Reason", whole=True, stretch=True),
]


def show_recipients(screen: Screen, answer: dict[str, Any]) -> None:
    """The recipients of one sent alert; raises `NotFound` for a received one, whose recipients are not ours to know."""
    alert = answer["alert"]
    if answer["direction"] != "out":
        raise NotFound(
            f"{alert['id']} was received, not sent, so there is nobody's state to show",
            hint=f"Read it with `bearing show {alert['id']}`.",
        )
    if screen.as_json:
        shown = {name: answer.get(name) for name in ("state", "refusal", "waits", "resealed", "recipients")}
        screen.data({"id": alert["id"], **shown})
        return
    if screen.terminal:
        screen.heading(words.title(alert))
        refusal = answer.get("refusal")
        screen.fields(
            [
                ("Id", alert["id"]),
                ("Sent", full(alert["composed"])),
                ("State", words.state(answer["state"])),
                ("", refusal_words(refusal) if refusal else words.put_off_line(answer, now_ms())),
                ("Note", resealed_words(answer.get("resealed"))),
            ]
        )
        screen.line()
    screen.table(COLUMNS, recipient_rows(answer["recipients"]), empty="It has no recipients yet.")


def resealed_words(resealed: Mapping[str, Any] | None) -> str:
    """That the directory changed while an alert was on its way, in one sentence; empty when it did not."""
    if not resealed:
        return ""
    changes = joined(
        [
            f"now also to {', '.join(resealed['added'])}" if resealed.get("added") else "",
            f"no longer to {', '.join(resealed['dropped'])}" if resealed.get("dropped") else "",
        ],
        "; ",
    )
    return f"sent again under directory version {resealed['directory']}: {changes or 'to the same agencies'}"


def refusal_words(refusal: Mapping[str, Any]) -> str:
    """Why the hub did not take an alert, and what to do: for people."""
    hint = f" {refusal['hint']}" if refusal.get("hint") else ""
    return f"REFUSED - {refusal.get('message') or 'no reason given'} [{refusal['code']}].{hint}"


def escalation_words(escalation: Mapping[str, Any] | None) -> str:
    """That the recipient's node did not store the alert in time, and whether its duty desk knows; empty if it did."""
    if not escalation:
        return ""
    said = {
        "due": "its duty desk is being called",
        "unreachable": "its duty desk cannot be reached: telephone",
        "reached": f"its duty desk was reached ({escalation.get('contact')})",
    }
    return f"not stored in time; {said.get(escalation['outcome'], '')}"


def recipient_rows(recipients: list[dict[str, Any]]) -> list[list[Cell]]:
    """Rows for `COLUMNS`."""
    now = now_ms()
    return [
        [
            Cell(entry["agency"]),
            words.state(entry["state"]),
            Cell(clock(entry.get("time"), now), piped=iso(entry.get("time"))),
            Cell(entry.get("officer") or ""),
            Cell(joined([entry.get("code") or "", escalation_words(entry.get("escalation"))], "; ")),
        ]
        for entry in recipients
    ]
