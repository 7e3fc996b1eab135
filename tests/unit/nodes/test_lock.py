from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nodes.lock import home_lock
from schemas.errors import StorageLocked

HOLD = """
import pathlib, sys
from nodes.lock import home_lock
with home_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_daemon_per_home(tmp_path: Path) -> None:
    with home_lock(tmp_path / "node.lock"), pytest.raises(StorageLocked) as refusal, home_lock(tmp_path / "node.lock"):
        pass
    assert "stop it first" in refusal.value.hint
    with home_lock(tmp_path / "node.lock"):
        assert (tmp_path / "node.lock").stat().st_mode & 0o777 == 0o600


def test_a_killed_daemon_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "node.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StorageLocked), home_lock(path):
            pass
        other.kill()
        other.wait()
    with home_lock(path):
        pass
