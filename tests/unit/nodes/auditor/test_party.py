"""An agency audits what concerns it: from its own copy, and from an auditor's."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.auditor.fetch import Fetched, fetch
from nodes.auditor.mirror import LogFolder, own_folder
from nodes.auditor.prove import prove
from nodes.auditor.report import Report
from nodes.auditor.verify import Question, verify
from schemas.errors import BadConfig, BadId, LogTampered, Missing
from tests.support.auditing import audit, found, only, quiet
from tests.support.log_builder import LogBuilder

ME = "sg-cnb"


class Source:
    """Serves a log; answers of some paths can be replaced."""

    def __init__(self, log: LogBuilder) -> None:
        self.log = log
        self.instead: dict[str, bytes] = {}
        self.asked: list[str] = []

    def get(self, path: str) -> bytes:
        self.asked.append(path)
        return self.instead.get(path) or self.log.get(path)


def copy(log: LogBuilder, root: Path, source: Source | None = None) -> Fetched:
    return fetch(source or Source(log), own_folder(root, ME), keys=log.keys, progress=quiet)


def concerning(log: LogBuilder, root: Path, party: str = ME) -> Report:
    return verify(LogFolder.open(root), Question(log.world.trusted_root, log.keys, party=party), quiet)


@pytest.fixture
def mixed(log: LogBuilder) -> LogBuilder:
    """Traffic with and without `ME`: the log goes on with an alert between others, and one for both."""
    log.alert("hk-customs", ["au-abf"])
    index = log.alert("hk-customs", ["au-abf", ME])
    log.receipt(ME, [index])
    log.receipt("au-abf", [index])
    return log


def test_an_own_copy_has_only_own_entries_and_verifies(mixed: LogBuilder, tmp_path: Path) -> None:
    source = Source(mixed)
    assert copy(mixed, tmp_path, source).size == mixed.size
    assert not any(path.startswith("tile/entries") for path in source.asked)
    report = audit(mixed, tmp_path)
    assert report.ok, report.findings.kept
    assert (report.party, report.own_copy, report.unjudged) == (ME, True, 0)
    assert report.entries == {"directory": 5, "alert": 3, "receipt": 3}
    me = next(account for account in report.agencies if account.agency == ME)
    assert (me.sent, me.addressed, me.stored, me.receipts) == (1, 2, 2, 2)


def test_an_own_copy_grows_and_proves_own_alerts(mixed: LogBuilder, tmp_path: Path) -> None:
    copy(mixed, tmp_path)
    while mixed.size < 300:
        mixed.refusal("au-abf")
    mine = mixed.alert("hk-customs", [ME])
    copy(mixed, tmp_path)
    assert audit(mixed, tmp_path).ok
    assert not list(tmp_path.glob("party/*/tile/entries/*.p/16"))
    assert prove(LogFolder.open(tmp_path), mixed.alert_id(mine), progress=quiet).index == mine


def test_an_entry_that_is_not_the_logged_one_is_not_taken(mixed: LogBuilder, tmp_path: Path) -> None:
    source = Source(mixed)
    path = f"party/{ME}/tile/entries/000.p/{mixed.size}"
    data = bytearray(mixed.get(path))
    data[-1] ^= 1
    source.instead[path] = bytes(data)
    with pytest.raises(LogTampered):
        copy(mixed, tmp_path, source)


def test_damage_in_an_own_copy_is_found(mixed: LogBuilder, tmp_path: Path) -> None:
    copy(mixed, tmp_path)
    path = tmp_path / f"party/{ME}/tile/entries/000.p/{mixed.size}"
    data = bytearray(path.read_bytes())
    data[2 + 40] ^= 1
    path.write_bytes(data)
    assert ("entry-altered", "copy", 0) in found(audit(mixed, tmp_path))
    path.unlink()
    assert found(audit(mixed, tmp_path)) == [("missing-file", "copy", 0)]


def test_the_tree_of_an_own_copy_is_checked_up_to_the_root(mixed: LogBuilder, tmp_path: Path) -> None:
    copy(mixed, tmp_path)
    tile = tmp_path / f"tile/0/000.p/{mixed.size}"
    data = bytearray(tile.read_bytes())
    data[32 * 11] ^= 1  # an entry between others: only its hash is here
    tile.write_bytes(data)
    report = audit(mixed, tmp_path)
    assert not report.proven
    assert only(report).kind.code == "root-mismatch"


def test_a_correction_of_an_alert_between_others_is_no_finding(mixed: LogBuilder, tmp_path: Path) -> None:
    mixed.relate("correct", 11, "hk-customs", ["au-abf", ME])
    copy(mixed, tmp_path)
    assert audit(mixed, tmp_path).ok


def test_an_auditors_copy_is_reported_for_one_agency(mixed: LogBuilder, tmp_path: Path) -> None:
    other = mixed.alert("hk-customs", ["au-abf"], signature=bytes(64))
    mine = mixed.alert("hk-customs", [ME], signature=bytes(64))
    folder = mixed.write(tmp_path)
    assert {row[2] for row in found(audit(mixed, folder))} == {other, mine}
    report = concerning(mixed, folder)
    assert (report.party, report.own_copy, report.elsewhere) == (ME, False, 1)
    assert [row[2] for row in found(report)] == [mine]
    accounts = {account.agency: account for account in report.agencies}
    assert (accounts["au-abf"].addressed, accounts["hk-customs"].sent) == (2, 2)


def test_one_agencys_copy_says_nothing_of_another(mixed: LogBuilder, tmp_path: Path) -> None:
    copy(mixed, tmp_path)
    with pytest.raises(BadConfig):
        concerning(mixed, tmp_path, "au-abf")


def test_a_folder_holds_one_kind_of_copy(mixed: LogBuilder, tmp_path: Path) -> None:
    copy(mixed, tmp_path / "own")
    mixed.write(tmp_path / "whole")
    for folder, party in (("own", None), ("own", "au-abf"), ("whole", ME)):
        with pytest.raises(BadConfig):
            own_folder(tmp_path / folder, party)
    with pytest.raises(BadId):
        own_folder(tmp_path / "new", "../escape")
    (tmp_path / "own/party/au-abf").mkdir()
    with pytest.raises(BadConfig):
        LogFolder.open(tmp_path / "own")


def test_a_missing_party_bundle_is_missing(mixed: LogBuilder) -> None:
    with pytest.raises(Missing):
        mixed.get(f"party/{ME}/tile/entries/009")
