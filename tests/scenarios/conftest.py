from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.demo.exchange import Exchange

FOUR = ["hk-customs", "sg-cnb", "au-abf", "fj-customs"]

StartExchange = Callable[..., Exchange]


@pytest.fixture
def start_exchange(tmp_path: Path) -> Iterator[StartExchange]:
    """Makes and starts an exchange of the agencies named; everything it started is ended afterwards."""
    started: list[Exchange] = []

    def start(agencies: list[str] | None = None, *, nodes: bool = True) -> Exchange:
        exchange = Exchange(tmp_path / f"x{len(started)}", FOUR if agencies is None else agencies)
        started.append(exchange)
        exchange.create()
        exchange.start_broker()
        if nodes:
            exchange.start_nodes()
        return exchange

    yield start
    for exchange in started:
        exchange.stop()


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """A running exchange of four agencies, shared by the tests of a module that only use it as officers would."""
    exchange = Exchange(tmp_path_factory.mktemp("four"), FOUR)
    exchange.create()
    exchange.start_broker()
    exchange.start_nodes()
    yield exchange
    exchange.stop()
