from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nodes.durable import sync_folder, write_durably


def test_writes_the_whole_file_for_the_owner_alone(tmp_path: Path) -> None:
    write_durably(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_replaces_a_file_and_what_a_crash_left(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / ".a.part").write_bytes(b"half of somethi")
    write_durably(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_does_not_write_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / ".a.part").symlink_to(victim)
    write_durably(tmp_path / "a", b"new")
    assert victim.read_bytes() == b"untouched"


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_failing_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "write":
        (tmp_path / "full").symlink_to("/dev/full")
        monkeypatch.setattr(os, "open", _open_instead(tmp_path / "full"))
    elif call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        write_durably(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert not (tmp_path / ".a.part").exists()


def _open_instead(path: Path) -> object:
    real = os.open

    def open_full(_: Path, flags: int, mode: int) -> int:
        return real(path, flags & ~os.O_EXCL & ~os.O_CREAT, mode)

    return open_full


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "none" / "a", b"x")
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")
