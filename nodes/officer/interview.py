"""Write an alert by question and answer. Enter takes what stands in brackets, so most answers are one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from nodes.officer import answers, drafts
from nodes.officer.editing import edit_document
from nodes.officer.forms import form_document, form_summary, form_text, forms
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


def write(node: NodeClient, screen: Screen, template: str | None, given: dict[str, Any]) -> dict[str, Any] | None:
    """A whole document: what the flags in `given` say, what the template says, and the answers to the rest.

    A watch for containers or vessels is asked for; anything richer is written in the officer's editor. None when it
    was given up. Raises `Unreachable` before the first question when the node is away.
    """
    directory = node.directory()
    if template is None:
        template = None if given["containers"] or given["vessels"] else ask_form()
    if template is not None and not _is_watch(form_document(template)):
        document = edit_document(form_text(template))
        return None if document is None else drafts.apply_flags(document, given)
    start = drafts.apply_flags(form_document(template) if template else {}, given)
    return _ask_watch(node, screen, start, given, directory)


def _ask_watch(
    node: NodeClient, screen: Screen, start: dict[str, Any], given: dict[str, Any], directory: dict[str, Any]
) -> dict[str, Any]:
    result = dict(start)
    for kind, named, ask in (("container", "containers", _ask_containers), ("vessel", "vessels", _ask_vessels)):
        if not given[named] and _has(start, kind):
            result["subjects"] = drafts.put_subjects(list(result["subjects"]), kind, ask())
    if not given["precedence"]:
        default = str(result.get("precedence") or "priority")
        result["precedence"] = ask_choice("Precedence", get_args(Precedence), default=default)
    if not given["marking"]:
        result["marking"] = ask_choice("Marking", get_args(Marking), default=str(result.get("marking") or "amber"))
    if not given["to"]:
        result["to"] = _ask_address(node, screen, result, directory)
    if not given["title"]:
        suggested = drafts.watch_title(result.get("subjects") or ()) or str(result.get("title") or "")
        result["title"] = ask_line("Title", default=suggested, check=answers.title)
    if not given["narrative"]:
        result.pop("narrative", None)  # a template's narrative says what to write, not what happened
        narrative = ask_prose("What should they know", optional=True)
        if narrative:
            result["narrative"] = narrative
    return result


def _ask_containers() -> list[dict[str, Any]]:
    numbers = [ask_line("Container number", check=answers.container)]
    while another := ask_line("Another container", optional=True, check=answers.container):
        numbers.append(another)
    return [{"number": number} for number in numbers]


def _ask_vessels() -> list[dict[str, Any]]:
    return [drafts.vessel(ask_line("Vessel, by name or IMO number", check=answers.vessel))]


def _ask_address(node: NodeClient, screen: Screen, document: dict[str, Any], directory: dict[str, Any]) -> list[str]:
    found: list[str] = []

    def check(answer: str) -> str:
        if answer == "?":
            show_addresses(screen, directory)
            raise Unacceptable("Write one or several of these, with spaces between.")
        found[:] = answers.address(node, document, answer)
        return answer

    say("Who should get it: agencies, region:NAME, operation:NAME or all; ? lists them")
    ask_line("To", check=check)
    return found


def _is_watch(document: dict[str, Any]) -> bool:
    return document.get("kind") == "watch" and (_has(document, "container") or _has(document, "vessel"))


def _has(document: dict[str, Any], kind: str) -> bool:
    return any(subject.get("type") == kind for subject in document.get("subjects") or ())
