"""A real hub under a flood of connections that become nothing: nodes are served, and it stays as large as it was."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from deploy.demo.exchange import Exchange
from deploy.demo.processes import Daemon
from schemas.limits import MAX_HANDSHAKES_PER_ADDRESS, MAX_LOG_LINES
from tests.scenarios.conftest import StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

CONNECTIONS = 800
HELLO = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + bytes(8_000)
"""The beginning of a ClientHello of 16 KiB, of which half never comes."""


@pytest.fixture
def exchange(start_exchange: StartExchange) -> Exchange:
    return start_exchange(["hk-customs", "sg-cnb"])


def resident(daemon: Daemon) -> int:
    """The bytes that a process holds in memory."""
    lines = Path(f"/proc/{daemon.pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1_024


def descriptors(daemon: Daemon) -> int:
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


def flood(stack: ExitStack, port: int) -> None:
    """Open very many connections: every other one says nothing, the rest begin a handshake and stop."""
    for number in range(CONNECTIONS):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
        if number % 2:
            with suppress(OSError):  # it may have given way already
                connection.sendall(HELLO)


def exchanged(exchange: Exchange, title: str) -> None:
    sent = exchange.client("hk-customs").send(watch(["sg-cnb"], title=title))
    inbox = exchange.client("sg-cnb").inbox
    until(lambda: sent["id"] in {summary["id"] for summary in inbox(limit=500)["alerts"]})


def test_a_flood_of_connections_costs_the_nodes_nothing_and_the_hub_little(exchange: Exchange) -> None:
    hub = exchange.daemons["broker"]
    exchanged(exchange, "Before the flood")
    memory, files = resident(hub), descriptors(hub)
    with ExitStack() as stack:
        flood(stack, exchange.port)
        exchanged(exchange, "While it lasts")
        assert descriptors(hub) <= files + MAX_HANDSHAKES_PER_ADDRESS + 16
        assert resident(hub) < memory + 64 * 1_048_576
    until(lambda: descriptors(hub) <= files + 8)
    exchanged(exchange, "After it")
    assert exchange.metric("crossbearing_turned_away_total") > CONNECTIONS // 2
    lines = hub.log.read_text("utf-8").splitlines()
    assert sum("turned away" in line for line in lines) <= 4 * MAX_LOG_LINES
