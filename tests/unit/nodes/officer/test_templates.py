from __future__ import annotations

import json

import pytest
import yaml

from nodes.officer.forms import form_document, form_skeleton, form_summary, forms
from nodes.officer.interview import ASKED, OWN_COMMANDS
from schemas.alert.document import check_document
from tests.unit.nodes.officer.conftest import OnTerminal, Run


def test_templates_are_listed_with_what_they_are_for(run: Run, on_terminal: OnTerminal) -> None:
    rows = dict(line.split("\t") for line in run("templates").stdout.splitlines())
    assert rows == dict(line.split("\t") for line in run("templates", "list").stdout.splitlines())
    assert rows["container-watch"] == "Watch for a container"
    assert all(rows.values())
    assert {entry["name"] for entry in json.loads(run("templates", "--json").stdout)["templates"]} == set(rows)
    assert "bearing send --template NAME" in on_terminal("templates")


def test_a_template_is_printed_as_it_can_be_saved(run: Run) -> None:
    text = run("templates", "show", "seizure").stdout
    assert text.startswith("# ")
    assert yaml.safe_load(text)["kind"] == "seizure"
    assert json.loads(run("templates", "show", "seizure", "--json").stdout)["kind"] == "seizure"
    assert run("templates", "show", "none").exit_code == 3


def test_what_the_interview_names_exists() -> None:
    assert {*ASKED, *OWN_COMMANDS} <= set(forms())


@pytest.mark.parametrize("name", forms())
def test_no_template_can_be_taken_for_real(name: str) -> None:
    assert form_document(name)["status"] == "exercise"
    assert form_summary(name)


@pytest.mark.parametrize("name", ASKED)
def test_a_skeleton_is_complete_but_for_the_facts(name: str) -> None:
    skeleton = form_skeleton(name)
    assert not skeleton.keys() & {"title", "to", "narrative", "subjects", "dates", "status"}
    missing = {problem.path for problem in check_document(skeleton) if problem.severity == "error"}
    assert missing == {"title", "to", "subjects"}
