from __future__ import annotations

from pathlib import Path

import pytest

from nodes.auditor.findings import Findings
from nodes.auditor.mirror import LogFolder
from nodes.auditor.tree_check import check_tree
from schemas.log.tiles import entry_bundle, split_bundle
from tests.support.auditing import audit, audited, flip, found, only, quiet
from tests.support.log_builder import LogBuilder
from tests.support.trees import textbook_root


def plain_log(size: int) -> LogBuilder:
    log = LogBuilder()
    while log.size < size:
        log.refusal()
    return log


@pytest.mark.parametrize("size", [5, 255, 256, 257, 511, 512, 513])
def test_the_recomputed_root_is_the_textbooks(tmp_path: Path, size: int) -> None:
    log = plain_log(size)
    findings = Findings()
    signed = dict.fromkeys((0, 1, size), b"")
    verdict = check_tree(LogFolder(log.write(tmp_path)), size, signed, findings, quiet)
    assert verdict.roots == {n: textbook_root(log.tree.leaves[:n]) for n in (0, 1, size)}
    assert len(findings) == 0


def test_two_tiles_and_more_verify(tmp_path: Path) -> None:
    assert audited(plain_log(600), tmp_path).ok


def test_an_entry_and_its_hash_changed_together_are_still_found(tmp_path: Path) -> None:
    log = plain_log(600)
    folder = log.write(tmp_path)
    other = plain_log(600)
    other.entries[300] = other.entries[301]
    forged = LogBuilder(log.world)
    for data in other.entries[forged.size :]:
        forged.append(data)
    for name in ("tile/0/001", "tile/entries/001"):
        (folder / name).write_bytes(forged.get(name))
    report = audit(log, folder)
    assert not report.ok
    assert found(report)[0][0] in ("tile-altered", "root-mismatch")
    assert not any(party != "copy" for _, party, _ in found(report))


def test_a_whole_rewritten_copy_is_narrowed_down_by_the_kept_checkpoints(tmp_path: Path) -> None:
    log = plain_log(60)
    folder = log.write(tmp_path)
    kept = {size: log.checkpoint(size=size) for size in (10, 20, 40)}
    forged = LogBuilder(log.world)
    for index, data in enumerate(log.entries[forged.size :], start=forged.size):
        forged.append(log.entries[0] if index == 25 else data)
    forged.write(folder)
    (folder / "checkpoint").write_bytes(log.checkpoint())
    (folder / "checkpoints/60").write_bytes(log.checkpoint())
    for size, note in kept.items():
        (folder / f"checkpoints/{size}").write_bytes(note)
    report = audit(log, folder)
    mismatch = next(finding for finding in report.findings.kept if finding.kind.code == "root-mismatch")
    assert (mismatch.entry, mismatch.last_entry) == (20, 39)
    assert mismatch.file == "checkpoints/40"
    assert not report.proven
    assert report.findings.against("broker") == 0


def test_entries_that_changed_places_are_found_one_by_one(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    path = folder / "tile/entries/000.p/11"
    entries = split_bundle(path.read_bytes(), 11)
    entries[5], entries[7] = entries[7], entries[5]
    path.write_bytes(entry_bundle(entries))
    assert [row for row in found(audit(log, folder)) if row[0] == "entry-altered"] == [
        ("entry-altered", "copy", 5),
        ("entry-altered", "copy", 7),
    ]


def test_an_entry_left_out_breaks_the_bundle_where_it_was(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    path = folder / "tile/entries/000.p/11"
    entries = split_bundle(path.read_bytes(), 11)
    path.write_bytes(entry_bundle(entries[:7] + entries[8:]))
    finding = only(audit(log, folder))
    assert (finding.kind.code, finding.entry, finding.last_entry) == ("bundle-broken", 7, 10)
    assert finding.offset == sum(2 + len(entry) for entry in entries[:7])


def test_without_bundle_and_tile_the_tree_ends_there(tmp_path: Path) -> None:
    log = plain_log(600)
    folder = log.write(tmp_path)
    (folder / "tile/entries/001").unlink()
    (folder / "tile/0/001").unlink()
    report = audit(log, folder)
    assert {finding.file for finding in report.findings.kept} == {"tile/entries/001", "tile/0/001"}
    assert not report.proven


def test_a_missing_bundle_leaves_the_rest_proven_by_its_tile(tmp_path: Path) -> None:
    log = plain_log(600)
    folder = log.write(tmp_path)
    (folder / "tile/entries/001").unlink()
    report = audit(log, folder)
    finding = only(report)
    assert (finding.kind.code, finding.file, finding.entry, finding.last_entry) == (
        "missing-file",
        "tile/entries/001",
        256,
        511,
    )
    assert report.proven
    assert report.unjudged == 256


def test_both_sides_damaged_in_different_tiles(tmp_path: Path) -> None:
    log = plain_log(600)
    folder = log.write(tmp_path)
    flip(folder / "tile/0/000", 64)
    flip(folder / "tile/entries/001", 40)
    assert [row[0] for row in found(audit(log, folder))] == ["tile-altered", "entry-altered"]
