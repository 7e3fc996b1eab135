"""What crosses the network: everything between node and hub goes through a tap that keeps a copy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import FOUR, StartExchange
from tests.support.alerts import SECRET_WORDS, watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario


class Tap:
    """Relays TCP connections to `port` and keeps every byte that passes, in both directions."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.captured = bytearray()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._relay, args=(source, target), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with source, target:
            try:
                while data := source.recv(65_536):
                    with self._lock:
                        self.captured += data
                    target.sendall(data)
            except OSError:
                return


@pytest.fixture
def taps() -> Iterator[list[Tap]]:
    opened: list[Tap] = []
    yield opened
    for tap in opened:
        tap.close()


def redirect(home: Path, old: int, new: int) -> None:
    settings = home / "node.toml"
    settings.write_text(settings.read_text().replace(f":{old}/", f":{new}/"))


def test_a_capture_shows_neither_alert_nor_header(start_exchange: StartExchange, taps: list[Tap]) -> None:
    exchange = start_exchange(FOUR[:2], nodes=False)
    tap = Tap(exchange.port)
    taps.append(tap)
    for agency in exchange.agencies:
        redirect(exchange.home(agency), exchange.port, tap.port)
    exchange.start_nodes()
    alert = exchange.client("hk-customs").send(watch(["sg-cnb"]))["id"]
    until(lambda: exchange.client("hk-customs").alert(alert)["recipients"][0]["state"] == "stored")

    captured = bytes(tap.captured)
    assert len(captured) > 10_000
    for word in (SECRET_WORDS, "Container to look out for", "CSQU3054383", "hk-customs", "sg-cnb", "recipients"):
        assert word.encode() not in captured, f"{word!r} can be read on the wire"
