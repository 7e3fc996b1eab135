"""What is measured: a broker with a sender and recipients around it, whichever it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from benchmarks.brokers.figures import CaughtUp, Disk, Figures
from benchmarks.brokers.scenario import Scenario


class Running(Protocol):
    """A broker that runs, with sender and recipients connected. Every method raises RuntimeError after `PATIENCE`."""

    def run(self, scenario: Scenario) -> Figures:
        """Run the scenario to the last durable receipt."""

    def stop(self) -> Disk:
        """End everything in good order; by how much its files grew since all were connected."""


class Contender(Protocol):
    """One broker, with the encryption that it needs to do the same."""

    name: str
    durability: str

    def running(self, recipients: int, processes: int = 1) -> AbstractContextManager[Running]:
        """Start it afresh, in a folder of its own, which is gone afterwards; the recipients in so many processes."""

    def catch_up(self, scenario: Scenario) -> CaughtUp:
        """Start it afresh, send while no recipient is connected, then connect `listening` of them."""
