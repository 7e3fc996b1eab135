"""Waiting for receipts ends: with all of them, or with what is missing."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event
from typing import Any, cast

import pytest

from benchmarks.brokers import receipted
from benchmarks.brokers.receipted import Receipts
from deploy.demo.exchange import Exchange
from schemas.errors import CrossbearingError, Unreachable


class FakeExchange:
    """Has logged and verified so much, and tells these events before it falls silent."""

    def __init__(self, *, logged: int = 0, verified: int = 10, events: list[dict[str, Any]] | None = None) -> None:
        self.logged, self.verified, self.told = logged, verified, events or []
        self.end: CrossbearingError | None = None
        self.silence = Event()
        self.left = Event()

    def client(self, _agency: str) -> FakeExchange:
        return self

    def metric(self, name: str) -> float:
        return {"crossbearing_receipts_total": self.logged, "crossbearing_log_size": 10}.get(name, 3)

    def status(self) -> dict[str, Any]:
        return {"log": {"size": self.verified}, "outbox": {"waiting": 5}}

    def events(self, *, after: int) -> Generator[dict[str, Any]]:
        try:
            yield from (event for event in self.told if event["seq"] > after)
            if self.end is not None:
                raise self.end
            self.silence.wait(10)
        finally:
            self.left.set()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipted, "PATIENCE", 0.05)
    monkeypatch.setattr(receipted, "_LOOK", 0.001)


def receipts(exchange: FakeExchange) -> Receipts:
    return Receipts(cast(Exchange, exchange))


def receipt(seq: int, alert: str, **fields: object) -> dict[str, Any]:
    return {"seq": seq, "type": "receipt", "state": "stored", "alert": alert, "time": 2_000, **fields}


def test_each_wait_counts_from_the_one_before() -> None:
    exchange = FakeExchange(logged=4)
    waiting = receipts(exchange)
    waiting.wait(4)
    with pytest.raises(RuntimeError, match="0 of 2 receipts were logged"):
        waiting.wait(2)
    exchange.logged = 6
    waiting.wait(2)


def test_a_log_that_the_sender_has_not_verified_is_not_the_end() -> None:
    with pytest.raises(RuntimeError, match=r"the hub refused 3 submissions; hk-customs: \{'waiting': 5\}"):
        receipts(FakeExchange(logged=4, verified=9)).wait(4)


def test_times_are_of_stored_receipts_of_these_alerts() -> None:
    events = [receipt(1, "a"), receipt(2, "other"), receipt(3, "a", state="read"), receipt(4, "b", time=3_000)]
    exchange = FakeExchange(events=events)
    found = receipts(exchange).times({"a": 1.0, "b": 1.5}, 2)
    exchange.silence.set()
    assert found == [(1.0, 2.001), (1.5, 3.001)]


def test_whoever_has_all_times_stays_no_longer() -> None:
    exchange = FakeExchange(events=[receipt(1, "a"), receipt(2, "b")])
    receipts(exchange).times({"a": 1.0}, 1)
    assert exchange.left.wait(5)


def test_silence_ends_with_what_is_missing() -> None:
    exchange = FakeExchange(events=[receipt(1, "a")])
    with pytest.raises(RuntimeError, match="told of 1 of 2 receipts"):
        receipts(exchange).times({"a": 1.0}, 2)
    exchange.silence.set()


def test_a_node_that_is_gone_ends_it_too() -> None:
    exchange = FakeExchange()
    exchange.end = Unreachable("nobody there")
    with pytest.raises(RuntimeError, match="stopped after 0 of 2 receipts: nobody there"):
        receipts(exchange).times({"a": 1.0}, 2)
