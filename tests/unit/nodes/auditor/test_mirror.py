from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nodes.auditor.mirror import LogFolder, directory_path, fork_path, kept_path, path_limit
from schemas.errors import CrossbearingError, Missing, StorageFailed, StorageFull, TooLarge


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    return LogFolder(tmp_path / "copy")


def test_a_file_written_is_read_back_and_leaves_nothing_half_written(folder: LogFolder) -> None:
    folder.write("tile/0/000", b"hashes")
    folder.write("tile/0/000", b"other")
    assert folder.read("tile/0/000") == b"other"
    assert folder.has("tile/0/000")
    assert list(folder.files()) == ["tile/0/000"]


def test_what_is_not_there_is_missing(folder: LogFolder) -> None:
    folder.write("checkpoint", b"note")
    for path in ("tile/0/000", "checkpoint/below"):
        with pytest.raises(Missing):
            folder.read(path)
    (folder.root / "tile").mkdir()
    with pytest.raises(Missing):
        folder.read("tile")
    assert not folder.has("tile")


def test_a_file_larger_than_it_can_be_is_not_read_whole(folder: LogFolder) -> None:
    folder.write("tile/0/000", bytes(path_limit("tile/0/000") + 1))
    with pytest.raises(TooLarge):
        folder.read("tile/0/000")


def test_each_kind_of_file_has_its_limit() -> None:
    assert path_limit("tile/0/000") == 8192
    assert path_limit("tile/entries/000") > 16_000_000
    assert path_limit("directory/00") < path_limit("tile/entries/000")
    assert path_limit("checkpoint") == path_limit("checkpoints/5")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageFailed)],
)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_changes_nothing(
    folder: LogFolder, monkeypatch: pytest.MonkeyPatch, step: str, number: int, expected: type[CrossbearingError]
) -> None:
    folder.write("checkpoint", b"before")

    def fail(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(expected):
        folder.write("checkpoint", b"after")
    assert folder.read("checkpoint") == b"before"
    assert list(folder.files()) == ["checkpoint"]


def test_reading_and_removing_what_the_disk_does_not_give_is_a_fault(
    folder: LogFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("checkpoint", b"note")

    def fail(*_args: object, **_options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(StorageFailed):
        folder.read("checkpoint")
    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(StorageFailed):
        folder.remove("checkpoint")


def test_kept_checkpoints_are_listed_by_size_and_strange_names_left_out(folder: LogFolder) -> None:
    assert folder.kept_sizes() == []
    for name in ("10", "9", "0", "010", "x", "9.part"):
        folder.write(f"checkpoints/{name}", b"")
    assert folder.kept_sizes() == [0, 9, 10]


def test_forks_are_listed(folder: LogFolder) -> None:
    assert folder.fork_names() == []
    folder.write(f"{fork_path(7, bytes(32))}/checkpoint", b"")
    assert folder.fork_names() == ["7-0000000000000000"]


def test_paths() -> None:
    assert kept_path(12) == "checkpoints/12"
    assert directory_path(b"\xab" * 32) == "directory/" + "ab" * 32
