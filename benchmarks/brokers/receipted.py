"""Waiting until Crossbearing has receipted everything, and when each receipt was verified. Neither waits for ever."""

from __future__ import annotations

import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from threading import Thread

from benchmarks.directory import SENDER
from deploy.demo.exchange import Exchange
from schemas.errors import CrossbearingError

_RECEIPTS = "crossbearing_receipts_total"
_LOOK = 0.1  # seconds between two looks: each costs the hub about a millisecond


def await_receipts(exchange: Exchange, count: int, *, seconds: float) -> None:
    """Return when `count` receipts are logged and the sender's node has verified all of the log.

    Costs hub and node next to nothing, so that their processor time can be read right after it. Raises RuntimeError
    when it takes longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    client = exchange.client(SENDER)
    while (logged := exchange.metric(_RECEIPTS)) < count or client.status()["log"]["size"] < exchange.metric(
        "crossbearing_log_size"
    ):
        if time.monotonic() > deadline:
            refused = exchange.metric("crossbearing_refused_total")
            raise RuntimeError(
                f"{logged:,.0f} of {count:,} receipts were logged in {seconds:g} s; the hub refused {refused:,.0f}"
                f" submissions; {SENDER}: {client.status()['outbox']}"
            )
        time.sleep(_LOOK)


def receipt_times(
    exchange: Exchange, due: Mapping[str, float], count: int, *, seconds: float
) -> list[tuple[float, float]]:
    """For each delivery when its alert was due, and when the sender's node had verified its receipt (s since 1970).

    `due` is by the alert's id. Raises RuntimeError when not all `count` are told within `seconds`.
    """
    told: SimpleQueue[tuple[str, float] | CrossbearingError] = SimpleQueue()
    Thread(target=_follow, args=(exchange, told), daemon=True).start()
    deadline = time.monotonic() + seconds
    times: list[tuple[float, float]] = []
    while len(times) < count:
        try:
            receipt = told.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise RuntimeError(f"{SENDER} told of {len(times):,} of {count:,} receipts in {seconds:g} s") from None
        if isinstance(receipt, CrossbearingError):
            raise RuntimeError(f"{SENDER} stopped after {len(times):,} of {count:,} receipts: {receipt}")
        alert, verified = receipt
        if alert in due:
            times.append((due[alert], verified))
    return times


def _follow(exchange: Exchange, told: SimpleQueue[tuple[str, float] | CrossbearingError]) -> None:
    """Runs in a thread of its own: the stream of events has no end, and silence on it no time limit."""
    try:
        for event in exchange.client(SENDER).events(after=0):
            if event["type"] == "receipt" and event["state"] == "stored":
                told.put((event["alert"], event["time"] / 1000))
    except CrossbearingError as error:
        told.put(error)
