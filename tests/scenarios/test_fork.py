"""Nobody can show the log in two histories: every way to come to them is noticed, named and explained."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from broker.engines.sqlite_files import open_connection
from deploy.demo.exchange import Exchange, script
from schemas.errors import Unreachable
from tests.scenarios.conftest import StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

PAIR = ["hk-customs", "sg-cnb"]


def deliver(exchange: Exchange, sender: str = "hk-customs", recipient: str = "sg-cnb") -> str:
    """Send an alert and wait for its receipt."""
    client = exchange.client(sender)
    sent: str = client.send(watch([recipient]))["id"]
    until(lambda: client.alert(sent)["recipients"][0]["state"] == "stored", what="the receipt")
    return sent


def put(data: Path, source: Path) -> None:
    """Replace the broker's data, without the socket that a running one leaves."""
    shutil.rmtree(data)
    copy(source, data)


def copy(data: Path, target: Path) -> Path:
    shutil.copytree(data, target, ignore=shutil.ignore_patterns("*.sock"))
    return target


def refused(data: Path) -> str:
    """What the broker says when it refuses to start over this data."""
    command = [str(script("bearing-broker")), "run", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0, done.stderr
    return done.stderr


def restore_log(data: Path, backup: Path) -> None:
    for old in data.glob("log.db*"):
        old.unlink()
    for file in backup.glob("log.db*"):
        shutil.copy2(file, data)


def truncate_log(data: Path, _backup: Path) -> None:
    with open_connection(data / "log.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with (data / "log.db").open("r+b") as file:
        file.truncate(40_960)


def flip_a_bit(data: Path, _backup: Path) -> None:
    db = open_connection(data / "log.db")
    ((entry,),) = db.execute("SELECT data FROM entry WHERE idx = 35")
    altered = bytes((*entry[:-1], entry[-1] ^ 1))
    db.execute("UPDATE entry SET data = ? WHERE idx = 35", (altered,))
    db.close()


def drop_the_last_entries(data: Path, _backup: Path) -> None:
    db = open_connection(data / "log.db")
    db.execute("DELETE FROM entry WHERE idx >= 35")
    db.close()


DAMAGE: list[tuple[Callable[[Path, Path], None], str]] = [
    (restore_log, "were signed for"),
    (truncate_log, "storage"),
    (flip_a_bit, "are not those that were signed for"),
    (drop_the_last_entries, "were signed for"),
]


def test_a_broker_over_other_data_than_it_signed_for_does_not_start(
    start_exchange: StartExchange, tmp_path: Path
) -> None:
    exchange = start_exchange(PAIR)
    deliver(exchange)
    exchange.kill("broker")
    backup = copy(exchange.broker_data, tmp_path / "backup")
    exchange.start_broker()
    until(lambda: exchange.connected("hk-customs") and exchange.connected("sg-cnb"))
    deliver(exchange)
    exchange.kill("broker")
    good = copy(exchange.broker_data, tmp_path / "good")
    for damage, words in DAMAGE:
        put(exchange.broker_data, good)
        damage(exchange.broker_data, backup)
        said = refused(exchange.broker_data)
        assert "storage-tampered" in said, (damage.__name__, said)
        assert words in said, (damage.__name__, said)
        assert "hint" in said
    put(exchange.broker_data, good)
    exchange.start_broker()
    until(lambda: exchange.connected("hk-customs") and exchange.connected("sg-cnb"))
    deliver(exchange)


def test_a_whole_older_copy_starts_and_every_node_notices(start_exchange: StartExchange, tmp_path: Path) -> None:
    """The anchor went back with the log, so the broker alone cannot know. Its witnesses do."""
    exchange = start_exchange(PAIR)
    deliver(exchange)
    exchange.kill("broker")
    backup = copy(exchange.broker_data, tmp_path / "backup")
    exchange.start_broker()
    until(lambda: exchange.connected("hk-customs") and exchange.connected("sg-cnb"))
    deliver(exchange)
    exchange.kill("broker")
    put(exchange.broker_data, backup)
    broker = exchange.start_broker()
    until(lambda: not broker.alive, what="the end of a broker that was shown its own signature on more")
    assert "another history" in broker.tail(400)
    assert "its storage went back" in broker.tail(400)
    exchange.spawn_broker()
    for agency in PAIR:
        until(partial(alarmed, exchange, agency, "log-restored"), what=f"the alarm of {agency}")
    status = subprocess.run(
        [str(script("bearing-broker")), "restore-status", str(exchange.broker_data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "were signed and are not here" in status


def test_two_brokers_on_copies_of_one_directory_are_found_out(start_exchange: StartExchange, tmp_path: Path) -> None:
    """Each grows its own history with its own nodes; whoever then meets the other one has the proof."""
    exchange = start_exchange([*PAIR, "au-abf", "fj-customs"])
    deliver(exchange)
    second = Exchange(tmp_path / "second", ["au-abf", "fj-customs"])
    for agency in second.agencies:
        exchange.kill(agency)
        shutil.copytree(exchange.home(agency), second.home(agency), ignore=shutil.ignore_patterns("*.sock"))
    exchange.kill("broker")
    copy(exchange.broker_data, second.broker_data)
    exchange.start_broker()
    move(exchange, second)
    try:
        second.start_broker()
        second.start_nodes()
        deliver(second, "au-abf", "fj-customs")
        until(lambda: exchange.connected("hk-customs") and exchange.connected("sg-cnb"))
        deliver(exchange)
        deliver(exchange)
        second.stop()
        home = exchange.home("au-abf")
        shutil.rmtree(home)
        shutil.copytree(second.home("au-abf"), home, ignore=shutil.ignore_patterns("*.sock"))
        point(home, second.port, exchange.port)
        exchange.spawn_node("au-abf")
        until(lambda: alarmed(exchange, "au-abf"), what="the alarm of the node that came back")
        (case, *_) = evidence(exchange.broker_data, "au-abf")
        assert (case / "head.checkpoint").read_text().startswith("crossbearing.example/log\n")
        assert (case / "hello").read_text().startswith("au-abf\n")
    finally:
        second.stop()


def move(exchange: Exchange, second: Exchange) -> None:
    """Give the copy ports of its own, and its nodes the way there."""
    scratch = Exchange(second.root / "ports", [])
    scratch.create()
    for name in ("port", "metrics-port", "log.vkey"):
        (second.root / name).write_text((scratch.root / name).read_text())
    second.passphrase.parent.mkdir(parents=True, exist_ok=True)
    second.passphrase.touch(mode=0o600)
    second.passphrase.write_text(exchange.passphrase.read_text())
    second.logs.mkdir(parents=True, exist_ok=True)
    point(second.broker_data, exchange.port, second.port)
    point(second.broker_data, exchange.metrics_port, second.metrics_port)
    for agency in second.agencies:
        point(second.home(agency), exchange.port, second.port)


def point(folder: Path, old: int, new: int) -> None:
    """Replace a port in the settings there."""
    (settings,) = folder.glob("*.toml")
    settings.write_text(settings.read_text().replace(f":{old}", f":{new}"))


def alarmed(exchange: Exchange, agency: str, code: str = "fork") -> bool:
    """Whether the agency's node stands in that alarm."""
    try:
        alarms = exchange.client(agency).status()["alarms"]
    except Unreachable:
        return False  # it is still starting
    return any(alarm["code"] == code and alarm["hint"] for alarm in alarms)


def evidence(data: Path, agency: str) -> list[Path]:
    return sorted((data / "evidence").glob(f"witness-{agency}-*"))
