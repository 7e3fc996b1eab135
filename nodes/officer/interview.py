"""Write an alert by question and answer. Enter takes what stands in brackets, so most answers are one key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from nodes.officer import answers, drafts
from nodes.officer.editing import edit_document
from nodes.officer.forms import form_skeleton, form_summary, form_text, forms
from nodes.officer.messages import say
from nodes.officer.partners import show_addresses
from nodes.officer.questions import Unacceptable, ask_choice, ask_line, ask_prose
from nodes.officer.screen import Screen
from schemas.alert.codes import Marking, Precedence, Status, WatchAction

if TYPE_CHECKING:
    from nodes.client import NodeClient

ASKED = ("container-watch", "vessel-watch")
"""Templates that are filled in by question and answer, what officers send most first; others open in the editor."""

OWN_COMMANDS = {"correction", "recall", "response"}
"""Templates of alerts about an alert: `bearing correct`, `recall` and `reply` fill them in."""


def write(node: NodeClient, screen: Screen, template: str | None, given: dict[str, Any]) -> dict[str, Any] | None:
    """A whole document: what the flags in `given` say, and the answers to the rest. None when it was given up.

    Raises `Unreachable` before the first question when the node is away, `NotFound` for an unknown template.
    """
    directory = node.directory()
    if template is None:
        template = _from_flags(given) or ask_form()
    if template not in ASKED:
        document = edit_document(form_text(template))
        return None if document is None else drafts.apply_flags(document, given)
    start = drafts.apply_flags(form_skeleton(template), given)
    if not given["containers"] and not given["vessels"]:
        start["subjects"] = _ask_containers() if template == "container-watch" else _ask_vessels()
    return _ask_rest(node, screen, drafts.with_defaults(start), given, directory)


def ask_form() -> str:
    """Which template to start from, by its number or name."""
    names = [*ASKED, *(name for name in forms() if name not in ASKED and name not in OWN_COMMANDS)]
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


def _from_flags(given: dict[str, Any]) -> str | None:
    return "container-watch" if given["containers"] else "vessel-watch" if given["vessels"] else None


def _ask_rest(
    node: NodeClient, screen: Screen, start: dict[str, Any], given: dict[str, Any], directory: dict[str, Any]
) -> dict[str, Any]:
    result = dict(start)
    result["watch"] = {"actions": _ask_actions((start.get("watch") or {}).get("actions", ["report"]))}
    for field, words in (
        ("precedence", get_args(Precedence)),
        ("marking", get_args(Marking)),
        ("status", get_args(Status)),
    ):
        if not given[field]:
            default = str(result.get(field) or words[0])
            result[field] = ask_choice(field.capitalize(), words, default=default)
    if not given["to"]:
        result["to"] = _ask_address(node, screen, result, directory)
    if not given["title"]:
        result["title"] = ask_line("Title", default=result["title"], check=answers.title)
    if not given["narrative"]:
        narrative = ask_prose("What should they know", optional=True)
        if narrative:
            result["narrative"] = narrative
    return result


def _ask_actions(default: list[str]) -> list[str]:
    known = get_args(WatchAction)

    def check(answer: str) -> str:
        unknown = [word for word in re.split(r"[,\s]+", answer) if word not in known]
        if unknown:
            raise Unacceptable(f"{unknown[0]!r} is not one of: {', '.join(known)}.")
        return answer

    answer = ask_line(f"What should they do ({', '.join(known)})", default=", ".join(default), check=check)
    return list(dict.fromkeys(re.split(r"[,\s]+", answer)))


def _ask_containers() -> list[dict[str, Any]]:
    numbers = [ask_line("Container number", check=answers.container)]
    while another := ask_line("Another container", optional=True, check=answers.container):
        numbers.append(another)
    return [{"type": "container", "number": number} for number in numbers]


def _ask_vessels() -> list[dict[str, Any]]:
    return [{"type": "vessel", **drafts.vessel(ask_line("Vessel, by name or IMO number", check=answers.vessel))}]


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
