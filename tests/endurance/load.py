"""Agencies' systems that hand alerts to their nodes without a pause, whatever happens to the nodes.

Each alert has an id of its sender's own making and is handed over again until the node has confirmed it, as
docs/spec/local-api.md tells a system to. So what was handed over is known here exactly, and nothing else.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.demo.exchange import Exchange
from nodes.client import Attachment, Json
from schemas.errors import CrossbearingError
from schemas.ids import format_id, sha256, uuid7
from tests.support.alerts import watch

PASSING = frozenset({"unreachable", "not-ready", "shutting-down", "storage-full"})
"""What a system answers by asking again later: the node is down, starting, stopping, or has no room."""
AGAIN = 0.2
"""Seconds until then."""
PATIENCE = 300.0
"""Seconds after which a node that is still not there is a failure of its own."""
PRECEDENCES = ("flash", "immediate", "priority", "routine", "routine", "routine")
LONGEST_TEXT = 6_000
LARGEST_FILE = 400_000
FILE_EVERY = 25
"""One alert in so many carries an attachment."""


@dataclass(frozen=True, slots=True)
class Handed:
    """One alert that a node has confirmed."""

    id: str
    sender: str
    title: str
    recipients: frozenset[str]
    file: bytes | None
    """SHA-256 of the attachment."""


class Load:
    """Alerts from each of `senders` to random others of `members`, about `rate` a second and sender, until `stop`."""

    def __init__(
        self,
        exchange: Exchange,
        seed: int,
        *,
        rate: float,
        members: Sequence[str],
        senders: Sequence[str] | None = None,
    ) -> None:
        self.handed: list[Handed] = []
        self.refused: list[str] = []
        """What a node would not take for a reason that does not pass: nothing here should be refused."""
        self._exchange = exchange
        self._members = list(members)
        self._pause = 1 / rate
        self._stopping = threading.Event()
        self._never = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(sender, random.Random(f"{seed}/{sender}")), daemon=True)
            for sender in senders or members
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no more alerts; return when every one that was begun is confirmed. The nodes must run."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def due(self) -> int:
        """Deliveries that follow from what was handed over."""
        return sum(len(alert.recipients) for alert in tuple(self.handed))

    def _run(self, sender: str, dice: random.Random) -> None:
        number = 0
        while not self._stopping.wait(self._pause * dice.uniform(0.5, 1.5)):
            number += 1
            try:
                self.handed.append(self._hand_over(sender, number, dice))
            except CrossbearingError as error:
                self.refused.append(f"{sender}: {error.code}: {error.message}")

    def _hand_over(self, sender: str, number: int, dice: random.Random) -> Handed:
        others = [member for member in self._members if member != sender]
        to = sorted(dice.sample(others, dice.randint(1, min(4, len(others)))))
        title = f"{sender} number {number}"
        document = watch(
            to,
            title=title,
            narrative="x" * dice.randint(1, LONGEST_TEXT),
            marking="amber+strict",  # no rule of the example adds to its recipients
            precedence=dice.choice(PRECEDENCES),
        )
        files = []
        if number % FILE_EVERY == 0:
            files = [Attachment("x-ray.bin", "application/octet-stream", dice.randbytes(dice.randint(1, LARGEST_FILE)))]
        alert = format_id(uuid7(time.time_ns() // 1_000_000, dice.randbytes))
        client = self._exchange.client(sender)
        answer = self._persist(lambda: client.send(document, attachments=files, alert_id=alert))
        return Handed(alert, sender, title, frozenset(answer["recipients"]), sha256(files[0].data) if files else None)

    def _persist(self, call: Callable[[], Json]) -> Json:
        """The answer to `call`, made again while its failure is one that passes."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call()
            except CrossbearingError as error:
                if error.code not in PASSING or time.monotonic() > deadline:
                    raise
            self._never.wait(AGAIN)
