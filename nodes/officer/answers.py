"""Check one answer at once, by the same rules the whole document has to pass later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nodes.officer.questions import Unacceptable
from schemas.errors import Fault, Refusal

if TYPE_CHECKING:
    from nodes.client import NodeClient

_WITHOUT_CHECK_DIGIT = re.compile(r"[A-Z]{3}[UJZ][0-9]{6}", re.ASCII)


def container(answer: str) -> str:
    """An ISO 6346 container number; says which check digit is right when it is wrong or missing."""
    from stdnum import iso6346

    number = re.sub(r"[ /-]", "", answer).upper()
    if _WITHOUT_CHECK_DIGIT.fullmatch(number):
        digit = iso6346.calc_check_digit(number)
        raise Unacceptable(f"The check digit at the end is missing; it should be {digit}.", better=number + digit)
    if _WITHOUT_CHECK_DIGIT.fullmatch(number[:-1]) and number[-1:].isdecimal():
        digit = iso6346.calc_check_digit(number[:-1])
        if number[-1] != digit:
            raise Unacceptable(
                f"The check digit should be {digit}, not {number[-1]}: compare every character with the door."
            )
    check_field({"subjects": [{"type": "container", "number": number}]}, "subjects[0].number")
    return number


def vessel(answer: str) -> str:
    """A vessel's name or its IMO number."""
    from nodes.officer.drafts import vessel as vessel_fields

    fields = vessel_fields(answer)
    check_field({"subjects": [{"type": "vessel", **fields}]}, f"subjects[0].{next(iter(fields))}")
    return answer.strip()


def title(answer: str) -> str:
    """A title."""
    check_field({"title": answer}, "title")
    return answer


def address(node: NodeClient, document: Mapping[str, Any], answer: str) -> list[str]:
    """Addresses separated by commas or spaces, known to the node's directory and allowed by its rules."""
    addresses = [part for part in re.split(r"[,\s]+", answer) if part]
    query = {
        key: document[key] for key in ("kind", "marking", "precedence", "status", "operation") if document.get(key)
    }
    try:
        node.explain({**query, "to": addresses})
    except Refusal as refusal:
        hint = f" {refusal.hint}" if refusal.hint else ""
        raise Unacceptable(f"{refusal.message.rstrip('.')}.{hint}") from refusal
    except Fault as fault:
        if fault.code == "not-found":
            raise Unacceptable(fault.message) from fault
        raise
    return addresses


def check_field(document: Mapping[str, Any], path: str) -> None:
    """Raise `Unacceptable` with the first problem the schema finds at `path`; the rest may be missing."""
    from schemas.alert.document import check_document

    for problem in check_document(document):
        if problem.path == path and problem.severity == "error":
            raise Unacceptable(f"{problem.message} {problem.hint}")
