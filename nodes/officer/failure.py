"""How a command fails: what is said on standard error, and the exit code.

0 done · 1 this side failed, or a check did · 2 wrong usage or refused input · 3 not found · 4 refused · 5 unreachable
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from nodes.officer.messages import say
from nodes.officer.visible import visible, visible_json
from schemas.errors import CrossbearingError, ProblemLike, Refusal

FAILED = 1
INPUT = 2
NOT_FOUND = 3
REFUSED = 4
UNREACHABLE = 5

_EXIT_CODES = {
    **dict.fromkeys(("malformed", "truncated", "not-canonical", "too-deep", "too-large"), INPUT),
    **dict.fromkeys(("bad-id", "bad-document", "bad-address", "bad-config"), INPUT),
    **dict.fromkeys(("unknown-agency", "unknown-region", "unknown-operation"), INPUT),
    "not-found": NOT_FOUND,
    **dict.fromkeys(("unreachable", "not-ready", "shutting-down"), UNREACHABLE),
}


def exit_code(error: CrossbearingError) -> int:
    """The exit code of `error`: by its code, else refused for a `Refusal` and failed for a `Fault`."""
    return _EXIT_CODES.get(error.code, REFUSED if isinstance(error, Refusal) else FAILED)


def report(error: CrossbearingError, *, as_json: bool) -> None:
    """Say on standard error what went wrong, each problem of a document on its own line, and what to do next."""
    if as_json:
        click.echo(visible_json({"error": _as_data(error)}), err=True)
        return
    say(f"bearing: {visible(error.message)} [{visible(error.code)}]", indent=2)
    say_problems(_problems(error))
    if error.hint:
        say(f"  hint: {visible(error.hint)}", indent=2)


def say_problems(problems: Iterable[Mapping[str, object]]) -> None:
    """One line a problem: the field, what is wrong with it, and its hint."""
    for problem in problems:
        word = "warning: " if problem.get("severity") == "warning" else ""
        message = visible(str(problem.get("message", "")))
        code = visible(str(problem.get("code", "")))
        path = visible(str(problem.get("path", ""))) or "document"
        say(f"  {path}: {word}{message} [{code}]", indent=2)
        if problem.get("hint"):
            say(f"      {visible(str(problem['hint']))}")


def _problems(error: CrossbearingError) -> list[Mapping[str, object]]:
    """Problems as maps, whether they came from the node as JSON or from a check made here."""
    found = getattr(error, "problems", ())
    return [problem if isinstance(problem, Mapping) else _problem(problem) for problem in found]


def _problem(problem: ProblemLike) -> dict[str, object]:
    return {name: getattr(problem, name) for name in ("path", "code", "message", "hint", "severity")}


def _as_data(error: CrossbearingError) -> dict[str, object]:
    data = CrossbearingError.as_dict(error)  # problems that came from the node are maps, not the objects of a check
    problems = _problems(error)
    return {**data, "problems": problems} if problems else data
