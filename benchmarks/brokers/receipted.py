"""Waiting until Crossbearing has receipted everything, and when each receipt was verified. Neither waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Thread

from benchmarks.brokers.scenario import PATIENCE
from benchmarks.directory import SENDER
from deploy.demo.exchange import Exchange
from nodes.client import Json
from schemas.errors import CrossbearingError

_RECEIPTS = "crossbearing_receipts_total"
_LOOK = 0.5  # seconds between two looks: each costs the hub some milliseconds, so few of them


class Receipts:
    """What the hub has logged, and what the sender's node tells, over one scenario after the other."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._client = exchange.client(SENDER)
        self._logged = 0
        self._read = 0

    def wait(self, count: int) -> None:
        """Return when `count` more receipts are logged and the sender's node has verified all of the log.

        It looks seldom, so that the processor time of hub and node can be read right after it: when the last receipt
        came, `times` says. Raises RuntimeError when it takes longer than `PATIENCE`.
        """
        deadline = time.monotonic() + PATIENCE
        logged = 0.0
        while time.monotonic() < deadline:
            with suppress(OSError, CrossbearingError):  # who is busy may answer late
                logged = self._exchange.metric(_RECEIPTS) - self._logged
                if logged >= count and self._verified():
                    self._logged += count
                    return
            time.sleep(_LOOK)
        refused = self._exchange.metric("crossbearing_refused_total")
        raise RuntimeError(
            f"{logged:,.0f} of {count:,} receipts were logged in {PATIENCE:g} s; the hub refused {refused:,.0f}"
            f" submissions; {SENDER}: {self._client.status()['outbox']}"
        )

    def times(self, due: Mapping[str, float], count: int) -> list[tuple[float, float]]:
        """For each delivery when its alert was due, and when the sender's node had verified its receipt (s since 1970).

        `due` is by the alert's id. Raises RuntimeError when not all `count` are told within `PATIENCE`.
        """
        told: SimpleQueue[Json | CrossbearingError] = SimpleQueue()

        def wanted(event: Json) -> bool:
            return event["type"] == "receipt" and event["state"] == "stored" and event["alert"] in due

        Thread(target=self._follow, args=(wanted, count, told), daemon=True).start()
        deadline = time.monotonic() + PATIENCE
        times: list[tuple[float, float]] = []
        while len(times) < count:
            try:
                event = told.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise RuntimeError(f"{SENDER} told of {len(times):,} of {count:,} receipts in {PATIENCE:g} s") from None
            if isinstance(event, CrossbearingError):
                raise RuntimeError(f"{SENDER} stopped after {len(times):,} of {count:,} receipts: {event}")
            self._read = event["seq"]
            times.append((due[event["alert"]], (event["time"] + 1) / 1000))  # it is cut to whole ms: never less
        return times

    def _verified(self) -> bool:
        return bool(self._client.status()["log"]["size"] >= self._exchange.metric("crossbearing_log_size"))

    def _follow(self, wanted: Callable[[Json], bool], count: int, told: SimpleQueue[Json | CrossbearingError]) -> None:
        """Runs in a thread of its own: the stream of events has no end, and silence on it no time limit.

        It is left with the last event wanted: whoever stays has the node tell him of all that follows, at its cost.
        """
        left = count
        try:
            with closing(self._client.events(after=self._read)) as events:
                for event in filter(wanted, events):
                    told.put(event)
                    left -= 1
                    if not left:
                        return
        except CrossbearingError as error:
            told.put(error)
