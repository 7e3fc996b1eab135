"""One alert as a page, laid out like a classified document: its marking first and last, the proof at its foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nodes.officer import words
from nodes.officer.alert_head import head_fields
from nodes.officer.outcome import SHORT
from nodes.officer.phrases import joined, phrase, spoken
from nodes.officer.recipients import COLUMNS, recipient_rows, refusal_words
from nodes.officer.screen import LABELS, Cell, Column, Screen
from nodes.officer.subjects import describe
from nodes.officer.when import age, now_ms

_INNER = 2 + LABELS + 2  # what belongs to a subject stands under its line
_SHORT_ITEM = 20  # characters; lists of longer ones stand line by line
_AT_THE_TOP = {
    *("id", "sender", "officer", "kind", "title", "narrative", "language", "grading", "marking", "caveats", "status"),
    *("precedence", "operation", "to", "modes", "composed", "expires_hours", "relation", "subjects", "attachments"),
    *("version", "handling", "embargo", "hazards"),
}


def show_page(screen: Screen, answer: dict[str, Any], related: Sequence[dict[str, Any]] = ()) -> None:
    """Print everything the node knows about one alert; `related` are the others of its thread, oldest first."""
    alert = answer["alert"]
    marking = words.marking(alert["marking"])
    screen.banner(marking.text, marking.style)
    _warnings(screen, answer)
    _unknown_original(screen, answer)
    screen.heading(alert["title"])
    screen.line()
    screen.fields(head_fields(answer))
    if alert.get("narrative"):
        _part(screen, "Narrative" + _language(alert))
        screen.prose(alert["narrative"])
    _subjects(screen, alert.get("subjects") or [])
    for name, value in alert.items():
        if name not in _AT_THE_TOP and value:
            _other(screen, name, value)
    _attachments(screen, alert)
    if answer["direction"] == "out":
        _part(screen, "Recipients")
        screen.grid(COLUMNS, recipient_rows(answer.get("recipients") or []), empty="  none yet")
    _related(screen, related)
    screen.line()
    screen.line(_proof(answer))
    screen.banner(marking.text, marking.style)


def _warnings(screen: Screen, answer: dict[str, Any]) -> None:
    """What changes how everything below is to be read comes before it."""
    alert = answer["alert"]
    if alert.get("status", "actual") != "actual":
        screen.line(f"{alert['status'].upper()} - not a real case", "warn")
    if answer.get("refusal"):
        screen.line(refusal_words(answer["refusal"]), "bad")
    if waits := words.put_off_line(answer, now_ms()):
        screen.line(waits, "warn")
    if answer.get("recalled_by"):
        short = _short(answer["recalled_by"])
        if answer.get("recall_state") == "waiting":
            screen.line(f"RECALL NOT SENT YET - {short} waits in the outbox; recipients still rely on this", "bad")
        else:
            screen.line(f"RECALLED - do not rely on this; see {short}", "bad")
    if answer.get("corrected_by"):
        screen.line(f"CORRECTED - the correction is {_short(answer['corrected_by'])}", "warn")


def _unknown_original(screen: Screen, answer: dict[str, Any]) -> None:
    """A recall or correction of what this node never received, because it came first or was stopped on its way."""
    relation = answer["alert"].get("relation")
    if answer["direction"] != "in" or not relation or relation["type"] not in ("recall", "correct"):
        return
    if relation["alert"] not in answer.get("thread", ()):
        said = "nothing is left to do" if relation["type"] == "recall" else "this says all of it"
        screen.line(f"The alert that it is about, {_short(relation['alert'])}, never arrived here; {said}.", "warn")


def _subjects(screen: Screen, subjects: list[dict[str, Any]]) -> None:
    if subjects:
        _part(screen, f"Subjects ({len(subjects)})")
    for subject in subjects:
        described = describe(subject)
        screen.fields([(described.type, Cell(described.line or "as follows", "strong"))])
        screen.fields([(f"{number}.", step) for number, step in enumerate(described.steps, 1)], indent=_INNER, labels=2)
        screen.fields(described.details, indent=_INNER, labels=0)


def _other(screen: Screen, name: str, value: object) -> None:
    """The part that belongs to the kind, dates, partners, links, references: by their names, whatever they are."""
    _part(screen, spoken(name).capitalize())
    if isinstance(value, Mapping):
        for key, item in value.items():
            parts = [phrase(part) for part in item] if isinstance(item, list) else [phrase(item)]
            if len(parts) > 1:
                parts = [f"- {part}" for part in parts] if max(map(len, parts)) > _SHORT_ITEM else [joined(parts)]
            screen.fields([(spoken(key) if number == 0 else "", part) for number, part in enumerate(parts)])
    elif not isinstance(value, list):
        screen.prose(phrase(value))
    elif name == "dates":
        screen.fields([(spoken(str(entry.get("event", ""))), _date(entry)) for entry in value])
    elif name == "partners":
        screen.fields([(str(entry.get("agency") or entry.get("name") or ""), _partner(entry)) for entry in value])
    else:
        for item in value:
            screen.prose(phrase(item))


def _date(entry: Mapping[str, Any]) -> str:
    first, last, basis = entry.get("date", ""), entry.get("until"), entry.get("basis")
    text = joined(["about" if entry.get("about") else "", f"{first} to {last}" if last else str(first)], " ")
    doubt = spoken(basis) if basis not in (None, "stated") else ""
    return joined([text, doubt, phrase(entry.get("note"))])


def _partner(entry: Mapping[str, Any]) -> str:
    other_name = entry.get("name") if entry.get("agency") else ""
    roles = joined(map(spoken, entry.get("roles") or ()))
    return (
        joined([phrase(other_name), phrase(entry.get("country")), roles, phrase(entry.get("note"))])
        or "role not stated"
    )


def _attachments(screen: Screen, alert: dict[str, Any]) -> None:
    attachments = alert.get("attachments") or []
    if not attachments:
        return
    _part(screen, f"Attachments ({len(attachments)})")
    for number, entry in enumerate(attachments, 1):
        size = f"{entry['size']:,} bytes" if isinstance(entry.get("size"), int) else ""
        screen.fields([(f"{number}.", joined([entry["name"], phrase(entry.get("media_type")), size]))])
    if screen.terminal:
        screen.note(f"  Save one: bearing attachment {_short(alert['id'])} 1")


def _related(screen: Screen, related: Sequence[dict[str, Any]]) -> None:
    if not related:
        return
    _part(screen, "Related alerts")
    columns = [Column("Id"), Column("Kind"), Column("From"), Column("Title", stretch=True), Column("Age")]
    now = now_ms()
    rows = [
        [
            Cell(_short(other["alert"]["id"])),
            Cell(spoken(other["alert"]["kind"])),
            Cell(other["alert"]["sender"]),
            Cell(words.title(other["alert"])),
            Cell(age(other["alert"]["composed"], now)),
        ]
        for other in related
    ]
    screen.grid(columns, rows, empty="")


def _proof(answer: dict[str, Any]) -> str:
    proof = answer.get("proof")
    if not proof:
        return "Not in the log yet." if answer["direction"] == "out" else "No proof is held for this alert."
    if not proof.get("size"):
        return f"In the log at index {proof['index']}, as the hub acknowledged."
    leaf = f" Leaf {proof['leaf'][:16]}…" if proof.get("leaf") else ""
    return f"In the log at index {proof['index']} of {proof['size']}, verified.{leaf}"


def _part(screen: Screen, title: str) -> None:
    screen.line()
    screen.heading(title)


def _language(alert: dict[str, Any]) -> str:
    language = alert.get("language", "en")
    return "" if language == "en" else f" (language: {language})"


def _short(identity: str) -> str:
    return identity[-SHORT:]
