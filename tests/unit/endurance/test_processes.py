"""Daemons of a run: ended for real, and not left behind as zombies."""

from __future__ import annotations

from pathlib import Path

from deploy.demo import processes


def test_a_killed_daemon_leaves_no_zombie(tmp_path: Path) -> None:
    daemon = processes.start("sleeper", ["sleep", "600"], tmp_path / "log")
    assert Path(f"/proc/{daemon.pid}").exists()
    processes.kill(daemon)
    assert not Path(f"/proc/{daemon.pid}").exists()
    processes.kill(daemon)  # again: nothing to do
