"""Write an alert by question and answer. Enter takes what stands in brackets, so most answers are one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from nodes.officer import answers, drafts
from nodes.officer.forms import form_summary, forms
from nodes.officer.partners import show_addresses
from nodes.officer.questions import Unacceptable, ask_choice, ask_line, ask_prose, say
from nodes.officer.screen import Screen
from schemas.alert.codes import Marking, Precedence

if TYPE_CHECKING:
    from nodes.client import NodeClient

FIRST_CHOICE = "container-watch"
"""What officers send most."""


def ask_form() -> str:
    """Which template to start from, by its number or name."""
    names = forms()
    names.sort(key=lambda name: name != FIRST_CHOICE)
    say("What do you want to send?")
    width = max(map(len, names))
    for number, name in enumerate(names, 1):
        say(f"  {number:>2}  {name.ljust(width)}  {form_summary(name)}")

    def check(answer: str) -> str:
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return names[int(answer) - 1]
        meant = [name for name in names if name.startswith(answer.lower())]
        if len(meant) != 1:
            raise Unacceptable(f"Answer with a number from 1 to {len(names)}, or a name.")
        return meant[0]

    return ask_line("Number or name", default="1", check=check)


def complete(node: NodeClient, screen: Screen, document: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Ask for what neither the template nor the flags in `given` say. Raises what the node answers when it is away."""
    directory = node.directory()
    result = dict(document)
    if not given.get("containers") and _has(document, "container"):
        numbers = _ask_containers()
        result["subjects"] = drafts.put_subjects(
            list(result.get("subjects") or ()), "container", [{"number": number} for number in numbers]
        )
    if not given.get("vessels") and _has(document, "vessel") and not _has(document, "container"):
        name = ask_line("Vessel, by name or IMO number", check=answers.vessel)
        result["subjects"] = drafts.put_subjects(list(result["subjects"]), "vessel", [drafts.vessel(name)])
    if not given.get("precedence"):
        result["precedence"] = ask_choice(
            "Precedence", get_args(Precedence), default=str(result.get("precedence") or "priority")
        )
    if not given.get("marking"):
        result["marking"] = ask_choice("Marking", get_args(Marking), default=str(result.get("marking") or "amber"))
    if not given.get("to"):
        result["to"] = _ask_address(node, screen, result, directory)
    if not given.get("title"):
        suggested = drafts.watch_title(result.get("subjects") or ()) or str(result.get("title") or "")
        result["title"] = ask_line("Title", default=suggested, check=answers.title)
    if not given.get("narrative"):
        narrative = ask_prose("What should they know", optional=True)
        result.pop("narrative", None)
        if narrative:
            result["narrative"] = narrative
    return result


def _ask_containers() -> list[str]:
    numbers = [ask_line("Container number", check=answers.container)]
    while another := ask_line("Another container", optional=True, check=answers.container):
        numbers.append(another)
    return numbers


def _ask_address(node: NodeClient, screen: Screen, document: dict[str, Any], directory: dict[str, Any]) -> list[str]:
    found: list[str] = []

    def check(answer: str) -> str:
        if answer == "?":
            show_addresses(screen, directory)
            raise Unacceptable("Write one or several of these, with spaces between.")
        found[:] = answers.address(node, document, answer)
        return answer

    ask_line("To (agencies, region:NAME, operation:NAME or all; ? lists them)", check=check)
    return found


def _has(document: dict[str, Any], kind: str) -> bool:
    return any(subject.get("type") == kind for subject in document.get("subjects") or ())
