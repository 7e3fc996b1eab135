from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodes.auditor.fetch import Fetched, expected_files, fetch
from nodes.auditor.mirror import LogFolder
from schemas.errors import BadSignature, CheckpointUntrusted, Fork, LogTampered, Missing, Unreachable
from schemas.keys import SigningKey
from schemas.log.note import note_key
from tests.support.auditing import audit, flip, found, only, quiet
from tests.support.log_builder import LogBuilder


@dataclass
class Hub:
    """A hub as `fetch` sees it, which can fail, change what it serves, and drop partial tiles that grew full."""

    log: LogBuilder
    asked: list[str] = field(default_factory=list)
    fail_after: int | None = None
    drop_partial: bool = False
    replace: dict[str, bytes] = field(default_factory=dict)

    def get(self, path: str) -> bytes:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise Unreachable("the line was cut")
        self.asked.append(path)
        if path in self.replace:
            return self.replace[path]
        if self.drop_partial and ".p/" in path and int(path.rpartition("/")[2]) < self.log.size % 256:
            raise Missing(path)
        return self.log.get(path)


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    return LogFolder(tmp_path / "copy")


def copy(log: LogBuilder, folder: LogFolder) -> Fetched:
    return fetch(log, folder, keys=log.keys, progress=quiet)


def grow(log: LogBuilder, size: int) -> None:
    while log.size < size:
        log.refusal()


def test_a_first_fetch_copies_everything_and_verifies(log: LogBuilder, folder: LogFolder) -> None:
    done = copy(log, folder)
    assert (done.before, done.size, done.root) == (0, 11, log.tree.roots[11])
    assert set(folder.files()) == expected_files(folder, 11) | set(log.files) | {"checkpoint", "checkpoints/11"}
    assert audit(log, folder.root).ok


def test_a_fetch_again_copies_only_what_is_new(log: LogBuilder, folder: LogFolder) -> None:
    copy(log, folder)
    hub = Hub(log)
    assert fetch(hub, folder, progress=quiet).files == 0
    assert set(hub.asked) == {"checkpoint", "tile/0/000.p/11", "witnessed"}
    grow(log, 300)
    log.publish("targets")
    done = copy(log, folder)
    assert (done.before, done.size) == (11, 301)
    assert audit(log, folder.root).ok
    assert set(folder.files()) == expected_files(folder, 301) | set(log.files) | {
        "checkpoint",
        "checkpoints/11",
        "checkpoints/301",
    }


@pytest.mark.parametrize("sizes", [[5, 255, 256, 257], [6, 512, 513, 769], [5, 700]])
def test_every_growth_gives_the_same_as_fetching_at_once(tmp_path: Path, sizes: list[int]) -> None:
    log = LogBuilder()
    steps, whole = LogFolder(tmp_path / "steps"), LogFolder(tmp_path / "whole")
    for size in sizes:
        grow(log, size)
        copy(log, steps)
    copy(log, whole)
    assert {p: steps.read(p) for p in steps.files() if not p.startswith("checkpoints/")} == {
        p: whole.read(p) for p in whole.files() if not p.startswith("checkpoints/")
    }
    assert steps.kept_sizes() == sizes
    assert audit(log, steps.root).ok


def test_a_fetch_that_dies_after_any_request_is_taken_up_again(tmp_path: Path) -> None:
    log = LogBuilder()
    grow(log, 300)
    before = log.size
    requests = len(_requests(log, LogFolder(tmp_path / "count")))
    for allowed in range(requests):
        folder = LogFolder(tmp_path / f"copy{allowed}")
        with pytest.raises(Unreachable):
            fetch(Hub(log, fail_after=allowed), folder, progress=quiet)
        assert not folder.has("checkpoint")
        copy(log, folder)
        assert folder.kept_sizes() == [before]
        assert audit(log, folder.root).ok


def _requests(log: LogBuilder, folder: LogFolder) -> list[str]:
    hub = Hub(log)
    fetch(hub, folder, progress=quiet)
    return hub.asked


def test_an_update_that_dies_leaves_the_older_copy_whole(log: LogBuilder, folder: LogFolder) -> None:
    copy(log, folder)
    grow(log, 300)
    with pytest.raises(Unreachable):
        fetch(Hub(log, fail_after=5), folder, progress=quiet)
    assert folder.read("checkpoint") == folder.read("checkpoints/11")
    assert {row[0] for row in found(audit(log, folder.root))} == {"stray-file"}
    copy(log, folder)
    assert audit(log, folder.root).ok


def test_a_log_that_grows_meanwhile_and_drops_partial_tiles_is_cut_to_the_checkpoint(folder: LogFolder) -> None:
    log = LogBuilder()
    grow(log, 700)
    note = log.checkpoint(size=600)
    grow(log, 768)

    class Grown:
        def get(self, path: str) -> bytes:
            if path == "checkpoint":
                return note
            if ".p/" in path and path.startswith(("tile/0/", "tile/entries/")):
                raise Missing(path)
            return log.get(path)

    assert fetch(Grown(), folder, keys=log.keys, progress=quiet).size == 600
    assert audit(log, folder.root).ok


@pytest.mark.parametrize("path", ["tile/0/001", "tile/entries/001", "checkpoint", "directory/"])
def test_what_the_hub_does_not_have_is_missing(folder: LogFolder, path: str) -> None:
    log = LogBuilder()
    grow(log, 600)

    class Holey:
        def get(self, asked: str) -> bytes:
            if asked.startswith(path):
                raise Missing(asked)
            return log.get(asked)

    with pytest.raises(Missing):
        fetch(Holey(), folder, progress=quiet)
    assert not folder.has("checkpoint")


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"]
)
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:40] + b"\xff" + data[41:]])
def test_what_contradicts_itself_is_refused_or_found_by_verify(
    folder: LogFolder, path: str, change: Callable[[bytes], bytes]
) -> None:
    log = LogBuilder()
    grow(log, 300)
    hub = Hub(log, replace={path: change(log.get(path))})
    try:
        fetch(hub, folder, progress=quiet)
    except LogTampered:
        assert not folder.has("checkpoint")
    else:
        assert not audit(log, folder.root).ok


def test_a_directory_file_that_is_not_what_its_name_says_is_refused(log: LogBuilder, folder: LogFolder) -> None:
    path = next(iter(log.files))
    with pytest.raises(LogTampered):
        fetch(Hub(log, replace={path: b"other"}), folder, progress=quiet)


def test_with_the_log_key_a_forged_checkpoint_is_refused_at_once(log: LogBuilder, folder: LogFolder) -> None:
    stranger = note_key(log.world.origin, SigningKey(bytes(32)).public)
    with pytest.raises(CheckpointUntrusted):
        fetch(log, folder, keys=[stranger], progress=quiet)
    forged = log.checkpoint().replace(b"\n11\n", b"\n10\n")
    with pytest.raises(BadSignature):
        fetch(Hub(log, replace={"checkpoint": forged}), folder, keys=log.keys, progress=quiet)
    assert list(folder.files()) == []


def rewritten(log: LogBuilder, index: int) -> LogBuilder:
    """The same log with another entry at `index`, signed by the same key."""
    other = LogBuilder(log.world)
    for at, data in enumerate(log.entries[other.size :], start=other.size):
        other.append(log.entries[0] if at == index else data)
    return other


@pytest.mark.parametrize("index", [6, 280])
@pytest.mark.parametrize("more", [0, 1, 400])
def test_a_rewritten_history_is_a_fork_with_evidence_that_proves_it(folder: LogFolder, index: int, more: int) -> None:
    log = LogBuilder()
    grow(log, 300)
    copy(log, folder)
    other = rewritten(log, index)
    grow(other, 300 + more)
    with pytest.raises(Fork) as refusal:
        copy(other, folder)
    assert folder.has(f"{refusal.value.context['file']}/checkpoint")
    assert folder.kept_sizes() == [300]
    finding = only(audit(log, folder.root))
    assert (finding.kind.code, finding.party) == ("fork", "broker")


def test_a_shorter_rewritten_history_is_a_fork(folder: LogFolder) -> None:
    log = LogBuilder()
    grow(log, 300)
    copy(log, folder)
    other = LogBuilder(log.world)
    grow(other, 200)
    other.append(log.entries[0])
    with pytest.raises(Fork):
        copy(other, folder)
    assert only(audit(log, folder.root)).kind.code == "fork"


def test_evidence_of_a_fork_that_is_damaged_proves_none_but_is_named(folder: LogFolder) -> None:
    log = LogBuilder()
    grow(log, 300)
    copy(log, folder)
    other = rewritten(log, 280)
    grow(other, 301)
    with pytest.raises(Fork):
        copy(other, folder)
    base = folder.root / "forks" / folder.fork_names()[0]
    flip(base / "tile/0/001.p/45", 3)
    assert only(audit(log, folder.root)).kind.code == "stray-file"
    flip(base / "checkpoint", 60)
    assert only(audit(log, folder.root)).kind.code == "checkpoint-untrusted"


def test_a_log_that_went_back_is_refused(log: LogBuilder, folder: LogFolder) -> None:
    copy(log, folder)
    with pytest.raises(LogTampered, match="went back"):
        fetch(Hub(log, replace={"checkpoint": log.checkpoint(size=9)}), folder, keys=log.keys, progress=quiet)
    assert folder.fork_names() == []


def test_an_update_whose_tiles_do_not_give_its_root_is_refused(log: LogBuilder, folder: LogFolder) -> None:
    copy(log, folder)
    grow(log, 20)
    served = log.get("tile/0/000.p/20")
    with pytest.raises(LogTampered, match="the hub's hash tiles"):
        fetch(Hub(log, replace={"tile/0/000.p/20": served[:-1] + b"\0"}), folder, progress=quiet)
    assert folder.kept_sizes() == [11]


@pytest.mark.parametrize("path", ["checkpoints/11", "tile/0/000.p/11"])
def test_a_folder_damaged_at_home_is_not_taken_for_a_fork(log: LogBuilder, folder: LogFolder, path: str) -> None:
    copy(log, folder)
    for offset in range(0, (folder.root / path).stat().st_size, 7):
        flip(folder.root / path, offset)
        with pytest.raises(LogTampered):
            copy(log, folder)
        flip(folder.root / path, offset)
        assert folder.fork_names() == []


def test_a_folder_whose_newest_checkpoint_is_damaged_is_not_added_to(log: LogBuilder, folder: LogFolder) -> None:
    copy(log, folder)
    flip(folder.root / "checkpoints/11", 40)
    grow(log, 20)
    with pytest.raises(LogTampered, match="checkpoints/11"):
        copy(log, folder)


def test_another_log_does_not_go_into_the_same_folder(log: LogBuilder, folder: LogFolder) -> None:
    copy(log, folder)
    other = LogBuilder()
    other.world.origin = "other.example/log"
    with pytest.raises(LogTampered, match="this folder holds"):
        fetch(other, folder, progress=quiet)


def test_an_undecodable_entry_is_copied_for_verify_to_judge(log: LogBuilder, folder: LogFolder) -> None:
    log.append(b"\xc1")
    copy(log, folder)
    assert found(audit(log, folder.root)) == [("entry-malformed", "broker", 11)]


def test_progress_names_the_steps(folder: LogFolder) -> None:
    log = LogBuilder()
    grow(log, 300)
    seen: list[tuple[str, int, int]] = []
    fetch(log, folder, progress=lambda what, done, of: seen.append((what, done, of)))
    assert seen == [
        *[("copying hash tiles", done, 3) for done in range(3)],
        *[("copying entries", done, 2) for done in range(2)],
    ]
