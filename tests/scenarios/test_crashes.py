"""Real processes killed for real: nothing accepted is lost, nothing is shown twice, nothing forks."""

from __future__ import annotations

import subprocess

import pytest

from deploy.demo.exchange import Exchange, script
from tests.scenarios.conftest import FOUR, StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario


def inbox(exchange: Exchange, agency: str) -> list[str]:
    return [summary["id"] for summary in exchange.client(agency).inbox(limit=500)["alerts"]]


def test_alerts_written_while_the_broker_is_down_are_sent_when_it_returns(start_exchange: StartExchange) -> None:
    exchange = start_exchange()
    exchange.kill("broker")
    sent = [exchange.client("au-abf").send(watch(["fj-customs"]))["id"] for _ in range(3)]
    assert exchange.client("au-abf").status()["outbox"]["waiting"] == 3
    exchange.start_broker()
    until(lambda: sorted(inbox(exchange, "fj-customs")) == sorted(sent))


def test_alerts_wait_for_a_node_that_is_down(start_exchange: StartExchange) -> None:
    exchange = start_exchange()
    exchange.kill("fj-customs")
    sent = exchange.client("hk-customs").send(watch(["fj-customs"]))["id"]
    until(lambda: exchange.client("hk-customs").alert(sent)["recipients"][0]["state"] == "accepted")
    exchange.start_nodes(["fj-customs"])
    until(lambda: inbox(exchange, "fj-customs") == [sent])


def test_a_second_broker_on_the_same_data_is_refused(start_exchange: StartExchange) -> None:
    exchange = start_exchange(nodes=False)
    second = subprocess.run(
        [script("bearing-broker"), "run", exchange.broker_data], capture_output=True, text=True, timeout=60
    )
    assert second.returncode != 0
    assert "storage-locked" in second.stderr
    assert exchange.broker_ready()


def test_a_second_node_on_the_same_home_is_refused(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:2])
    node = exchange.home("sg-cnb")
    command = [str(script("bearing")), "node", "run", str(node), "--passphrase-file", str(exchange.passphrase)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert "storage-locked" in second.stderr
    assert exchange.connected("sg-cnb")


def test_a_second_node_with_the_same_keys_is_refused_and_the_first_stays(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:2])
    twin = Exchange(exchange.root / "twin", ["sg-cnb"])
    twin.logs.mkdir(parents=True)
    for name in ("port", "metrics-port", "log.vkey"):
        (twin.root / name).write_text((exchange.root / name).read_text())
    twin.passphrase.touch(mode=0o600)
    twin.passphrase.write_text(exchange.passphrase.read_text())
    twin.create_node("sg-cnb")
    daemon = twin.spawn_node("sg-cnb")
    try:
        until(lambda: "duplicate-session" in daemon.tail(200), what="the refusal in the second node's log")
        assert exchange.connected("sg-cnb")
        sent = exchange.client("hk-customs").send(watch(["sg-cnb"]))["id"]
        until(lambda: sent in inbox(exchange, "sg-cnb"))
    finally:
        twin.stop()
