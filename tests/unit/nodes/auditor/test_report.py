from __future__ import annotations

from pathlib import Path

from nodes.auditor.findings import ROOT_MISMATCH, STRAY_FILE, Finding
from nodes.auditor.report import finding_lines, report_lines
from tests.support.auditing import audit, audited, flip
from tests.support.directory import make_world
from tests.support.log_builder import LogBuilder


def shown(log: LogBuilder, folder: Path) -> str:
    return "\n".join(report_lines(audit(log, folder)))


def test_a_clean_report_names_the_log_and_what_each_agency_did(log: LogBuilder, tmp_path: Path) -> None:
    log.receipt("sg-cnb", [7], "actioned")
    text = shown(log, log.write(tmp_path))
    assert f"Log         {log.world.origin}" in text
    assert "12 (3 alerts, 4 receipts, 5 directory changes)" in text
    assert f"Root        {log.tree.roots[12].hex()}" in text
    assert "Directory   version 5, Test directory" in text
    row = next(line for line in text.splitlines() if line.startswith("sg-cnb"))
    assert [int(cell) for cell in row.split()[1:]] == [1, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0]
    assert "VERIFIED." in text
    assert "FINDING" not in text


def test_agencies_without_part_in_the_log_are_only_counted(tmp_path: Path) -> None:
    log = LogBuilder(make_world(["au-abf", "fj-customs", "hk-customs", "nz-customs", "sg-cnb"]))
    log.alert("hk-customs", ["sg-cnb"])
    text = shown(log, log.write(tmp_path))
    assert "Nothing was sent by or addressed to 3 other agencies." in text
    assert "fj-customs" not in text


def test_a_finding_is_told_in_words(log: LogBuilder, tmp_path: Path) -> None:
    lines = list(finding_lines(Finding(ROOT_MISMATCH, "copy", "they do not", "checkpoints/40", None, 20, 39)))
    assert lines == [
        f"FINDING root-mismatch: {ROOT_MISMATCH.meaning}",
        "  held to it  nobody by signature; these files, or whoever kept them",
        "  exactly     they do not",
        "  where       entries 20 to 39; file checkpoints/40",
        f"  do          {ROOT_MISMATCH.advice}",
        "",
    ]
    assert "  where       the log as a whole" in finding_lines(Finding(STRAY_FILE, "broker", "x"))


def test_many_findings_are_summed_by_party_and_code(log: LogBuilder, tmp_path: Path) -> None:
    index = log.alert()
    log.receipt("au-abf", [index])
    log.append(b"nonsense")
    log.append(b"more")
    text = shown(log, log.write(tmp_path))
    assert "3 FINDINGS. Held to them:" in text
    assert "  au-abf: receipt-not-addressed (1)" in text
    assert "  the hub: entry-malformed (2)" in text
    assert "Not judged: 2 entries" in text


def test_what_is_not_proven_says_so_first(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    for name in ("checkpoint", f"checkpoints/{log.size}"):
        (folder / name).write_bytes(log.checkpoint(root=bytes(32)))
    text = shown(log, folder)
    assert "NOT PROVEN." in text
    assert "root-mismatch" in text


def test_only_so_many_findings_are_listed_one_by_one(log: LogBuilder, tmp_path: Path) -> None:
    for number in range(1010):
        log.append(b"nonsense %d" % number)
    report = audited(log, tmp_path)
    assert len(report.findings) == 1010
    assert len(report.findings.kept) == 1000
    assert "... and 10 more findings" in report_lines(report)
    assert report.by_party() == {"broker": {"entry-malformed": 1010}}


def test_an_empty_folder_is_a_report_too(log: LogBuilder, tmp_path: Path) -> None:
    report = audit(log, tmp_path)
    assert not report.ok
    assert report.as_dict()["from"] is None
    assert "0 (none read)" in "\n".join(report_lines(report))


def test_the_same_damage_gives_the_same_report(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    flip(folder / "tile/entries/000.p/11", 2000)
    assert audit(log, folder).as_dict() == audit(log, folder).as_dict()
