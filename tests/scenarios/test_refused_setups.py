"""Set-ups that must not run: each is refused before anything listens or connects, with its code and a reason."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.demo.exchange import Exchange, script
from tests.scenarios.conftest import FOUR, StartExchange

pytestmark = pytest.mark.scenario


def refused(*command: object) -> str:
    """What a command says on standard error when it refuses to start."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def run_node(exchange: Exchange, passphrase: Path | None = None) -> str:
    home = exchange.home("hk-customs")
    return refused(script("bearing"), "node", "run", home, "--passphrase-file", passphrase or exchange.passphrase)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_example_keys_off_loopback(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:1], nodes=False)
    exchange.stop()
    edit(exchange.home("hk-customs") / "node.toml", "wss://127.0.0.1:", "wss://hub.example:")
    said = run_node(exchange)
    assert "example-keys" in said
    assert "loopback" in said

    edit(exchange.broker_data / "broker.toml", f'"127.0.0.1:{exchange.port}"', f'"0.0.0.0:{exchange.port}"')
    said = refused(script("bearing-broker"), "run", exchange.broker_data)
    assert "example-keys" in said
    assert "loopback" in said


def test_a_wrong_passphrase(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange(FOUR[:1], nodes=False)
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("not this one")
    assert "wrong-passphrase" in run_node(exchange, wrong)


@pytest.mark.parametrize("file", ["keystore"])
def test_files_that_others_may_read(start_exchange: StartExchange, file: str) -> None:
    exchange = start_exchange(FOUR[:1])
    exchange.stop()
    (exchange.home("hk-customs") / file).chmod(0o644)
    assert "open-permissions" in run_node(exchange)


def test_a_log_key_that_others_may_read(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:1], nodes=False)
    exchange.stop()
    (exchange.broker_data / "log.key").chmod(0o640)
    assert "open-permissions" in refused(script("bearing-broker"), "run", exchange.broker_data)


def test_a_log_rolled_back_behind_its_back(start_exchange: StartExchange) -> None:
    """An operator restores yesterday's log: the anchor knows of signed checkpoints that it lacks."""
    from tests.support.alerts import watch
    from tests.support.wait import until

    exchange = start_exchange(FOUR[:2])
    exchange.stop()
    yesterday = (exchange.broker_data / "log.db").read_bytes()
    exchange.start_broker()
    exchange.start_nodes()
    alert = exchange.client("hk-customs").send(watch(["sg-cnb"]))["id"]
    until(lambda: exchange.client("hk-customs").alert(alert)["recipients"][0]["state"] == "stored")
    exchange.stop()
    (exchange.broker_data / "log.db").write_bytes(yesterday)
    assert "storage-tampered" in refused(script("bearing-broker"), "run", exchange.broker_data)
