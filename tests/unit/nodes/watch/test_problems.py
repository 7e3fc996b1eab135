from __future__ import annotations

from nodes.client import ReportedProblem
from nodes.watch.problems import describe_problems
from schemas.errors import BadDocument, Nobody


def test_every_problem_with_its_place_and_remedy() -> None:
    error = BadDocument(
        "2 problems",
        problems=(
            ReportedProblem("subjects[0].number", "check-digit", "the check digit must be 3", "Look again.", "error"),
            ReportedProblem("origin", "unknown-port", "not in the list", "Check it.", "warning"),
            ReportedProblem("", "missing", "no title", "", "error"),
        ),
    )
    assert describe_problems("case.yaml", error) == (
        "case.yaml was not sent: 2 problems\n"
        "\n"
        "1. subjects[0].number: the check digit must be 3\n"
        "   What to do: Look again.\n"
        "2. no title\n"
        "\n"
        "Correct the document and put it into the watched folder again, under any name.\n"
    )


def test_a_refusal_without_a_list() -> None:
    text = describe_problems("case.yaml", Nobody("region:south-asia holds no agency you may reach", hint="Ask."))
    assert text.startswith("case.yaml was not sent: region:south-asia holds no agency you may reach\n")
    assert "What to do: Ask.\nCode: nobody\n" in text
