"""A peer as a contender: its server, a process that sends, and one that plays all recipients."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.brokers import processes
from benchmarks.brokers.figures import CaughtUp, Disk, Figures
from benchmarks.brokers.peer import Server
from benchmarks.brokers.scenario import PATIENCE, Scenario
from benchmarks.brokers.traffic import traffic
from benchmarks.brokers.worker import make_client
from benchmarks.brokers.workers import Worker, end_all

WORKER = "benchmarks.brokers.worker"


class RunningPeer:
    """Its server, on a folder of its own; workers are started when they are needed."""

    def __init__(self, server: Server, key: str, home: Path, recipients: int, listening: int) -> None:
        self._server, self._key, self._home = server, key, home
        self._counts = (recipients, listening)
        self._port = processes.free_port()
        self._pid: int | None = server.start(home, self._port)
        self._receipts = 0
        self._empty = Disk(0, 0)
        self._workers: dict[str, Worker] = {}

    def prepare(self) -> None:
        """Make the queues of those who listen."""
        asyncio.run(_prepare(self._key, self._port, self._counts[1]))

    def start(self, role: str) -> Worker:
        """One of the two client processes."""
        worker = Worker(WORKER, role, self._key, str(self._port), *map(str, self._counts))
        self._workers[role] = worker
        return worker

    def connect(self) -> None:
        """Start both, and wait until they are connected."""
        recipients = self.start("recipients")
        recipients.tell(Scenario(0).as_json())
        recipients.answer()
        self.start("sender").answer()
        self._empty = self._disk()

    def run(self, scenario: Scenario) -> Figures:
        """See `Running`."""
        sender, recipients = self._workers["sender"], self._workers["recipients"]
        recipients.tell(scenario.as_json())
        recipients.answer()
        before, wire = self._usage(), traffic(self._port)
        sender.tell(scenario.as_json())
        sent, received = sender.answer(), recipients.answer()
        broker, sending, receiving = self._usage()
        self._receipts += scenario.deliveries
        return Figures(
            alerts=scenario.alerts,
            deliveries=scenario.deliveries,
            seconds=(received["done"] - sent["started"]) / 1e9,
            broker=broker.since(before[0]),
            sender=sending.since(before[1]),
            recipients=receiving.since(before[2]),
            latencies=tuple(received["latencies"]),
            wire=traffic(self._port) - wire,
            receipts=scenario.deliveries,
        )

    def stop(self) -> Disk:
        """See `Running`. Raises RuntimeError when the server holds other receipts than were sent."""
        end_all(list(self._workers.values()))
        self._workers.clear()
        held = asyncio.run(_held(self._key, self._port))
        if held != self._receipts:
            raise RuntimeError(f"{self._server.name} holds {held} receipts of {self._receipts}")
        self.close()
        return self._disk() - self._empty

    def count(self, scenario: Scenario) -> None:
        """These deliveries were receipted too."""
        self._receipts += scenario.deliveries

    def _disk(self) -> Disk:
        return Disk(processes.disk(self._home), 0)

    def _usage(self) -> tuple[processes.Usage, processes.Usage, processes.Usage]:
        sender, recipients = self._workers["sender"].pid, self._workers["recipients"].pid
        return processes.usage(self._pid or 0), processes.usage(sender), processes.usage(recipients)

    def close(self) -> None:
        """End what still runs."""
        end_all(list(self._workers.values()))
        self._workers.clear()
        if self._pid is not None:
            processes.stop(self._pid)
            self._pid = None


class Peer:
    """See `Contender`."""

    def __init__(self, key: str, server: Server) -> None:
        self._key, self._server = key, server
        self.name, self.durability = server.name, server.durability

    @contextmanager
    def running(self, recipients: int) -> Iterator[RunningPeer]:
        """See `Contender`."""
        with self._started(recipients, recipients) as peer:
            peer.connect()
            yield peer

    def catch_up(self, scenario: Scenario) -> CaughtUp:
        """See `Contender`."""
        with self._started(scenario.recipients, scenario.listening) as peer:
            sender = peer.start("sender")
            sender.answer()
            sender.tell(scenario.as_json())
            sender.answer()
            recipients = peer.start("recipients")
            recipients.tell(scenario.as_json())
            times = recipients.answer()
            peer.count(scenario)
            peer.stop()
            return CaughtUp(scenario.alerts, (times["done"] - times["started"]) / 1e9)

    @contextmanager
    def _started(self, recipients: int, listening: int) -> Iterator[RunningPeer]:
        with ExitStack() as ends:
            home = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
            home.chmod(0o755)
            peer = RunningPeer(self._server, self._key, home, recipients, listening)
            ends.callback(peer.close)
            peer.prepare()
            yield peer


async def _prepare(key: str, port: int, recipients: int) -> None:
    async with asyncio.timeout(PATIENCE):
        client = make_client(key, port)
        await client.connect("counter")
        await client.prepare(recipients)
        await client.close()


async def _held(key: str, port: int) -> int:
    async with asyncio.timeout(PATIENCE):
        client = make_client(key, port)
        await client.connect("counter")
        try:
            return await client.receipts()
        finally:
            await client.close()
