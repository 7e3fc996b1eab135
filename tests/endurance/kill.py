"""`make kill`: load, and SIGKILL on hub and nodes from a seed, for as long as asked; then all the books must agree."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.demo import processes
from deploy.demo.exchange import Exchange
from tests.endurance.balance import Balance, balance, wait_settled
from tests.endurance.killing import BROKER, Killer, blows
from tests.endurance.load import Load

AGENCIES = ("hk-customs", "sg-cnb", "au-abf", "fj-customs", "jp-customs", "nz-customs", "th-customs", "in-dri")
RATE = 2.0
"""Alerts a second and sender: with eight nodes about what two processors take beside all the starting."""
AUDIT_EVERY = 120.0
"""Seconds between two audits on the way, into the same copy: the auditor compares each with what it held."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    books: Balance
    kills: int
    of_broker: int
    audits: int
    refused: tuple[str, ...]

    @property
    def even(self) -> bool:
        """Whether nothing was lost, doubled, wrong or refused."""
        return self.books.even and not self.refused


def run(root: Path, *, seed: int, seconds: float, nodes: int, say: Say, rate: float = RATE) -> Outcome:
    """One run in the folder `root`, which is made anew. Raises `DaemonFailed` for a daemon that gave up by itself."""
    exchange = Exchange(root, AGENCIES[:nodes])
    exchange.stop()
    exchange.create()
    exchange.start_broker()
    exchange.start_nodes()
    load = Load(exchange, seed, rate=rate, members=exchange.agencies)
    killer, audits = Killer(exchange), 0
    began = said = audited = time.monotonic()
    try:
        load.start()
        for blow in blows(seed, exchange.agencies):
            if (now := time.monotonic()) - began > seconds:
                break
            killer.strike(blow)
            if now - said > 10:
                said = now
                say(f"{now - began:5.0f} s  {killer.kills.total():5} kills  {len(load.handed):6} alerts handed over")
            if now - audited > AUDIT_EVERY:
                _await(exchange)
                exchange.audit_fetch(root / "audit")
                exchange.audit_verify(root / "audit")
                audited, audits = time.monotonic(), audits + 1
        killer.check()
        _await(exchange)
        load.stop()
        wait_settled(exchange, load.handed)
        books = balance(exchange, load.handed, root / "audit")
        killer.check()
    finally:
        exchange.stop()
    return Outcome(books, killer.kills.total(), killer.kills[BROKER], audits + 1, tuple(load.refused))


def _await(exchange: Exchange) -> None:
    """Return when everything that was killed last is back at work."""
    processes.wait_ready(exchange.daemons[BROKER], exchange.broker_ready)
    exchange.wait_connected()
