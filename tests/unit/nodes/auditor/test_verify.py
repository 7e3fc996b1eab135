from __future__ import annotations

from pathlib import Path

import pytest

from nodes.auditor.mirror import LogFolder
from nodes.auditor.verify import Question, verify
from schemas.errors import BadConfig
from schemas.log.note import note_key
from tests.support.auditing import audit, only, quiet
from tests.support.log_builder import LogBuilder


@pytest.mark.parametrize("names", [[], ["one.example", "other.example"]])
def test_keys_that_are_not_those_of_one_log_are_a_wrong_setting(
    log: LogBuilder, tmp_path: Path, names: list[str]
) -> None:
    keys = [note_key(name, log.world.log_key.public) for name in names]
    with pytest.raises(BadConfig):
        verify(LogFolder(tmp_path), Question(b"", keys), quiet)


@pytest.mark.parametrize("path", ["note.txt", "tile/0/005", "tile/entries/000", "directory/00", "checkpoints/old"])
def test_a_file_that_does_not_belong_is_named(log: LogBuilder, tmp_path: Path, path: str) -> None:
    folder = log.write(tmp_path)
    (folder / path).write_bytes(b"stray")
    finding = only(audit(log, folder))
    assert (finding.kind.code, finding.file) == ("stray-file", path)


def test_progress_names_both_passes(log: LogBuilder, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    verify(
        LogFolder(log.write(tmp_path)),
        Question(log.world.trusted_root, log.keys),
        lambda what, done, of: seen.append((what, done, of)),
    )
    assert seen == [("recomputing the tree", 0, 1), ("judging entries", 0, 1)]
