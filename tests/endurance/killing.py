"""SIGKILL from a seed: whom, when, how long it stays down, and how often again while it starts."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.demo.exchange import Exchange
from deploy.demo.processes import DaemonFailed

BROKER = "broker"
CALM = 3.0
"""Mean seconds between two blows; a daemon needs one or two to start, so most blows hit work and some hit a start."""
LONGEST_DOWN = 4.0
LONGEST_START = 1.5


@dataclass(frozen=True, slots=True)
class Blow:
    """`victims` are killed together, `after` seconds from the blow before, and stay down for `down` seconds.

    Then they are started, and killed again after each of the times in `again`, seconds from that start.
    """

    after: float
    victims: tuple[str, ...]
    down: float
    again: tuple[float, ...]


def blows(seed: int, nodes: Sequence[str]) -> Iterator[Blow]:
    """The endless sequence of blows that follows from a seed."""
    dice = random.Random(f"{seed}/blows")
    nodes = sorted(nodes)
    while True:
        victims = dice.choice(
            [
                [BROKER],
                [BROKER],
                [dice.choice(nodes)],
                [dice.choice(nodes)],
                [BROKER, dice.choice(nodes)],
                dice.sample(nodes, min(2, len(nodes))),
                [BROKER, *nodes] if dice.random() < 0.3 else [dice.choice(nodes)],
            ]
        )
        down = dice.uniform(0, LONGEST_DOWN) if dice.random() < 0.3 else 0.0
        again = [dice.uniform(0, LONGEST_START) for _ in range(dice.randint(1, 3))] if dice.random() < 0.3 else []
        yield Blow(min(dice.expovariate(1 / CALM), 4 * CALM), tuple(victims), down, tuple(again))


class Killer:
    """Carries blows out on the daemons of an exchange. `kills` counts them by name."""

    def __init__(self, exchange: Exchange) -> None:
        self.kills: Counter[str] = Counter()
        self._exchange = exchange
        self._never = threading.Event()

    def strike(self, blow: Blow) -> None:
        """Wait for the blow's time, kill, start again. Raises `DaemonFailed` for a daemon that ended by itself."""
        self._never.wait(blow.after)
        self.check()
        self._kill(blow.victims)
        self._never.wait(blow.down)
        self._start(blow.victims)
        for pause in blow.again:
            self._never.wait(pause)
            self.check()
            self._kill(blow.victims)
            self._start(blow.victims)

    def check(self) -> None:
        """Raise `DaemonFailed` if any daemon is not running: nobody killed it, so it gave up."""
        for daemon in self._exchange.daemons.values():
            if not daemon.alive:
                raise DaemonFailed(f"{daemon.name} ended by itself:\n{daemon.tail(30)}")

    def _kill(self, victims: Sequence[str]) -> None:
        for victim in victims:
            self._exchange.kill(victim)
            self.kills[victim] += 1

    def _start(self, victims: Sequence[str]) -> None:
        for victim in victims:
            if victim == BROKER:
                self._exchange.spawn_broker()
            else:
                self._exchange.spawn_node(victim)
