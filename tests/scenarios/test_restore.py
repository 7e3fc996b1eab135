"""The hub's disk is lost and its backup is older than what it signed: nothing forks, and nothing stays lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.demo.exchange import EXAMPLE, Exchange, script
from tests.scenarios.conftest import StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

PAIR = ["hk-customs", "sg-cnb"]
UNDER_QUOTA = 25
"""Alerts beside a backup: of three backups they stay under what the example allows an agency in a minute."""


def broker(*arguments: str | Path, ok: bool = True) -> str:
    """Run a command of the hub's operator; what it says."""
    command = [str(script("bearing-broker")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def status(data: Path) -> dict[str, object]:
    """What a restored hub has heard."""
    told: dict[str, object] = json.loads(broker("restore-status", data, "--json"))
    return told


def heard(data: Path, what: str) -> object:
    """The same, in part; None before the hub listens."""
    return status(data)[what] if (data / "broker.sock").exists() else None


def stored(exchange: Exchange, count: int) -> bool:
    """Whether the sender has a receipt for each of so many alerts."""
    alerts = exchange.client("hk-customs").sent(limit=500)["alerts"]
    return len(alerts) == count and all(alert["counts"].get("stored", 0) == 1 for alert in alerts)


def inbox(exchange: Exchange, agency: str) -> list[str]:
    return [summary["id"] for summary in exchange.client(agency).inbox(limit=500)["alerts"]]


def send(exchange: Exchange, count: int) -> list[str]:
    return [exchange.client("hk-customs").send(watch(["sg-cnb"]))["id"] for _ in range(count)]


def accepted(exchange: Exchange) -> bool:
    return bool(exchange.client("hk-customs").status()["outbox"]["waiting"] == 0)


def back_up_under_load(exchange: Exchange, target: Path) -> list[str]:
    """Back the hub up into `target` while alerts flow; what was sent meanwhile, all of it accepted."""
    sent: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(broker, "backup", exchange.broker_data, target)
        while not sent or not (making.done() or len(sent) == UNDER_QUOTA):
            sent += send(exchange, 1)
            until(lambda: accepted(exchange), what="the acceptance")
        making.result()
    return sent


def call_again(exchange: Exchange, data: Path) -> None:
    """Have the nodes call the restored hub now: by themselves they do within half a minute."""
    until(lambda: heard(data, "needed"), what="a hub that listens")
    for agency in PAIR:
        if agency in exchange.daemons:
            exchange.stop_one(agency)
        exchange.spawn_node(agency)


def lose_and_restore(exchange: Exchange, backup: Path) -> Path:
    """The hub's disk is gone; its data directory is made from the backup, with the keys that were kept apart."""
    keys = EXAMPLE / "keys" / "broker"
    data = exchange.broker_data
    settings = (data / "log.key", data / "log-mldsa.key")
    kept = backup.with_name("kept-apart")
    kept.mkdir()
    for file in settings:
        shutil.copy2(file, kept)
    shutil.rmtree(data)
    broker(
        *("restore", backup, data, "--log-seed", kept / "log.key"),
        *("--log-mldsa-seed", kept / "log-mldsa.key", "--tls-key", keys / "tls.key"),
    )
    return data


def test_a_hub_restored_from_an_older_backup_is_completed_and_loses_nothing(
    start_exchange: StartExchange, tmp_path: Path
) -> None:
    exchange = start_exchange(PAIR)
    made = [tmp_path / name for name in ("first", "second", "third")]
    sent = [each for target in made for each in back_up_under_load(exchange, target)]
    told = [json.loads(broker("verify-backup", each, "--json")) for each in made]
    sizes = [each["size"] for each in told]
    assert sizes == sorted(set(sizes)), "each of a later instant"
    assert [each["bodies_missing"] for each in told] == [0, 0, 0]
    exchange.kill("sg-cnb")  # so that some of what comes after the backup is delivered to nobody
    sent += send(exchange, 5)
    until(lambda: accepted(exchange), what="every acceptance")
    copy = tmp_path / "copy"
    exchange.audit_fetch(copy)
    exchange.kill("broker")
    data = lose_and_restore(exchange, made[-1])
    exchange.spawn_broker()
    late = send(exchange, 2)  # composed while the hub takes nothing
    call_again(exchange, data)
    until(lambda: heard(data, "missing"), seconds=60, what="the word of a node that holds more")
    refused = broker("resume", data, "--nothing-newer", ok=False)
    assert "log-restored" in refused
    assert "were signed and are not here" in broker("restore-status", data)
    assert exchange.client("hk-customs").status()["outbox"]["waiting"] == 2
    assert not [a for a in exchange.client("hk-customs").status()["alarms"] if a["code"] == "fork"]

    exchange.stop_one("broker")
    assert "bodies are not in the copy" in broker("complete", data, copy)
    exchange.spawn_broker()
    call_again(exchange, data)
    until(lambda: heard(data, "confirming") == PAIR, seconds=60, what="the word of both nodes")
    assert "21 are needed" in broker("resume", data, "--nothing-newer", ok=False), "the directory has 31 witnesses"
    broker("resume", data, "--nothing-newer", "--fewer")
    until(lambda: stored(exchange, len(sent) + len(late)), seconds=60, what="every receipt")
    assert sorted(inbox(exchange, "sg-cnb")) == sorted(sent + late), "each once"
    exchange.audit_fetch(copy)
    assert exchange.audit_verify(copy)["ok"]
    after = json.loads(broker("backup", data, tmp_path / "after", "--json"))
    assert (after["bodies"], after["bodies_missing"]) == (len(sent + late), 0), (
        "the sender's node brought every body again"
    )


def node(*arguments: str | Path) -> str:
    command = [str(script("bearing")), "node", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_node_restored_from_an_older_backup_gets_back_what_the_hub_holds(
    start_exchange: StartExchange, tmp_path: Path
) -> None:
    exchange = start_exchange(PAIR)
    before = send(exchange, 3)
    until(lambda: stored(exchange, 3), what="every receipt")
    home = exchange.home("sg-cnb")
    exchange.kill("broker")
    waiting = exchange.client("sg-cnb").send(watch(["hk-customs"]))["id"]  # in the outbox, not sealed yet
    assert json.loads(node("backup", home, tmp_path / "backup", "--json"))["agency"] == "sg-cnb"
    exchange.start_broker()
    until(lambda: waiting in inbox(exchange, "hk-customs"), what="the alert that was in the backup's outbox")
    lost = exchange.client("sg-cnb").send(watch(["hk-customs"]))["id"]
    after = send(exchange, 4)
    until(lambda: stored(exchange, 7), what="every receipt")
    until(lambda: lost in inbox(exchange, "hk-customs"), what="the alert sent after the backup")
    exchange.kill("sg-cnb")
    shutil.rmtree(home)
    node("restore", tmp_path / "backup", home, "--passphrase-file", exchange.passphrase)
    exchange.start_nodes(["sg-cnb"])
    until(lambda: sorted(inbox(exchange, "sg-cnb")) == sorted(before + after), what="everything it received since")
    until(lambda: exchange.client("sg-cnb").alert(waiting)["state"] == "accepted", what="its own alert, as logged")
    assert [summary["id"] for summary in exchange.client("sg-cnb").sent()["alerts"]] == [waiting]
    (kept,) = exchange.client("sg-cnb").quarantine()["quarantine"]
    assert (kept["id"], kept["code"]) == (lost, "not-found"), kept
    assert sorted(inbox(exchange, "hk-customs")) == sorted([waiting, lost]), "nothing was sent twice"
    assert not [a for a in exchange.client("sg-cnb").status()["alarms"] if a["code"] == "bad-receipt"]
    last = exchange.client("sg-cnb").send(watch(["hk-customs"]))["id"]
    until(lambda: last in inbox(exchange, "hk-customs"), what="an alert sent afterwards")


def test_a_hub_restored_from_a_backup_as_new_as_the_log_goes_on(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange(PAIR)
    sent = send(exchange, 3)
    until(lambda: stored(exchange, 3), what="every receipt")
    exchange.stop_one("broker")
    broker("backup", exchange.broker_data, tmp_path / "backup")
    data = lose_and_restore(exchange, tmp_path / "backup")
    exchange.spawn_broker()
    call_again(exchange, data)
    until(lambda: heard(data, "confirming") == PAIR, seconds=60, what="the word of both nodes")
    assert not exchange.broker_ready()
    broker("resume", data, "--nothing-newer", "--fewer")
    sent += send(exchange, 1)
    until(lambda: stored(exchange, 4), seconds=60, what="the receipt of an alert sent afterwards")
    assert sorted(inbox(exchange, "sg-cnb")) == sorted(sent)
