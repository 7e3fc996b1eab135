from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from certs.example.pki import leaf
from nodes.auditor import options
from nodes.auditor.cli import audit
from nodes.cli import cli
from nodes.officer.settings import Settings
from schemas.log.note import ED25519, vkey
from tests.support.auditing import flip
from tests.support.log_builder import LogBuilder
from tests.support.log_server import put_keys, served


@pytest.fixture
def copy(log: LogBuilder, tmp_path: Path) -> Path:
    (tmp_path / "root.json").write_bytes(log.world.trusted_root)
    return log.write(tmp_path / "copy")


def log_vkey(log: LogBuilder) -> str:
    return vkey(log.world.origin, ED25519, log.world.log_key.public)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["audit", *map(str, arguments)], obj=Settings(), catch_exceptions=False)


def verify(log: LogBuilder, copy: Path, *more: str) -> Result:
    return run("verify", copy, "--root", copy.parent / "root.json", "--log-vkey", log_vkey(log), *more)


def test_a_clean_log_is_verified_with_exit_code_0(log: LogBuilder, copy: Path) -> None:
    result = verify(log, copy)
    assert result.exit_code == 0
    assert "VERIFIED." in result.stdout
    assert "11 (3 alerts, 3 receipts, 5 directory changes)" in result.stdout
    assert result.stderr == ""


def test_the_report_in_json(log: LogBuilder, copy: Path) -> None:
    report = json.loads(verify(log, copy, "--json").stdout)
    assert (report["ok"], report["size"], report["root"]) == (True, 11, log.tree.roots[11].hex())
    assert report["entries"] == {"alert": 3, "directory": 5, "receipt": 3}
    assert report["findings"] == []
    assert {account["agency"]: account["sent"] for account in report["agencies"]} == {
        "au-abf": 1,
        "hk-customs": 1,
        "sg-cnb": 1,
    }


def test_a_finding_is_told_with_place_and_advice_and_exit_code_4(log: LogBuilder, copy: Path) -> None:
    flip(copy / "tile/0/000.p/11", 100)
    result = verify(log, copy)
    assert result.exit_code == 4
    for words in (
        "FINDING tile-altered",
        "file tile/0/000.p/11, from byte 100",
        "entry 3",
        "1 FINDING. Held to them:",
        "nobody by signature",
    ):
        assert words in result.stdout
    assert "VERIFIED" not in result.stdout
    report = json.loads(verify(log, copy, "--json").stdout)
    assert report["findings"][0]["offset"] == 100
    assert report["findings_by_party"] == {"copy": {"tile-altered": 1}}


def test_what_a_copy_holds_cannot_steer_the_terminal(log: LogBuilder, copy: Path) -> None:
    (copy / "tile" / "\x1b[2J").write_bytes(b"")
    assert "\x1b" not in verify(log, copy).stdout
    assert "\x1b" not in verify(log, copy, "--json").stdout


def test_an_alert_is_proven_and_the_proof_checked(log: LogBuilder, copy: Path, tmp_path: Path) -> None:
    proof = tmp_path / "evidence.tlog-proof"
    made = run("prove", log.alert_id(5)[-8:], copy, "-o", proof, "--log-vkey", log_vkey(log))
    assert made.exit_code == 0
    assert f"alert {log.alert_id(5)} is entry 5 of a log of 11" in made.stdout
    checked = run("check", proof, "--log-vkey", log_vkey(log))
    assert checked.exit_code == 0
    assert "THE PROOF IS GOOD" in checked.stdout
    assert json.loads(run("check", proof, "--log-vkey", log_vkey(log), "--json").stdout)["index"] == 5


def test_the_proof_is_named_after_the_alert_unless_told_otherwise(
    log: LogBuilder, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = json.loads(run("prove", log.alert_id(7), copy, "--json").stdout)
    assert made == {"alert": log.alert_id(7), "index": 7, "size": 11, "file": f"{log.alert_id(7)}.tlog-proof"}
    assert Path(made["file"]).read_bytes().startswith(b"c2sp.org/tlog-proof@v1\n")


def test_a_bad_proof_ends_with_exit_code_4_and_a_sentence(log: LogBuilder, copy: Path, tmp_path: Path) -> None:
    proof = tmp_path / "evidence"
    run("prove", log.alert_id(5), copy, "-o", proof)
    proof.write_bytes(proof.read_bytes().replace(b"index 5", b"index 4"))
    result = run("check", proof, "--log-vkey", log_vkey(log))
    assert result.exit_code == 4
    assert "[bad-proof]" in result.stderr
    told = run("check", proof, "--log-vkey", log_vkey(log), "--json")
    assert json.loads(told.stderr)["error"]["code"] == "bad-proof"


def test_failures_have_their_exit_codes(log: LogBuilder, copy: Path, tmp_path: Path) -> None:
    assert run("prove", "0123456789ab", copy).exit_code == 3
    assert run("verify", tmp_path / "none", "--root", copy / "checkpoint", "--log-vkey", "x").exit_code == 2
    wrong = run("verify", copy, "--root", copy.parent / "root.json", "--log-vkey", "not-a-key")
    assert wrong.exit_code == 2
    assert "bearing-broker init printed it" in wrong.stderr
    unwritable = run("prove", log.alert_id(5), copy, "-o", tmp_path / "no" / "such" / "folder")
    assert unwritable.exit_code == 1
    assert "[storage-failed]" in unwritable.stderr


def test_a_log_is_fetched_and_brought_up_to_date(log: LogBuilder, tmp_path: Path) -> None:
    keys = put_keys(tmp_path)
    with served(log, keys) as url:
        options = [
            *("--hub", url, "--cert", keys / "auditor-1.crt", "--key", keys / "auditor-1.key"),
            *("--ca", keys / "ca.crt", "--hub-pin", leaf("broker").pin, "--log-vkey", log_vkey(log)),
        ]
        first = run("fetch", tmp_path / "copy", *options)
        log.refusal()
        again = run("fetch", tmp_path / "copy", *options, "--json")
    assert first.exit_code == 0
    assert "holds 11 entries (11 new entries, 7 files copied)" in first.stdout
    assert "run bearing audit verify" in first.stdout
    assert json.loads(again.stdout) == {"before": 11, "size": 12, "root": log.tree.roots[12].hex(), "files": 2}
    (tmp_path / "root.json").write_bytes(log.world.trusted_root)
    assert verify(log, tmp_path / "copy").exit_code == 0


def test_a_hub_that_is_not_there_ends_with_exit_code_5(tmp_path: Path) -> None:
    keys = Path(__file__).resolve().parents[4] / "certs" / "example"
    mine = keys / "keys" / "auditor-1"
    options = ["--cert", mine / "tls.crt", "--key", mine / "tls.key", "--ca", keys / "ca.crt"]
    result = run("fetch", tmp_path / "copy", "--hub", "https://127.0.0.1:1", *options)
    assert result.exit_code == 5
    assert "[unreachable]" in result.stderr


def test_progress_is_shown_on_a_terminal_only(log: LogBuilder, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "on_terminal", lambda: True)
    result = verify(log, copy, "--json")
    assert json.loads(result.stdout)["ok"]
    assert result.exit_code == 0


@pytest.mark.parametrize("command", ["fetch", "verify", "prove", "check", "trail", "complete", "simulate"])
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_the_guide_shows_only_commands_and_options_that_there_are() -> None:
    guide = (Path(__file__).resolve().parents[4] / "docs" / "audit.md").read_text(encoding="utf-8")
    shown = re.findall(r"^bearing audit ([a-z]+)((?:.|\\\n)*?)$", guide.replace("\\\n", " "), flags=re.MULTILINE)
    assert {name for name, _ in shown} == set(audit.commands)
    for name, rest in shown:
        known = {option for parameter in audit.commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) <= known


# -- evidence about alerts ---------------------------------------------------------------------------------------------


def judged(log: LogBuilder, copy: Path, command: str, *more: object) -> Result:
    trust = ["--root", copy.parent / "root.json", "--log-vkey", log_vkey(log)]
    return run(command, *more, *trust)


def test_the_trail_of_an_alert_is_told_from_the_copy(log: LogBuilder, copy: Path) -> None:
    result = judged(log, copy, "trail", log.alert_id(5)[-6:], copy)
    assert result.exit_code == 0
    assert "accepted, signed by au-abf" in result.stdout
    assert json.loads(judged(log, copy, "trail", log.alert_id(5), copy, "--json").stdout)["index"] == 5
    assert judged(log, copy, "trail", "0123456789ab", copy).exit_code == 3


def test_a_trail_with_a_fault_in_it_ends_with_exit_code_4(log: LogBuilder, tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(log.world.trusted_root)
    log.receipt("sg-cnb", [7], "read", signature=bytes(64))
    copy = log.write(tmp_path / "copy")
    result = judged(log, copy, "trail", log.alert_id(7), copy)
    assert result.exit_code == 4
    assert "NOT GOOD" in result.stdout


def test_what_was_never_acknowledged_is_found(log: LogBuilder, tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(log.world.trusted_root)
    log.alert("hk-customs", ["sg-cnb"], operation="marker")
    log.now += 2 * 3_600_000
    log.refusal()
    copy = log.write(tmp_path / "copy")
    behind = judged(log, copy, "complete", copy)
    assert behind.exit_code == 4
    assert "BEHIND: sg-cnb" in behind.stdout
    patient = judged(log, copy, "complete", copy, "--grace", 180)
    assert (patient.exit_code, "COMPLETE." in patient.stdout) == (0, True)
    found = json.loads(judged(log, copy, "complete", copy, "--operation", "marker", "--json").stdout)
    assert (found["alerts"], found["behind"], found["verified"]) == (1, ["sg-cnb"], True)
    before = judged(log, copy, "complete", copy, "--to", "2026-09-21", "--json")
    assert (before.exit_code, json.loads(before.stdout)["alerts"]) == (0, 0)
    since = judged(log, copy, "complete", copy, "--from", "2026-09-21T14:13:30", "--json")
    assert json.loads(since.stdout)["alerts"] == 1
    assert judged(log, copy, "complete", copy, "--from", "yesterday").exit_code == 2


def test_completeness_of_a_damaged_copy_is_not_vouched_for(log: LogBuilder, copy: Path) -> None:
    flip(copy / "tile/entries/000.p/11", 2000)
    result = judged(log, copy, "complete", copy)
    assert result.exit_code == 4
    assert "THE COPY DOES NOT VERIFY" in result.stdout


def test_what_is_trusted_may_stand_in_the_environment(
    log: LogBuilder, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARING_AUDIT_ROOT", str(copy.parent / "root.json"))
    monkeypatch.setenv("BEARING_AUDIT_LOG_VKEY", log_vkey(log))
    assert run("verify", copy).exit_code == 0
    assert run("trail", log.alert_id(5), copy).exit_code == 0


def test_the_report_is_written_as_a_page_too(log: LogBuilder, copy: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert verify(log, copy, "--html", str(page), "--workers", "2").exit_code == 0
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_checkpoints_that_others_saw_are_compared(log: LogBuilder, copy: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.write_bytes(log.checkpoint(size=7))
    report = json.loads(verify(log, copy, "--seen", str(seen), "--json").stdout)
    assert report["seen"] == [{"file": str(seen), "size": 7, "comparison": "agrees"}]
    seen.write_bytes(log.checkpoint(size=7, root=bytes(32)))
    assert verify(log, copy, "--seen", str(seen)).exit_code == 4


def test_an_agency_fetches_and_audits_what_concerns_it(log: LogBuilder, tmp_path: Path) -> None:
    keys = put_keys(tmp_path)
    (tmp_path / "root.json").write_bytes(log.world.trusted_root)
    with served(log, keys) as url:
        credentials = ["--cert", keys / "auditor-1.crt", "--key", keys / "auditor-1.key", "--ca", keys / "ca.crt"]
        fetched = run("fetch", tmp_path / "own", "--party", "sg-cnb", "--hub", url, *credentials)
        whole = run("fetch", tmp_path / "own", "--hub", url, *credentials)
    assert fetched.exit_code == 0
    assert (whole.exit_code, "[bad-config]" in whole.stderr) == (2, True)
    result = verify(log, tmp_path / "own")
    assert result.exit_code == 0
    assert "Concerning  sg-cnb only, from its own copy of the log" in result.stdout
    assert json.loads(verify(log, tmp_path / "own", "--json").stdout)["party"] == "sg-cnb"
