"""Checkpoints that others saw, held against the copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.auditor.mirror import LogFolder
from nodes.auditor.report import Report, report_lines
from nodes.auditor.verify import Question, verify
from tests.support.auditing import found, quiet
from tests.support.log_builder import LogBuilder


def compared(log: LogBuilder, folder: Path, *notes: bytes) -> Report:
    seen = [(f"seen-{number}", note) for number, note in enumerate(notes)]
    return verify(LogFolder(folder), Question(log.world.trusted_root, log.keys, seen=seen), quiet)


@pytest.mark.parametrize("size", [0, 1, 6, 11])
def test_a_checkpoint_of_the_same_history_agrees(log: LogBuilder, tmp_path: Path, size: int) -> None:
    report = compared(log, log.write(tmp_path), log.checkpoint(size=size))
    assert report.ok
    assert report.seen_elsewhere[0].as_dict() == {"file": "seen-0", "size": size, "comparison": "agrees"}
    assert f"Seen        seen-0: of {size} entries, the same history as here" in list(report_lines(report))


def test_a_newer_checkpoint_is_no_finding_but_told(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    log.refusal()
    report = compared(log, folder, log.checkpoint())
    assert report.ok
    assert "fetch again" in report.seen_elsewhere[0].words


@pytest.mark.parametrize("size", [6, 11])
def test_another_history_under_the_logs_key_is_a_fork_of_the_hub(log: LogBuilder, tmp_path: Path, size: int) -> None:
    report = compared(log, log.write(tmp_path), log.checkpoint(), log.checkpoint(size=size, root=bytes(32)))
    assert found(report) == [("fork", "broker", None)]
    assert report.findings.kept[0].file == "seen-1"
    assert [seen.comparison.name for seen in report.seen_elsewhere] == ["AGREES", "CONTRADICTS"]


def test_what_the_logs_key_did_not_sign_says_nothing(log: LogBuilder, tmp_path: Path) -> None:
    report = compared(log, log.write(tmp_path), b"nonsense", LogBuilder().checkpoint().replace(b"/1\n", b"/2\n"))
    assert [row[0] for row in found(report)] == ["seen-untrusted", "seen-untrusted"]
    assert report.proven


def test_nothing_is_compared_with_a_copy_that_is_not_proven(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    for name in ("checkpoint", f"checkpoints/{log.size}"):
        (folder / name).write_bytes(log.checkpoint(root=bytes(32)))
    report = compared(log, folder, log.checkpoint(size=6))
    assert "fork" not in {row[0] for row in found(report)}
    assert report.seen_elsewhere[0].comparison.name == "UNPROVEN"
