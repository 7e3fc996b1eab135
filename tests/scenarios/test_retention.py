"""Bodies deleted when their time is over, through real processes: the log stays whole, and auditors see why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from broker.engines.sqlite import SqliteEngine
from deploy.demo import processes
from deploy.demo.exchange import CHECKOUT, EXAMPLE, Exchange, script
from schemas.log.entry import AlertEntry, PurgeEntry, decode_entry
from tests.scenarios.conftest import StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

AUDITOR = EXAMPLE / "keys" / "auditor-1"
PAIR = ["hk-customs", "sg-cnb"]


def audit(exchange: Exchange, command: str, folder: Path, *more: str | Path) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `bearing audit COMMAND`."""
    arguments = [script("bearing"), "audit", command, folder, "--log-vkey", exchange.vkey, "--json", *more]
    done = subprocess.run([str(part) for part in arguments], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return done.returncode, answer


def at_the_hub(exchange: Exchange) -> list[str | Path]:
    where: list[str | Path] = ["--hub", f"https://127.0.0.1:{exchange.port}", "--ca", EXAMPLE / "ca.crt"]
    return [*where, "--cert", AUDITOR / "tls.crt", "--key", AUDITOR / "tls.key"]


def restart_broker(exchange: Exchange, days: int) -> None:
    """Stop the hub and start it again with its clock so many days ahead."""
    processes.stop(exchange.daemons.pop("broker"))
    command: list[str | Path] = [sys.executable, "-m", "tests.support.later_hub", exchange.broker_data, str(days)]
    daemon = processes.start("broker", command, exchange.logs / "broker.log", {"PYTHONPATH": str(CHECKOUT)})
    exchange.daemons["broker"] = daemon
    processes.wait_ready(daemon, exchange.broker_ready)


def stop_nodes(exchange: Exchange) -> None:
    for name in PAIR:
        processes.stop(exchange.daemons.pop(name))


def states(exchange: Exchange, alert: str) -> set[str]:
    return {recipient["state"] for recipient in exchange.client("hk-customs").alert(alert)["recipients"]}


def test_bodies_go_when_their_retention_is_over_and_every_proof_stands(
    start_exchange: StartExchange, tmp_path: Path
) -> None:
    exchange = start_exchange(PAIR)
    sent = [exchange.client("hk-customs").send(watch(["sg-cnb"], title=f"Number {n}"))["id"] for n in range(3)]
    until(lambda: all(states(exchange, alert) == {"stored"} for alert in sent))
    nobody = exchange.client("hk-customs").send(watch(["fj-customs"], expires_hours=1))["id"]
    until(lambda: states(exchange, nobody) == {"accepted"})
    copy = tmp_path / "copy"
    assert audit(exchange, "fetch", copy, *at_the_hub(exchange))[0] == 0
    code, bodies = audit(exchange, "bodies", copy, *at_the_hub(exchange))
    assert (code, bodies["held"], bodies["deleted"]) == (0, 4, 0)

    stop_nodes(exchange)
    restart_broker(exchange, 29)
    assert audit(exchange, "bodies", copy, *at_the_hub(exchange))[1]["held"] == 4
    restart_broker(exchange, 31)
    until(lambda: exchange.metric("crossbearing_entries_total") >= 4)

    code, bodies = audit(exchange, "bodies", copy, *at_the_hub(exchange))
    assert (code, len(bodies["findings"])) == (4, 4), "the copy is older than the deletions"
    assert audit(exchange, "fetch", copy, *at_the_hub(exchange))[0] == 0
    assert audit(exchange, "bodies", copy, *at_the_hub(exchange)) == (
        0,
        {"ok": True, "held": 0, "deleted": 4, "findings": []},
    )
    code, report = audit(exchange, "verify", copy, "--root", EXAMPLE / "repository" / "root.json")
    assert (code, report["findings"]) == (0, [])
    assert report["entries"]["purge"] == 4
    for alert in sent:
        arguments = [alert, copy, "-o", tmp_path / "one.proof", "--log-vkey", exchange.vkey]
        subprocess.run([str(part) for part in (script("bearing"), "audit", "prove", *arguments)], check=True)

    processes.stop(exchange.daemons.pop("broker"))
    engine = SqliteEngine(exchange.broker_data / "log.db")
    entries = [decode_entry(entry) for entry in engine.entries(0, engine.size())]
    alerts = [index for index, entry in enumerate(entries) if isinstance(entry, AlertEntry)]
    assert not any(map(engine.has_body, alerts))
    assert {entry.basis for entry in entries if isinstance(entry, PurgeEntry)} == {"retention"}
    engine.close()


def test_a_body_that_was_lost_is_not_taken_for_a_deleted_one(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange(PAIR)
    alert = exchange.client("hk-customs").send(watch(["sg-cnb"]))["id"]
    until(lambda: states(exchange, alert) == {"stored"})
    stop_nodes(exchange)
    processes.stop(exchange.daemons.pop("broker"))
    engine = SqliteEngine(exchange.broker_data / "log.db")
    entry = decode_entry(engine.entries(0, engine.size())[33])
    assert isinstance(entry, AlertEntry)
    with engine._transaction():
        engine._writer.execute("DELETE FROM body WHERE idx = 33")
    engine.close()
    exchange.start_broker()
    copy = tmp_path / "copy"
    assert audit(exchange, "fetch", copy, *at_the_hub(exchange))[0] == 0
    code, bodies = audit(exchange, "bodies", copy, *at_the_hub(exchange))
    (finding,) = bodies["findings"]
    assert (code, finding["code"], finding["party"], finding["entry"]) == (4, "body-missing", "broker", 33)
    assert alert in finding["message"]
