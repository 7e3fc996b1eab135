"""A node is down when a flash alert comes: its duty desk is called over TLS, its sender sees it, an audit proves it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import processes
from deploy.demo.exchange import CHECKOUT, EXAMPLE, Exchange, script
from schemas.limits import DAY_MS, FLASH_SECONDS
from tests.scenarios.conftest import StartExchange
from tests.scenarios.test_retention import at_the_hub, audit
from tests.support.administrators import Agency
from tests.support.alerts import watch
from tests.support.desk import desk_beside
from tests.support.wait import until

pytestmark = pytest.mark.scenario

SENDER, RECIPIENT, SILENT = "hk-customs", "sg-cnb", "fj-customs"


def restart_broker(exchange: Exchange, ahead: float) -> None:
    """Stop the hub and start it again with its clock so many ms ahead, and with leave to call this machine."""
    processes.stop(exchange.daemons.pop("broker"))
    settings = exchange.broker_data / "broker.toml"
    if "[escalation]" not in settings.read_text():
        settings.write_text(settings.read_text() + '\n[escalation]\npublic = false\nnetworks = ["127.0.0.0/8"]\n')
    days = str(ahead / DAY_MS)
    command: list[str | Path] = [sys.executable, "-m", "tests.support.later_hub", exchange.broker_data, days]
    daemon = processes.start("broker", command, exchange.logs / "broker.log", {"PYTHONPATH": str(CHECKOUT)})
    exchange.daemons["broker"] = daemon
    processes.wait_ready(daemon, exchange.broker_ready)


def fate(exchange: Exchange, alert: str, agency: str) -> dict[str, Any]:
    recipients = exchange.client(SENDER).alert(alert)["recipients"]
    return next((entry for entry in recipients if entry["agency"] == agency), {})


def outcome(exchange: Exchange, alert: str, agency: str) -> str | None:
    escalation = fate(exchange, alert, agency).get("escalation")
    return None if escalation is None else escalation["outcome"]


def test_a_flash_alert_for_a_node_that_is_down(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange([SENDER, RECIPIENT])
    with desk_beside(tmp_path) as desk:
        agency = Agency(exchange, RECIPIENT)
        certificate = tmp_path / "desk" / "tls.crt"
        published = agency.keys("contact", "duty-desk", desk.url, "--cert", certificate, *agency.signed)
        assert published["published"]["directory"] > 33
        exchange.kill(RECIPIENT)
        alert = exchange.client(SENDER).send(watch([RECIPIENT, SILENT], precedence="flash"))["id"]
        until(lambda: fate(exchange, alert, RECIPIENT).get("state") == "accepted")

        restart_broker(exchange, (FLASH_SECONDS + 1) * 1_000)
        until(lambda: outcome(exchange, alert, RECIPIENT) == "reached", what="the desk reached")
        until(lambda: outcome(exchange, alert, SILENT) == "unreachable", what="an agency without a desk")
        called = fate(exchange, alert, RECIPIENT)
        assert (called["state"], called["escalation"]["contact"]) == ("escalated", "duty-desk")
        ((said,), named) = desk.calls, desk.calls[0]["alerts"][0]
        assert (said["agency"], named["alert"], named["sender"]) == (RECIPIENT, alert, SENDER)
        (tmp_path / "due.proof").write_text(named["proof"], encoding="utf-8")
        check = [script("bearing"), "audit", "check", tmp_path / "due.proof", "--log-vkey", exchange.vkey]
        checked = subprocess.run([str(part) for part in check], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert f"for {RECIPIENT}: due" in checked.stdout

        restart_broker(exchange, (FLASH_SECONDS + 60) * 1_000)
        until(lambda: exchange.client(SENDER).status()["connected"])
        assert exchange.metric("crossbearing_escalations_total") == 0, "a restart calls nobody twice"
        assert len(desk.calls) == 1

    exchange.start_nodes([RECIPIENT])
    until(lambda: fate(exchange, alert, RECIPIENT).get("state") == "stored")
    assert outcome(exchange, alert, RECIPIENT) == "reached", "that it was late stays on the record"
    recall = exchange.client(SENDER).recall(alert, reason="Wrong ship.")["id"]
    until(lambda: fate(exchange, recall, RECIPIENT).get("state") == "stored")
    assert (fate(exchange, alert, RECIPIENT)["state"], fate(exchange, alert, SILENT)["state"]) == ("stored", "recalled")
    assert exchange.client(RECIPIENT).alert(alert)["recalled_by"] == recall

    copy = tmp_path / "copy"
    assert audit(exchange, "fetch", copy, *at_the_hub(exchange))[0] == 0
    code, report = audit(exchange, "verify", copy, "--root", EXAMPLE / "repository" / "root.json")
    assert (code, report["findings"]) == (0, [])
    assert report["entries"]["escalation"] == 4
