"""What must hold between the fields of a document, and what is worth a warning.

The rules read the raw document, so that they are reported together with every other problem; they skip whatever is
not of the form they need, since the types refuse that already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from iso3166 import countries_by_alpha2

from schemas.alert import codes
from schemas.alert.problems import Problem

PARTS = ("watch", "method", "risk", "request", "response", "sitrep", "bulletin", "correction", "recall")
_KINDS = get_args(codes.Kind)
NEEDED = {"method", "risk", "request", "response", "sitrep", "bulletin", "correction", "recall"}
_RELATIONS = {"correction": "correct", "recall": "recall", "response": "reply"}
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}", re.ASCII)
_WIDE = ("region:", "operation:")


def cross_check(document: Mapping[str, object]) -> Iterator[Problem]:
    """Yield every problem between fields, errors first, then warnings."""
    yield from contradictions(document)
    yield from _substance_of(document)
    yield from _unknown_codes(document, "")


def contradictions(document: Mapping[str, object]) -> Iterator[Problem]:
    """Yield the errors between fields."""
    yield from _parts(document)
    yield from _relation(document)
    yield from _marking(document)
    yield from _labels(document)


def _parts(document: Mapping[str, object]) -> Iterator[Problem]:
    kind = document.get("kind")
    for part in PARTS:
        if document.get(part) is not None and kind in _KINDS and kind != part:
            yield Problem(
                part,
                "not-for-kind",
                f"The part {part} belongs to alerts of kind {part}, not {kind}.",
                f"Leave it out, or write kind: {part}.",
            )
    if isinstance(kind, str) and kind in NEEDED and document.get(kind) is None:
        yield Problem(
            kind, "missing", f"An alert of kind {kind} needs its part {kind}.", f"Add {kind}: with its fields."
        )
    if kind == "watch" and not document.get("subjects"):
        yield Problem("subjects", "needs-subject", "A watch names what to look out for.", "Add at least one subject.")


def _relation(document: Mapping[str, object]) -> Iterator[Problem]:
    kind, relation = document.get("kind"), document.get("relation")
    given = relation.get("type") if isinstance(relation, Mapping) else None
    wanted = _RELATIONS.get(kind) if isinstance(kind, str) else None
    if wanted and relation is None:
        yield Problem(
            "relation",
            "missing",
            f"An alert of kind {kind} says which alert it refers to.",
            f"Add relation: with type: {wanted} and the alert's id, or use the command that does it for you.",
        )
    elif wanted and given is not None and given != wanted:
        yield Problem(
            "relation.type", "contradiction", f"A {kind} has a relation of type {wanted}.", f"Write type: {wanted}."
        )
    elif given in ("correct", "recall") and wanted is None and isinstance(kind, str):
        kind_for = {"correct": "correction", "recall": "recall"}[given]
        yield Problem(
            "relation.type",
            "contradiction",
            f"Only an alert of kind {kind_for} has a relation of type {given}.",
            f"Write kind: {kind_for}, or type: follow-up.",
        )


def _marking(document: Mapping[str, object]) -> Iterator[Problem]:
    marking, to = document.get("marking"), document.get("to")
    if marking not in ("red", "amber+strict"):
        return
    addresses = [to] if isinstance(to, str) else to if isinstance(to, list) else []
    for number, address in enumerate(addresses):
        if not isinstance(address, str):
            continue
        wide = address == "all" or address.startswith(_WIDE)
        region = address == "all" or address.startswith("region:")
        if (marking == "red" and wide) or (marking == "amber+strict" and region):
            yield Problem(
                f"to[{number}]",
                "marking-address",
                f"An alert marked {marking} cannot be addressed to {address}.",
                "Name the agencies one by one, or lower the marking.",
            )


def _labels(document: Mapping[str, object]) -> Iterator[Problem]:
    subjects = _maps(document.get("subjects"))
    seen: set[object] = set()
    for number, subject in subjects:
        label = subject.get("label")
        if isinstance(label, str) and label in seen:
            yield Problem(
                f"subjects[{number}].label", "duplicate", f"The label {label!r} is used twice.", "Give each its own."
            )
        seen.add(label if isinstance(label, str) else None)
    for number, subject in subjects:
        within = subject.get("within")
        if isinstance(within, str) and (within not in seen or within == subject.get("label")):
            yield Problem(
                f"subjects[{number}].within",
                "unknown-label",
                f"No other subject has the label {within!r}.",
                "Write the label of the subject that holds this one.",
            )


def _substance_of(document: Mapping[str, object]) -> Iterator[Problem]:
    found = [subject.get("type") for _, subject in _maps(document.get("subjects"))]
    if document.get("kind") == "seizure" and "substance" not in found and "item" not in found:
        yield Problem(
            "subjects",
            "nothing-seized",
            "This seizure names neither a substance nor an item.",
            "Add what was found, if only with status: suspected.",
            "warning",
        )


def _unknown_codes(value: object, path: str) -> Iterator[Problem]:
    """Warn about well-formed codes that no published list can hold: the facts may still be right."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            here = f"{path}.{key}" if path else str(key)
            if key in ("unlocode", "origin", "transit", "destination"):
                yield from _ports(member, here)
            if key == "hs_codes":
                yield from _goods(member, here)
            yield from _unknown_codes(member, here)
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _unknown_codes(member, f"{path}[{number}]")


def _each(value: object, path: str) -> list[tuple[str, object]]:
    return [(f"{path}[{n}]", v) for n, v in enumerate(value)] if isinstance(value, list) else [(path, value)]


def _ports(value: object, path: str) -> Iterator[Problem]:
    for here, code in _each(value, path):
        text = code.replace(" ", "").upper() if isinstance(code, str) and len(code) <= 8 else ""
        if isinstance(code, str) and code != code.upper() and not path.endswith("unlocode"):
            continue  # the name of a region
        if _LOCODE.fullmatch(text) and text[:2] not in countries_by_alpha2 and text[:2] != "XZ":
            yield Problem(
                here,
                "unknown-port",
                f"{text} is not in any country of ISO 3166, so it is no known UN/LOCODE.",
                "Check it, or describe the place by name and country.",
                "warning",
            )


def _goods(value: object, path: str) -> Iterator[Problem]:
    for here, code in _each(value, path):
        digits = str(code).replace(".", "").replace(" ", "")
        if digits[:2] in ("00", "77"):  # chapters the Harmonized System does not use
            yield Problem(
                here,
                "unknown-hs",
                f"The Harmonized System has no chapter {digits[:2]}.",
                "Compare the code with the declaration.",
                "warning",
            )


def _maps(value: object) -> list[tuple[int, Mapping[str, Any]]]:
    return [(n, v) for n, v in enumerate(value) if isinstance(v, Mapping)] if isinstance(value, list) else []
