"""The text beside a failed document: every problem in plain words, for the person who looks into the folder."""

from __future__ import annotations

from schemas.errors import BadDocument, CrossbearingError, ProblemLike

__all__ = ["describe_problems"]


def describe_problems(name: str, error: CrossbearingError) -> str:
    """Several lines: what was refused, each problem with its place and remedy, and how to go on."""
    listed = error.problems if isinstance(error, BadDocument) else ()
    problems = [problem for problem in listed if problem.severity == "error"]
    lines = [f"{name} was not sent: {error.message}", ""]
    if problems:
        for number, problem in enumerate(problems, start=1):
            lines += _describe(number, problem)
    else:
        lines += [f"What to do: {error.hint}", f"Code: {error.code}"]
    lines += ["", "Correct the document and put it into the watched folder again, under any name."]
    return "\n".join(lines) + "\n"


def _describe(number: int, problem: ProblemLike) -> list[str]:
    place = f"{problem.path}: " if problem.path else ""
    lines = [f"{number}. {place}{problem.message}"]
    if problem.hint:
        lines.append(f"   What to do: {problem.hint}")
    return lines
