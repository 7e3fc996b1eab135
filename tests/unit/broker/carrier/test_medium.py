"""Removable media at both ends: a file is read whole or refused, and is written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from broker.carrier import medium as hub_medium
from nodes.officer import medium as node_medium
from schemas.errors import CarrierUnknown, NotFound, StorageFailed, StorageFull


@pytest.fixture(params=[hub_medium, node_medium], ids=["hub", "node"])
def medium(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def test_a_file_is_written_and_read(medium: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.carrier"
    assert medium.write_medium(path, [b"one", b"two"], replace=False) == 6
    assert b"".join(medium.read_medium(path)) == b"onetwo"
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir()] == ["a.carrier"]


def test_what_is_no_regular_file_is_not_waited_for(medium: ModuleType, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises((CarrierUnknown, StorageFailed)):
            list(medium.read_medium(path))
    with pytest.raises(NotFound):
        list(medium.read_medium(tmp_path / "none"))


def test_a_file_larger_than_any_is_not_read(
    medium: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(medium, "MAX_CARRIER", 3)
    (tmp_path / "large").write_bytes(b"four")
    with pytest.raises(CarrierUnknown):
        list(medium.read_medium(tmp_path / "large"))


def test_a_file_that_is_there_stays(medium: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with pytest.raises(StorageFailed, match="already"):
        medium.write_medium(path, [b"after"], replace=False)
    assert path.read_bytes() == b"before"
    medium.write_medium(path, [b"after"], replace=True)
    assert path.read_bytes() == b"after"


def test_a_link_left_in_its_place_is_not_followed(medium: ModuleType, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / ".a.part").symlink_to(victim)
    medium.write_medium(tmp_path / "a", [b"x"], replace=False)
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize(("number", "expected"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageFailed)])
def test_a_medium_that_fails_leaves_no_file_that_looks_whole(
    medium: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    expected: type[Exception],
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(medium.os if call == "fsync" else Path, call, fail)
    with pytest.raises(expected):
        medium.write_medium(tmp_path / "a", [b"x"], replace=False)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_pieces_that_end_in_an_error_leave_nothing(medium: ModuleType, tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise NotFound("the other side went away")

    with pytest.raises(NotFound):
        medium.write_medium(tmp_path / "a", pieces(), replace=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_named(medium: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="gone"):
        medium.write_medium(tmp_path / "gone" / "a", [b"x"], replace=False)


def test_a_file_system_that_cannot_flush_a_folder_is_good_enough(
    medium: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if os.fstat(handle).st_mode & 0o040000:
            raise OSError(errno.EINVAL, "no such thing here")
        real(handle)

    monkeypatch.setattr(medium.os, "fsync", fsync)
    assert medium.write_medium(tmp_path / "a", [b"x"], replace=False) == 1
