from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from nodes.officer.completing import alert_ids
from nodes.officer.settings import Settings
from tests.support.fake_node import FakeNode, received, sent
from tests.unit.nodes.officer.conftest import ROOT, Run


@pytest.fixture
def complete(home: Path) -> object:
    """What bash is offered for a line; its last word is the one being typed."""

    def offered(*words: str) -> list[str]:
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "BEARING_HOME": str(home),
            "_BEARING_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["bearing", *words]),
            "COMP_CWORD": str(len(words)),
        }
        command = [sys.executable, "-c", "from nodes.cli import main; main()"]
        result = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert result.stderr == ""
        return [line.split(",", 1)[1] for line in result.stdout.splitlines() if line]

    return offered


def test_commands_are_offered(complete) -> None:  # type: ignore[no-untyped-def]  # a fixture of this module
    assert complete("in") == ["inbox"]
    assert complete("dead-letters", "") == ["list", "retry"]
    assert "--dry-run" in complete("send", "--d")
    assert "reference" not in complete("re")


def test_ids_and_addresses_come_from_the_node(complete, node: FakeNode) -> None:  # type: ignore[no-untyped-def]
    node.add(received(1), sent(12, []))
    assert complete("show", "000000") == ["00000001", "00000012"]
    assert complete("send", "--to", "reg") == ["region:oceania", "region:far-east"]
    assert complete("route", "explain", "a") == ["au-abf", "all"]
    assert complete("inbox", "--from", "n") == ["nz-customs"]
    assert complete("inbox", "--operation", "m") == ["marker"]


def test_a_partners_title_cannot_act_on_the_terminal_that_lists_it(home: Path, node: FakeNode) -> None:
    node.add(received(1, title="one\x1b[2J\ntwo"))
    context = click.Context(click.Command("show"), obj=Settings(home=home))
    (item,) = alert_ids(context, click.Argument(["alert"]), "")
    assert item.help == r"sg-cnb: one\x1b[2J\ntwo"


def test_without_a_node_nothing_is_offered_and_nothing_said(complete) -> None:  # type: ignore[no-untyped-def]
    assert complete("show", "0") == []
    assert complete("send", "--to", "sg") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_BEARING_COMPLETE={shell}_complete" in result.stdout
    assert "%(" not in result.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_accepts_its_script(run: Run) -> None:
    script = run("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_other_shells_are_refused(run: Run) -> None:
    assert run("completion", "tcsh").exit_code == 2
