"""Many processes come to the same verdict as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.auditor import workers
from nodes.auditor.mirror import LogFolder
from nodes.auditor.verify import Question, verify
from nodes.auditor.workers import Grounds, cores, survey_all
from schemas.directory.history import DirectoryHistory
from schemas.errors import NotReady
from tests.support.auditing import flip, quiet
from tests.support.log_builder import LogBuilder


@pytest.fixture
def troubled(log: LogBuilder) -> LogBuilder:
    """A log of several bundles with a directory change in the middle and faults of many kinds."""
    while log.size < 300:
        log.refusal()
    log.publish("targets", "au-abf")
    for _ in range(3):
        index = log.alert(signature=bytes(64))
        log.receipt("au-abf", [index])
        log.receipt("sg-cnb", [index], signature=bytes(64))
        log.append(b"nonsense")
        log.alert(change=lambda header: replace(header, sender="nz-customs"))
    while log.size < 800:
        log.refusal(code="no-such-code" if log.size == 700 else "quota")
    return log


def test_two_processes_report_word_for_word_what_one_does(
    troubled: LogBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORTH_IT", 100)
    folder = troubled.write(tmp_path)
    flip(folder / "tile/entries/001", 9000)
    (folder / f"tile/entries/003.p/{800 - 768}").unlink()
    reports = [
        verify(LogFolder(folder), Question(troubled.world.trusted_root, troubled.keys, workers=number), quiet)
        for number in (1, 2)
    ]
    assert reports[0].as_dict() == reports[1].as_dict()
    assert len(reports[0].findings) > 10
    assert reports[0].unjudged == reports[1].unjudged > 32


def test_a_small_log_is_not_worth_a_process(log: LogBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", None)
    question = Question(log.world.trusted_root, log.keys, workers=8)
    assert verify(LogFolder(log.write(tmp_path)), question, quiet).ok


def test_a_process_that_dies_is_an_error_not_a_verdict(
    troubled: LogBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORTH_IT", 100)
    grounds = Grounds(LogFolder(troubled.write(tmp_path)), b"", [(0, None)], frozenset())  # type: ignore[list-item]  # breaks every process at its start
    with pytest.raises(NotReady):
        list(survey_all(grounds, DirectoryHistory(), troubled.size, 2))


def test_there_is_at_least_one_core() -> None:
    assert cores() >= 1
