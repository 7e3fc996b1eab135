"""Hub and nodes on hosts of their own, and the network between them slow, cut, half open, forgetful and flapping."""

from __future__ import annotations

import json
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from nodes.client import Attachment
from schemas.errors import CrossbearingError
from tests.endurance.balance import balance, wait_settled
from tests.endurance.load import Load
from tests.support import wire as wires
from tests.support.alerts import watch
from tests.support.wait import until
from tests.support.wire import Wire
from tests.support.wired import BROKER, WiredExchange

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(bool(wires.unavailable()), reason=wires.unavailable()),
]

THREE = ["hk-customs", "sg-cnb", "au-abf"]
QUICK = {"ping_seconds": 1, "idle_seconds": 4, "probe_seconds": 1}

StartWired = Callable[..., WiredExchange]


@pytest.fixture
def start_wired(tmp_path: Path) -> Iterator[StartWired]:
    """Makes and starts an exchange on hosts of its own; `limits` are settings of its hub, in seconds."""
    undo: list[Callable[[], object]] = []

    def start(agencies: list[str], *, seed: int = 0, **limits: int) -> WiredExchange:
        wire = Wire(BROKER, agencies, seed=seed)
        undo.append(wire.close)
        exchange = WiredExchange(tmp_path / "x", agencies, wire)
        undo.append(exchange.stop)
        exchange.create()
        exchange.limits(**limits)
        exchange.start_broker()
        exchange.start_nodes()
        return exchange

    yield start
    for step in reversed(undo):
        step()


def stored(exchange: WiredExchange, sender: str, *alerts: str) -> bool:
    shown = [exchange.client(sender).alert(alert)["recipients"] for alert in alerts]
    return all(recipient["state"] == "stored" for recipients in shown for recipient in recipients)


def test_a_long_way_with_loss_and_reordering_is_only_slow(start_wired: StartWired) -> None:
    exchange = start_wired(THREE)
    for host in exchange.wire.hosts.values():
        host.delay, host.jitter, host.loss, host.doubled = 0.15, 0.02, 0.01, 0.01
    content = random.Random(1).randbytes(300_000)
    file = Attachment("x-ray.bin", "application/octet-stream", content)
    client = exchange.client("hk-customs")
    sent = [client.send(watch(["sg-cnb", "au-abf"], marking="amber+strict"), attachments=[file])["id"]]
    sent += [client.send(watch(["sg-cnb", "au-abf"], marking="amber+strict"))["id"] for _ in range(10)]
    until(lambda: stored(exchange, "hk-customs", *sent), seconds=60, what="every receipt over the long way")
    until(lambda: exchange.client("au-abf").alert(sent[0])["alert"]["attachments"], what="the alert with a file")
    found = until(lambda: attachment(exchange, "au-abf", sent[0]), seconds=60, what="the attachment")
    assert found == content


def test_after_a_cut_longer_than_the_hub_waits_flash_comes_first_and_nothing_is_lost(start_wired: StartWired) -> None:
    exchange = start_wired(THREE, **QUICK)
    exchange.wire.hosts["sg-cnb"].unplug()
    until(lambda: "sg-cnb" not in exchange.sessions(), what="the hub's notice of the silence")
    assert "idle-timeout" in ended(exchange, "sg-cnb")
    client = exchange.client("hk-customs")
    routine = [client.send(watch(["sg-cnb"], marking="red", precedence="routine"))["id"] for _ in range(30)]
    flash = client.send(watch(["sg-cnb"], marking="red", precedence="flash"))["id"]
    until(lambda: client.alert(flash)["index"] is not None, what="the log's acceptance")
    own = exchange.client("sg-cnb").send(watch(["hk-customs"], marking="red"))["id"]

    exchange.wire.hosts["sg-cnb"].plug()
    until(lambda: stored(exchange, "hk-customs", *routine, flash), seconds=90, what="what waited for sg-cnb")
    until(lambda: stored(exchange, "sg-cnb", own), seconds=60, what="what sg-cnb wrote meanwhile")
    assert arrivals(exchange, "sg-cnb", len(routine) + 1) == [flash, *routine]


def test_half_open_connections_are_noticed_at_both_ends_and_give_way_to_the_nodes_next(start_wired: StartWired) -> None:
    """A firewall forgot them: no reset, no carrier lost. One node dies, and its successor finds the hub still waiting
    for it; the other goes on, and hears nothing any more."""
    exchange = start_wired(THREE, ping_seconds=5, idle_seconds=20, probe_seconds=1)
    for agency in ("sg-cnb", "au-abf"):
        exchange.wire.hosts[agency].forget()
    exchange.kill("sg-cnb")
    assert exchange.sessions() == sorted(THREE), "the hub cannot know yet"
    exchange.start_nodes(["sg-cnb"])
    client = exchange.client("hk-customs")
    first = client.send(watch(["sg-cnb"], marking="red"))["id"]
    second = client.send(watch(["au-abf"], marking="red"))["id"]
    until(lambda: stored(exchange, "hk-customs", first), what="the receipt on the successor's connection")
    assert "idle-timeout" not in ended(exchange, "sg-cnb"), "the dead one gave way, and was not waited out"
    until(lambda: "idle-timeout" in ended(exchange, "au-abf"), what="the hub's notice")
    until(lambda: stored(exchange, "hk-customs", second), seconds=75, what="the node's notice and its next connection")


def test_lines_that_flap_under_load_leave_every_count_equal(start_wired: StartWired, tmp_path: Path) -> None:
    seed = secrets.randbelow(10**6)
    dice, never = random.Random(seed), threading.Event()
    exchange = start_wired(THREE, seed=seed, **QUICK)
    lines = [exchange.wire.hosts[agency] for agency in THREE]
    load = Load(exchange, seed, rate=5.0, members=THREE)
    load.start()
    for _ in range(5):
        line = dice.choice(lines)
        match dice.choice(["silent", "forget", "unplug", "noise"]):
            case "silent":
                line.silent = True
                never.wait(dice.uniform(0.1, 5.0))
                line.silent = False
            case "forget":
                line.forget()
            case "unplug":
                line.unplug()
                never.wait(dice.uniform(0.1, 3.0))
                line.plug()
            case _:
                line.delay, line.jitter = dice.uniform(0, 0.2), dice.uniform(0, 0.1)
                line.loss, line.doubled = dice.uniform(0, 0.05), dice.uniform(0, 0.05)
        never.wait(dice.uniform(0, 1.0))
    load.stop()
    for line in lines:
        line.delay = line.jitter = line.loss = line.doubled = 0.0
    wait_settled(exchange, load.handed)
    books = balance(exchange, load.handed, tmp_path / "audit")
    assert books.even, (seed, books)
    assert not load.refused
    assert books.due > 50, seed


def attachment(exchange: WiredExchange, agency: str, alert: str) -> bytes:
    try:
        return exchange.client(agency).attachment(alert, 1)
    except CrossbearingError:
        return b""


def ended(exchange: WiredExchange, agency: str) -> list[str]:
    """The codes with which the hub ended sessions of an agency."""
    lines = [json.loads(line) for line in exchange.daemons[BROKER].log.read_text(encoding="utf-8").splitlines()]
    return [line["code"] for line in lines if line["event"] == "session ended" and line["agency"] == agency]


def arrivals(exchange: WiredExchange, agency: str, count: int) -> list[str]:
    """The ids of received alerts in the order in which they were taken in."""
    events = exchange.client(agency).events(after=0)
    return list(islice((event["alert"] for event in events if event["type"] == "alert"), count))
