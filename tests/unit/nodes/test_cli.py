from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nodes.cli import SECTIONS, cli
from nodes.officer.settings import OfficerCommand, OfficerGroup, Settings

ROOT = Path(__file__).resolve().parents[3]
PLACES = {name: place for section in SECTIONS.values() for name, place in section.items()}
OFFICERS = [name for name, place in PLACES.items() if place.module.startswith("nodes.officer")]


def found(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", PLACES)
def test_every_command_is_where_the_table_says_and_has_help(name: str) -> None:
    assert found(name).help
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0


@pytest.mark.parametrize("name", OFFICERS)
def test_every_officers_command_takes_the_common_options(name: str) -> None:
    command = found(name)
    assert isinstance(command, OfficerCommand | OfficerGroup)
    below = command.commands.values() if isinstance(command, OfficerGroup) else [command]
    for each in below:
        assert {"as_json", "home", "socket"} <= {parameter.name for parameter in each.params}


def test_help_shows_every_command_by_what_one_wants_to_do() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    for title, section in SECTIONS.items():
        assert f"\n{title}:\n" in result.stdout
        for place in section.values():
            assert place.hidden or place.summary in result.stdout


@pytest.mark.parametrize(
    ("args", "words"), [(["inbx"], "Did you mean `bearing inbox`?"), (["zzz"], "`bearing --help` lists them.")]
)
def test_a_mistyped_command_is_wrong_usage_with_advice(args: list[str], words: str) -> None:
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 2
    assert words in result.stderr


def test_which_socket_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BEARING_HOME", raising=False)
    assert Settings().socket_path == tmp_path / ".bearing" / "node.sock"
    monkeypatch.setenv("BEARING_HOME", "/from/environment")
    assert Settings().socket_path == Path("/from/environment/node.sock")
    assert Settings(home=Path("/given")).socket_path == Path("/given/node.sock")
    assert Settings(home=Path("/given"), socket=Path("/other.sock")).socket_path == Path("/other.sock")


@pytest.mark.parametrize(
    "args",
    [["--home", "/nowhere", "inbox"], ["inbox", "--home", "/nowhere"], ["--socket", "/nowhere/node.sock", "inbox"]],
)
def test_the_common_options_go_before_or_after_the_command(args: list[str]) -> None:
    result = CliRunner().invoke(cli, args, obj=Settings())
    assert result.exit_code == 5
    assert "no node is running at /nowhere" in result.stderr


def test_a_quick_command_does_not_wait_for_the_rest_of_the_program() -> None:
    """`bearing inbox` on a pipe: what costs most to import stays out."""
    program = "import sys; from nodes.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", program, "inbox", "--home", "/nowhere"], cwd=ROOT, capture_output=True, text=True
    )
    loaded = set(result.stderr.split())
    assert "nodes.officer.lists" in loaded
    heavy = {"rich", "pydantic", "yaml", "aiohttp", "asyncio", "cryptography", "nacl", "tuf", "apsw", "structlog"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith(("nodes.auditor", "nodes.node_cli", "broker"))}


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("bearing ")


def test_a_terminal_that_lacks_letters_shows_their_numbers() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "nodes.cli", "inbox", "--home", "/海關"],
        cwd=ROOT,
        env={"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 5
    assert rb"no node is running at /\u6d77\u95dc" in result.stderr
