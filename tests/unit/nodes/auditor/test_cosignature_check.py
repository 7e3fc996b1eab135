"""Who else vouches for the log, as far as a copy shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.auditor.cosignature_check import Witnessing
from nodes.auditor.fetch import fetch
from nodes.auditor.mirror import WITNESSED, LogFolder
from nodes.auditor.report import report_lines
from schemas.directory.agency_keys import WitnessRecord
from schemas.directory.witnesses import Witnesses
from schemas.errors import Fork
from schemas.keys import WitnessKey
from tests.support.auditing import audit, audited, only, quiet
from tests.support.cosigning import cosigned
from tests.support.directory import make_world
from tests.support.log_builder import LogBuilder

EVERYBODY = ("au-abf", "hk-customs", "sg-cnb")


@pytest.fixture
def log() -> LogBuilder:
    made = LogBuilder(make_world(witnesses=Witnesses(2)))
    made.some_traffic(3)
    return made


def test_a_newest_checkpoint_with_its_quorum(log: LogBuilder, tmp_path: Path) -> None:
    folder, note = log.write(tmp_path), cosigned(log.checkpoint(), *EVERYBODY)
    for file in ("checkpoint", f"checkpoints/{log.size}"):
        (folder / file).write_bytes(note)
    report = audit(log, folder)
    assert report.ok
    assert report.witnessing == Witnessing(log.size, EVERYBODY, 2)
    assert "3 witnesses cosigned the newest checkpoint; 2 are enough" in "\n".join(report_lines(report))
    assert report.as_dict()["witnessed"] == {"size": log.size, "cosigned_by": list(EVERYBODY), "quorum": 2}


def test_an_older_one_is_said_to_be_older(log: LogBuilder, tmp_path: Path) -> None:
    log.files["checkpoints/8"] = cosigned(log.checkpoint(size=8), *EVERYBODY)
    report = audited(log, tmp_path)
    assert report.ok
    assert report.witnessing == Witnessing(8, EVERYBODY, 2)
    assert "the checkpoint of 8 entries" in "\n".join(report_lines(report))


def test_a_missing_quorum_is_a_notice(log: LogBuilder, tmp_path: Path) -> None:
    log.files["checkpoints/8"] = cosigned(log.checkpoint(size=8), "sg-cnb")
    report = audited(log, tmp_path)
    assert report.ok
    assert report.witnessing == Witnessing(0, ("sg-cnb",), 2)
    assert "NOTICE: no checkpoint here has its quorum; 1 witness of 2 needed" in "\n".join(report_lines(report))


def test_without_witnesses_nothing_is_said(tmp_path: Path) -> None:
    report = audited(LogBuilder(), tmp_path)
    assert report.witnessing is None
    assert "Witnesses" not in "\n".join(report_lines(report))


def test_a_false_cosignature_is_a_finding(log: LogBuilder, tmp_path: Path) -> None:
    log.files["checkpoints/8"] = cosigned(log.checkpoint(size=8), "sg-cnb", falsely=True)
    finding = only(audited(log, tmp_path))
    assert (finding.kind.code, finding.file) == ("checkpoint-untrusted", "checkpoints/8")


def test_a_strangers_line_is_a_finding(log: LogBuilder, tmp_path: Path) -> None:
    log.files["checkpoints/8"] = cosigned(log.checkpoint(size=8), "jp-customs")
    assert only(audited(log, tmp_path)).kind.code == "checkpoint-unknown-signer"


def test_a_key_that_was_changed_since_still_counts_for_its_time(log: LogBuilder, tmp_path: Path) -> None:
    log.files[f"checkpoints/{log.size}"] = cosigned(log.checkpoint(), *EVERYBODY[:2])
    size = log.size
    other = WitnessRecord("ed25519", WitnessKey(b"n" * 32).public)
    log.world.keys["au-abf"] = replace(log.world.keys["au-abf"], witness=(other,))
    log.publish("au-abf")
    report = audited(log, tmp_path)
    assert report.ok
    assert report.witnessing == Witnessing(size, EVERYBODY[:2], 2)


def test_fetch_keeps_the_checkpoint_that_has_its_quorum(log: LogBuilder, tmp_path: Path) -> None:
    log.files[WITNESSED] = cosigned(log.checkpoint(size=8), *EVERYBODY)
    fetch(log, LogFolder(tmp_path), keys=log.keys, progress=quiet)
    assert (tmp_path / "checkpoints" / "8").read_bytes() == log.files[WITNESSED]
    report = audit(log, tmp_path)
    assert report.ok
    assert report.witnessing == Witnessing(8, EVERYBODY, 2)


def test_fetch_finds_the_fork_that_witnesses_were_shown(log: LogBuilder, tmp_path: Path) -> None:
    log.files[WITNESSED] = cosigned(log.checkpoint(size=8, root=b"f" * 32), *EVERYBODY)
    with pytest.raises(Fork):
        fetch(log, LogFolder(tmp_path), keys=log.keys, progress=quiet)
