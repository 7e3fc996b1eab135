"""Crossbearing in the same scenario, with everything it does besides: routing, a log with proofs, witnesses, stores.

The hub is a process, the sender's node is one, and all recipients' nodes share one, or several. Alerts go in through
the local API as a system's would, from a program whose processor time counts as the sender's; a delivery counts when
the sender's node has verified the receipt in the log, so that a latency holds the whole way there and back.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.brokers.figures import CaughtUp, Disk, Figures
from benchmarks.brokers.processes import Usage, disk, usage
from benchmarks.brokers.receipted import Receipts
from benchmarks.brokers.scenario import CHECKOUT, PATIENCE, Scenario, shares
from benchmarks.brokers.traffic import traffic
from benchmarks.brokers.workers import Worker
from benchmarks.directory import SENDER, create_exchange
from deploy.demo.exchange import Exchange

HUB = (sys.executable, "-m", "benchmarks.brokers.hub")
_TICK = 0.02  # seconds between two looks at whether a recipient is connected


class RunningExchange:
    """Hub and nodes, a process or more for each party, and the program at the sender's."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.receipts = Receipts(exchange)
        self.nodes: dict[str, list[subprocess.Popen[bytes]]] = {}
        self.driver: Worker | None = None
        self.empty = Disk(0, 0)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of hub, sender's node and recipients' nodes, of which there is one for each share."""
        nodes = (*self.nodes["sender"], *self.nodes["recipients"])
        return self.exchange.daemons["broker"].pid, *(process.pid for process in nodes)

    def start_nodes(self, role: str, agencies: Sequence[str], processes: int = 1) -> None:
        """Start the nodes of these agencies, in so many processes."""
        command = [sys.executable, "-m", "benchmarks.brokers.nodes", str(self.exchange.root)]
        self.nodes[role] = [
            subprocess.Popen([*command, *agencies[mine.start : mine.stop]], cwd=CHECKOUT)  # noqa: S603 -- our own module
            for mine in shares(len(agencies), processes)
        ]

    def wait_connected(self, role: str, agencies: Sequence[str]) -> None:
        """Return when each of them can send. Raises RuntimeError when one cannot."""

        def ready() -> bool:
            for process in self.nodes[role]:
                if process.poll() is not None:
                    raise RuntimeError(f"the nodes of the {role} ended with {process.returncode}")
            return all(map(self.exchange.connected, agencies))

        wait(ready, f"the nodes of the {role} did not connect")

    def start_driver(self) -> Worker:
        """Start the program that hands alerts to the sender's node."""
        socket = self.exchange.client(SENDER).socket_path
        self.driver = Worker("benchmarks.brokers.driver", str(socket), *self.exchange.agencies[1:])
        self.driver.answer()
        self.empty = self._disk()
        return self.driver

    def run(self, scenario: Scenario) -> Figures:
        """See `Running`."""
        if self.driver is None:
            raise RuntimeError("nobody is there to send")
        entries, blocks = self._logged()
        before, wire = self._usage(), traffic(self.exchange.port)
        self.driver.tell(scenario.as_json())
        sent = self.driver.answer()
        self.receipts.wait(scenario.deliveries)
        (broker, sending, receiving), wire = self._usage(), traffic(self.exchange.port) - wire
        times = self.receipts.times(sent["due"], scenario.deliveries)
        return Figures(
            alerts=scenario.alerts,
            deliveries=scenario.deliveries,
            seconds=max(receipted for _, receipted in times) - sent["started"],
            broker=broker.since(before[0]),
            sender=sending.since(before[1]),
            recipients=receiving.since(before[2]),
            latencies=tuple((receipted - asked) * 1000 for asked, receipted in times),
            wire=wire,
            receipts=self._logged()[0] - entries - scenario.alerts,
            blocks=self._logged()[1] - blocks,
        )

    def stop(self) -> Disk:
        """See `Running`."""
        self.close()
        return self._disk() - self.empty

    def close(self) -> None:
        """End what still runs, the hub last."""
        if self.driver is not None:
            self.driver.end()
            self.driver = None
        every = [process for started in self.nodes.values() for process in started]
        for process in every:
            process.terminate()
        for process in every:
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()
        self.nodes.clear()
        self.exchange.stop()

    def _logged(self) -> tuple[int, int]:
        """Entries and blocks until now."""
        names = ("crossbearing_entries_total", "crossbearing_block_seconds_count")
        entries, blocks = (int(self.exchange.metric(name)) for name in names)
        return entries, blocks

    def _disk(self) -> Disk:
        homes = [self.exchange.home(agency) for agency in self.exchange.agencies[1:]]
        return Disk(disk(self.exchange.broker_data), sum(map(disk, homes)))

    def _usage(self) -> tuple[Usage, Usage, Usage]:
        hub, sender, *recipients = map(usage, self.pids)
        driver = usage(self.driver.pid if self.driver is not None else 0)
        return hub, sender + driver, sum(recipients, Usage(0, 0))


class Crossbearing:
    """See `Contender`."""

    name = "Crossbearing"
    durability = "SQLite, synchronous FULL, at the hub and at every node"

    @contextmanager
    def running(self, recipients: int, processes: int = 1) -> Iterator[RunningExchange]:
        """See `Contender`."""
        with self._started(recipients) as running:
            agencies = running.exchange.agencies
            running.start_nodes("recipients", agencies[1:], processes)
            running.start_nodes("sender", [SENDER])
            running.wait_connected("recipients", agencies[1:])
            running.wait_connected("sender", [SENDER])
            running.exchange.wait_quorum()
            running.start_driver()
            yield running

    def catch_up(self, scenario: Scenario) -> CaughtUp:
        """See `Contender`. The time begins when the recipient's link stands, which takes a handshake."""
        with self._started(scenario.recipients) as running:
            running.start_nodes("sender", [SENDER])
            running.wait_connected("sender", [SENDER])
            driver = running.start_driver()
            driver.tell(scenario.as_json())
            sent = driver.answer()
            accepted = f"the hub did not accept {scenario.alerts} alerts"
            wait(lambda: running.exchange.metric("crossbearing_accepted_total") >= scenario.alerts, accepted)
            listening = running.exchange.agencies[1 : 1 + scenario.listening]
            running.start_nodes("recipients", listening)
            running.wait_connected("recipients", listening)
            started = _connected_at(running.exchange, listening[0])
            running.receipts.wait(scenario.deliveries)
            times = running.receipts.times(sent["due"], scenario.deliveries)
            return CaughtUp(scenario.alerts, max(receipted for _, receipted in times) - started)

    @contextmanager
    def _started(self, recipients: int) -> Iterator[RunningExchange]:
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            running = RunningExchange(create_exchange(Path(folder), recipients))
            try:
                running.exchange.broker_command = HUB
                running.exchange.start_broker()
                yield running
            finally:
                running.close()


def wait(ready: Callable[[], bool], otherwise: str) -> None:
    """Return when `ready`; raise RuntimeError with the words `otherwise` when that takes longer than `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {PATIENCE:g} s")
        time.sleep(_TICK)


def _connected_at(exchange: Exchange, agency: str) -> float:
    """When the node's first link stood (s since 1970): the event is there, for the node is connected."""
    events = exchange.client(agency).events(after=0)
    return next(int(event["time"]) for event in events if event["type"] == "link" and event["connected"]) / 1000
