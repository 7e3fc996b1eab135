"""An alert disclosed by its sender and by a recipient, and checked by somebody who has the log's key and no more."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from deploy.demo.exchange import EXAMPLE, Exchange, script
from nodes.client import Attachment
from tests.support.alerts import SECRET_WORDS, watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

ROOT = EXAMPLE / "repository" / "root.json"


def bearing(*arguments: object, home: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A `bearing` command; with `home` as an officer of that node."""
    environment = {**os.environ, **({"BEARING_HOME": str(home)} if home is not None else {})}
    command = [str(script("bearing")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)


def stored(exchange: Exchange, alert: str) -> bool:
    shown = exchange.client("hk-customs").alert(alert)["recipients"]
    return all(recipient["state"] == "stored" for recipient in shown)


def test_either_side_can_prove_an_alert_to_a_court(four: Exchange, tmp_path: Path) -> None:
    files = [Attachment("x-ray.png", "image/png", b"\x89PNG not really")]
    alert = four.client("hk-customs").send(watch(["sg-cnb", "au-abf"]), attachments=files)["id"]
    other = four.client("hk-customs").send(watch(["sg-cnb"], narrative="A second matter."))["id"]
    until(lambda: stored(four, alert) and stored(four, other))
    proven = []
    for agency in ("hk-customs", "sg-cnb"):
        file = tmp_path / f"{agency}.disclosure"
        written = bearing("disclose", alert[-6:], "-o", file, home=four.home(agency))
        assert written.returncode == 0, written.stderr
        assert "Its marking is" in written.stderr
        assert file.stat().st_mode & 0o777 == 0o600
        checked = bearing("audit", "check", file, "--log-vkey", four.vkey, "--root", ROOT, "--json")
        assert checked.returncode == 0, checked.stderr
        proven.append(json.loads(checked.stdout))
        assert b"A second matter." not in file.read_bytes()
    for told in proven:
        assert (told["sender"], told["recipients"]) == ("hk-customs", ["au-abf", "sg-cnb"])
        assert told["alert"]["id"] == alert
        assert SECRET_WORDS in told["alert"]["narrative"]
        assert told["governors_root_given"] is True
    assert proven[0]["alert"] == proven[1]["alert"]
    page = bearing("audit", "check", tmp_path / "sg-cnb.disclosure", "--log-vkey", four.vkey).stdout
    assert page.startswith("THE DISCLOSURE IS GOOD.")
    assert SECRET_WORDS in page
    assert "The attachments are not in this file." in page


def test_what_was_touched_or_is_not_ours_to_disclose_is_refused(four: Exchange, tmp_path: Path) -> None:
    alert = four.client("hk-customs").send(watch(["sg-cnb"]))["id"]
    until(lambda: stored(four, alert))
    stranger = bearing("disclose", alert, "-o", tmp_path / "no", home=four.home("au-abf"))
    assert (stranger.returncode, (tmp_path / "no").exists()) == (3, False)
    file = tmp_path / "yes"
    assert bearing("disclose", alert, "-o", file, home=four.home("sg-cnb")).returncode == 0
    again = bearing("disclose", alert, "-o", file, home=four.home("sg-cnb"))
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    file.write_bytes(file.read_bytes().replace(b"lantern oil", b"olives only"))
    refused = bearing("audit", "check", file, "--log-vkey", four.vkey)
    assert (refused.returncode, "inner-mismatch" in refused.stderr) == (4, True)
