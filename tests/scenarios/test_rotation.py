"""Keys of an agency change while real processes exchange alerts: nothing is lost, and nobody waits for a governor."""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path

import pytest

from deploy.demo.exchange import EXAMPLE, Exchange, run
from nodes.ports import system_clock
from tests.scenarios.conftest import FOUR, StartExchange
from tests.support.administrators import Agency
from tests.support.alerts import watch
from tests.support.certificates import issue
from tests.support.directory import DAY_MS
from tests.support.wait import until

pytestmark = pytest.mark.scenario

SENDER, RECIPIENT = "hk-customs", "sg-cnb"


def inbox(exchange: Exchange, agency: str) -> list[str]:
    """Everything received, sorted; read page by page."""
    found: list[str] = []
    while page := exchange.client(agency).inbox(limit=500, before=found[-1] if found else None)["alerts"]:
        found += [summary["id"] for summary in page]
    return sorted(found)


def stored(exchange: Exchange, sender: str, alert: str) -> bool:
    recipients = exchange.client(sender).alert(alert)["recipients"]
    return bool(recipients) and all(entry["state"] == "stored" for entry in recipients)


def version(exchange: Exchange, agency: str) -> int:
    found: int = exchange.client(agency).status()["directory"]["version"]
    return found


def test_sealing_and_signing_keys_rotate_under_load(start_exchange: StartExchange) -> None:
    exchange = start_exchange()
    recipient, sender = Agency(exchange, RECIPIENT), Agency(exchange, SENDER)
    sent: list[str] = []
    stop = threading.Event()

    def load() -> None:
        client = exchange.client(SENDER)
        while not stop.is_set():  # one after the other: more than its allowance would only wait at the sender
            sent.append(client.send(watch([RECIPIENT, "au-abf"]))["id"])
            until(lambda: client.alert(sent[-1])["state"] == "accepted", seconds=60)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(2):
            answer = recipient.keys("rotate", "sealing", "signing", *recipient.signed)
            assert answer["published"]["directory"] > 33
            assert sender.keys("rotate", "signing", "sealing", *sender.signed)["published"]
    finally:
        stop.set()
        thread.join()
    until(lambda: all(stored(exchange, SENDER, alert) for alert in sent[-20:]), seconds=90, what="the last receipts")
    until(lambda: all(stored(exchange, SENDER, alert) for alert in sent), seconds=90, what="every receipt")
    assert inbox(exchange, RECIPIENT) == inbox(exchange, "au-abf") == sorted(sent)
    assert sorted(recipient.states("sealing").values()) == ["in use", "overlap", "overlap"]
    assert exchange.client(RECIPIENT).status()["quarantine"] == 0


def test_a_mailed_document_signed_elsewhere(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange(FOUR[:2])
    agency = Agency(exchange, RECIPIENT)
    drafted = Path(agency.keys("rotate", "sealing")["file"])
    carried = tmp_path / "carried.bundle"
    carried.write_bytes(drafted.read_bytes())
    agency.keys("sign", carried, *agency.signed)
    before = version(exchange, RECIPIENT)
    assert agency.keys("publish", carried)["directory"] == before + 1
    assert agency.keys("publish", carried)["directory"] == before + 1
    until(lambda: version(exchange, SENDER) == before + 1)


def test_an_old_sealing_key_opens_what_was_on_its_way(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:2])
    agency = Agency(exchange, RECIPIENT)
    agency.keys("rotate", "sealing")  # the new key is held; its document is signed below, while alerts wait
    exchange.kill(RECIPIENT)
    sent = [exchange.client(SENDER).send(watch([RECIPIENT]))["id"] for _ in range(3)]
    until(lambda: all(exchange.client(SENDER).alert(alert)["state"] == "accepted" for alert in sent))
    exchange.start_nodes([RECIPIENT])
    agency.keys("rotate", "sealing", *agency.signed)
    until(lambda: version(exchange, SENDER) == version(exchange, RECIPIENT))
    sent.append(exchange.client(SENDER).send(watch([RECIPIENT]))["id"])
    until(lambda: inbox(exchange, RECIPIENT) == sorted(sent))
    agency.keys("retire", "sealing", *agency.signed)
    assert sorted(agency.states("sealing").values()) == ["in use", "retired"]
    sent.append(exchange.client(SENDER).send(watch([RECIPIENT]))["id"])
    until(lambda: inbox(exchange, RECIPIENT) == sorted(sent))


@pytest.mark.parametrize("moment", [0.0, 0.4, 0.8, 1.2, 1.6])
def test_a_rotation_killed_at_any_moment_is_given_again(start_exchange: StartExchange, moment: float) -> None:
    exchange = start_exchange(FOUR[:2])
    agency = Agency(exchange, RECIPIENT)
    options = agency.signed
    process = agency.start("rotate", "sealing", "signing", "tls", *options)
    threading.Event().wait(moment)  # a kill is to come at an arbitrary moment, not at a condition
    process.send_signal(signal.SIGKILL)
    process.wait()
    exchange.kill(RECIPIENT)
    exchange.start_nodes([RECIPIENT])
    agency.keys("rotate", "sealing", "signing", "tls", *options)
    states = agency.states("sealing").values()
    assert list(states).count("in use") == 1
    assert "not published" not in states
    sent = exchange.client(SENDER).send(watch([RECIPIENT]))["id"]
    until(lambda: stored(exchange, SENDER, sent))


def test_a_new_certificate_is_taken_up_while_alerts_flow(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange(FOUR[:2])
    agency = Agency(exchange, RECIPIENT)
    agency.keys("rotate", "tls", *agency.signed)
    assert sorted(agency.states("tls").values()) == ["in use", "next"]
    sent = [exchange.client(SENDER).send(watch([RECIPIENT]))["id"]]
    certificate = tmp_path / "new.pem"
    now = system_clock()
    csr = (agency.home / "tls" / "next.csr").read_bytes()
    certificate.write_bytes(issue(csr, starts=now - DAY_MS, ends=now + 90 * DAY_MS))
    old = (agency.home / "tls" / "node.key").read_bytes()
    assert agency.keys("tls", "--cert", certificate) == {"state": "in use", "problem": None}
    assert (agency.home / "tls" / "node.key").read_bytes() != old
    sent.append(exchange.client(SENDER).send(watch([RECIPIENT]))["id"])
    until(lambda: inbox(exchange, RECIPIENT) == sorted(sent))
    assert sorted(agency.states("tls").values()) == ["in use", "overlap"]
    agency.keys("retire", "tls", *agency.signed)
    assert list(agency.states("tls").values()) == ["in use"]
    exchange.kill(RECIPIENT)
    exchange.start_nodes([RECIPIENT])


def test_an_agency_that_was_offline_catches_up_and_seals_for_the_new_keys(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:3])
    exchange.kill("au-abf")
    for name in (RECIPIENT, SENDER, RECIPIENT):
        agency = Agency(exchange, name)
        agency.keys("rotate", "sealing", "signing", *agency.signed)
    exchange.start_nodes(["au-abf"])
    until(lambda: version(exchange, "au-abf") == version(exchange, SENDER))
    sent = exchange.client("au-abf").send(watch([RECIPIENT, SENDER]))["id"]
    until(lambda: stored(exchange, "au-abf", sent))


def test_keys_that_are_stolen_are_replaced_at_once(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:2])
    agency = Agency(exchange, RECIPIENT)
    answer = agency.keys("emergency", "signing", "sealing", *agency.signed)
    assert answer["published"]
    assert any("goes on opening" in sentence for sentence in answer["lost"])
    assert sorted(agency.states("signing").values()) == ["in use", "retired"]
    until(lambda: version(exchange, SENDER) == version(exchange, RECIPIENT))
    sent = exchange.client(SENDER).send(watch([RECIPIENT]))["id"]
    until(lambda: stored(exchange, SENDER, sent))


def test_a_node_that_is_lost_altogether_is_replaced(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:2])
    agency = Agency(exchange, RECIPIENT)
    exchange.kill(RECIPIENT)
    lost = exchange.client(SENDER).send(watch([RECIPIENT]))["id"]
    until(lambda: exchange.client(SENDER).alert(lost)["state"] == "accepted")
    shutil.rmtree(agency.home)
    keys = EXAMPLE / "keys" / RECIPIENT
    run(
        *("bearing", "node", "init", agency.home, "--agency", RECIPIENT),
        *("--hub", f"wss://127.0.0.1:{exchange.port}/session", "--ca", EXAMPLE / "ca.crt"),
        *("--tls-cert", keys / "tls.crt", "--tls-key", keys / "tls.key"),
        *("--hub-pin", (EXAMPLE / "keys" / "broker" / "tls.spki").read_text(encoding="utf-8").strip()),
        *("--root", EXAMPLE / "repository" / "root.json", "--log-vkey", exchange.vkey),
        *("--passphrase-file", exchange.passphrase),
    )
    answer = agency.keys("emergency", "--after", "1", *agency.signed)
    assert answer["published"] is None
    assert "Nobody can open what was sealed for the lost key" in answer["lost"][0]
    run("bearing-broker", "publish", exchange.broker_data, "--bundle", answer["file"], RECIPIENT)
    exchange.start_nodes([RECIPIENT])
    until(lambda: exchange.client(SENDER).alert(lost)["recipients"][0]["state"] == "refused")
    sent = exchange.client(SENDER).send(watch([RECIPIENT]))["id"]
    until(lambda: stored(exchange, SENDER, sent))
    assert inbox(exchange, RECIPIENT) == [sent]
    reply = exchange.client(RECIPIENT).reply(sent, narrative="We are back.")["id"]
    until(lambda: stored(exchange, RECIPIENT, reply))
