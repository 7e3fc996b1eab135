"""The command line, run in this process or on a real terminal, against a fake node."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nodes.cli import cli
from nodes.officer.settings import Settings
from tests.support.fake_node import FakeNode, serving

ROOT = Path(__file__).resolve().parents[4]

Run = Callable[..., Result]
OnTerminal = Callable[..., str]


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: the kernel takes at most 107 bytes for a socket's."""
    with tempfile.TemporaryDirectory(prefix="bearing-") as directory:
        yield Path(directory)


@pytest.fixture
def node(home: Path) -> Iterator[FakeNode]:
    with serving(FakeNode(), home / "node.sock") as fake:
        yield fake


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command whose output is piped."""
    monkeypatch.delenv("BEARING_OFFICER", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)

    def invoke(*args: str, input: str | None = None) -> Result:  # noqa: A002 - as CliRunner calls it
        return CliRunner().invoke(
            cli, args, input=input, env={"BEARING_HOME": str(home)}, obj=Settings(), prog_name="bearing"
        )

    return invoke


@pytest.fixture
def on_terminal(home: Path) -> OnTerminal:
    """Run a command on a terminal of its own; returns what is on it. `typed` is what the person types."""

    def invoke(*args: str, typed: str = "", columns: int = 100, env: dict[str, str] | None = None) -> str:
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        told = {"TERM": "xterm", "COLUMNS": str(columns), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "nodes.cli", *args]
        with subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=home,
            env={**kept, **told, "BEARING_HOME": str(home), **(env or {})},
        ):
            os.close(theirs)
            try:
                return _converse(ours, typed)
            finally:
                os.close(ours)

    return invoke


PROMPTS = (b": ", b"> ")
"""How a question ends: what is typed before it is asked would be echoed in its place."""


def _converse(terminal: int, typed: str) -> str:
    """Type line by line, one for each question, and collect all that is on the terminal."""
    lines = typed.splitlines(keepends=True)
    output = b""
    while True:
        ready, _, _ = select.select([terminal], [], [], 30)
        if not ready:
            raise AssertionError(f"the command neither ends nor speaks; so far: {output.decode()}")
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side has closed: the end, on Linux
            break
        if not chunk:
            break
        output += chunk
        if lines and output.endswith(PROMPTS):
            os.write(terminal, lines.pop(0).encode())
    assert not lines, f"never asked for {lines}: {output.decode()}"
    return output.decode().replace("\r\n", "\n")
