from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodes.watch.arrivals import MAX_NAME, Arrivals


def test_a_file_is_complete_when_two_scans_find_it_unchanged(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "a.yaml").write_text("kind: watch\n")
    assert arrivals.scan().complete == ()
    assert arrivals.scan().complete == (tmp_path / "a.yaml",)


def test_a_growing_file_is_waited_for(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    with (tmp_path / "a.json").open("w") as writer:
        for _ in range(3):
            writer.write("x")
            writer.flush()
            assert arrivals.scan().complete == ()
    assert arrivals.scan().complete == (tmp_path / "a.json",)


def test_a_file_rewritten_at_the_same_size_is_waited_for(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    path = tmp_path / "a.json"
    path.write_text("{}")
    arrivals.scan()
    path.write_text("[]")
    os.utime(path, ns=(1, 1))
    assert arrivals.scan().complete == ()


def test_another_file_under_the_same_name_is_waited_for(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    path = tmp_path / "a.json"
    path.write_text("{}")
    os.utime(path, ns=(1, 1))
    arrivals.scan()
    (tmp_path / "b").write_text("[]")
    os.utime(tmp_path / "b", ns=(1, 1))
    (tmp_path / "b").rename(path)
    assert arrivals.scan().complete == ()
    assert arrivals.scan().complete == (path,)


def test_oldest_first(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    for name, time in (("a.yaml", 3), ("b.yml", 1), ("C.JSON", 2)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(time, time))
    arrivals.scan()
    assert [path.name for path in arrivals.scan().complete] == ["b.yml", "C.JSON", "a.yaml"]


def test_a_file_taken_back_is_forgotten(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "a.yaml").touch()
    arrivals.scan()
    (tmp_path / "a.yaml").unlink()
    assert arrivals.scan().complete == ()


@pytest.mark.parametrize("name", [".hidden.yaml", "a.yaml.part", "a.tmp", "a.yaml~"])
def test_a_file_on_its_way_is_neither_taken_nor_named(tmp_path: Path, name: str) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / name).touch()
    for _ in range(2):
        found = arrivals.scan()
        assert (found.complete, found.strangers) == ((), ())


def test_what_is_no_document_is_left_and_named_once(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "link.yaml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.yaml")
    long = "x" * MAX_NAME + ".yaml"
    (tmp_path / long).touch()
    assert dict(arrivals.scan().strangers) == {
        "photo.jpg": "its name does not end in .yaml, .yml or .json",
        "folder.yaml": "it is not a regular file",
        "link.yaml": "it is a symbolic link",
        "pipe.yaml": "it is not a regular file",
        long: f"its name is longer than {MAX_NAME} bytes",
    }
    again = arrivals.scan()
    assert (again.complete, again.strangers) == ((), ())


def test_a_stranger_that_comes_back_is_named_again(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "a.txt").touch()
    arrivals.scan()
    (tmp_path / "a.txt").unlink()
    arrivals.scan()
    (tmp_path / "a.txt").touch()
    assert len(arrivals.scan().strangers) == 1


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Arrivals(tmp_path / "none").scan()


def test_a_file_that_goes_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").touch()
    real = os.scandir

    @contextmanager
    def scandir(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
        with real(folder) as entries:
            listed = list(entries)
        (folder / "a.yaml").unlink()
        yield listed

    monkeypatch.setattr(os, "scandir", scandir)
    found = Arrivals(tmp_path).scan()
    assert (found.complete, found.strangers) == ((), ())
