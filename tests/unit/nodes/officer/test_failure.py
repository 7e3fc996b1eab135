from __future__ import annotations

import json

import pytest

from nodes.officer.failure import FAILED, INPUT, NOT_FOUND, REFUSED, UNREACHABLE, exit_code
from schemas.alert.document import check_document
from schemas.errors import REGISTRY, BadDocument, Fault, Nobody, StorageFull, refusal_from_code
from tests.support.fake_node import FakeNode
from tests.unit.nodes.officer.conftest import Run


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("bad-document", INPUT),
        ("unknown-agency", INPUT),
        ("too-large", INPUT),
        ("not-found", NOT_FOUND),
        ("nobody", REFUSED),
        ("operation-closed", REFUSED),
        ("quota", REFUSED),
        ("a-code-of-a-later-version", REFUSED),
        ("unreachable", UNREACHABLE),
        ("not-ready", UNREACHABLE),
        ("storage-full", FAILED),
    ],
)
def test_exit_codes(code: str, expected: int) -> None:
    assert exit_code(refusal_from_code(code, "so it is")) == expected


def test_every_error_has_an_exit_code_and_no_fault_is_called_a_refusal() -> None:
    codes = {kind: exit_code(kind("so it is")) for kind in REGISTRY.values()}
    assert set(codes.values()) == {FAILED, INPUT, NOT_FOUND, REFUSED, UNREACHABLE}
    assert all(code != REFUSED for kind, code in codes.items() if issubclass(kind, Fault))


def test_a_failure_is_a_sentence_its_code_and_a_hint(run: Run, node: FakeNode) -> None:
    node.failure = StorageFull("the disk is full", hint="Free some space.")
    result = run("inbox")
    assert result.exit_code == FAILED
    assert result.stdout == ""
    assert result.stderr == "bearing: the disk is full [storage-full]\n  hint: Free some space.\n"


def test_problems_are_listed_each_with_its_field(run: Run, node: FakeNode) -> None:
    document = {"kind": "watch", "title": "x", "subjects": [{"type": "container", "number": "CSQU3054384"}]}
    node.failure = BadDocument("2 problems", problems=tuple(check_document(document)))
    result = run("send", "--to", "sg-cnb", "--container", "CSQU3054384")
    assert result.exit_code == INPUT
    assert "\n  to: The field to is needed here. [missing]\n" in result.stderr
    assert "\n  subjects[0].number: The check digit of CSQU3054384 is wrong" in result.stderr
    assert "3 is expected" in result.stderr


def test_with_json_the_error_is_json_on_standard_error(run: Run, node: FakeNode) -> None:
    node.failure = Nobody("nobody would receive it", hint="Address an agency.")
    result = run("--json", "send", "--to", "sg-cnb", "--container", "CSQU3054383")
    assert result.exit_code == REFUSED
    assert result.stdout == ""
    assert json.loads(result.stderr)["error"] == {
        "code": "nobody",
        "message": "nobody would receive it",
        "hint": "Address an agency.",
    }


def test_problems_reach_json_too(run: Run, node: FakeNode) -> None:
    result = run("send", "--to", "sg-cnb", "--container", "CSQU3054384", "--json")
    assert [p["path"] for p in json.loads(result.stderr)["error"]["problems"]] == ["subjects[0].number"]


def test_a_peers_words_cannot_act_on_the_terminal(run: Run, node: FakeNode) -> None:
    node.failure = Nobody("\x1b[2Jgone", hint="\x9b31mred")
    result = run("inbox")
    assert "\x1b" not in result.stderr
    assert "\x9b" not in result.stderr


def test_no_node_is_unreachable(run: Run) -> None:
    result = run("inbox")
    assert result.exit_code == UNREACHABLE
    assert "[unreachable]" in result.stderr
    assert "bearing node run" in result.stderr
