"""A peer as a contender: its server, a process that sends, and one or more that play the recipients."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.brokers.figures import CaughtUp, Disk, Figures
from benchmarks.brokers.peer import Server
from benchmarks.brokers.processes import Usage, disk, free_port, usage
from benchmarks.brokers.processes import stop as end_server
from benchmarks.brokers.scenario import PATIENCE, Scenario, shares
from benchmarks.brokers.traffic import traffic
from benchmarks.brokers.worker import make_client
from benchmarks.brokers.workers import Worker, end_all

WORKER = "benchmarks.brokers.worker"


class RunningPeer:
    """Its server, on a folder of its own; workers are started when they are needed."""

    def __init__(self, server: Server, key: str, home: Path, recipients: int, listening: int) -> None:
        self._server, self._key, self._home = server, key, home
        self._recipients, self._listening = recipients, listening
        self._port = free_port()
        self._pid: int | None = server.start(home, self._port)
        self._receipts = 0
        self._empty = Disk(0, 0)
        self._sender: Worker | None = None
        self._players: list[Worker] = []
        """Who play the recipients."""

    def prepare(self) -> None:
        """Make the queues of those who listen."""
        asyncio.run(_prepare(self._key, self._port, self._listening))

    def start_sender(self) -> Worker:
        """The process that sends, once it is connected."""
        self._sender = Worker(WORKER, "sender", self._key, str(self._port), str(self._recipients))
        self._sender.answer()
        return self._sender

    def start_players(self, processes: int, scenario: Scenario) -> list[dict[str, Any]]:
        """Start those who play the recipients, with a first scenario; what they answer to it."""
        for mine in shares(self._listening, processes):
            numbers = map(str, (self._port, self._recipients, mine.start, len(mine)))
            self._players.append(Worker(WORKER, "recipients", self._key, *numbers))
        return self._ask_players(scenario)

    def connect(self, processes: int) -> None:
        """Start all, and wait until they are connected."""
        self.start_players(processes, Scenario(0))
        self.start_sender()
        self._empty = self._disk()

    def run(self, scenario: Scenario) -> Figures:
        """See `Running`."""
        if self._sender is None:
            raise RuntimeError("nobody is there to send")
        self._ask_players(scenario)
        before, wire = self._usage(), traffic(self._port)
        self._sender.tell(scenario.as_json())
        sent, received = self._sender.answer(), [player.answer() for player in self._players]
        broker, sending, receiving = self._usage()
        self._receipts += scenario.deliveries
        return Figures(
            alerts=scenario.alerts,
            deliveries=scenario.deliveries,
            seconds=(max(each["done"] for each in received) - sent["started"]) / 1e9,
            broker=broker.since(before[0]),
            sender=sending.since(before[1]),
            recipients=receiving.since(before[2]),
            latencies=tuple(latency for each in received for latency in each["latencies"]),
            wire=traffic(self._port) - wire,
            receipts=scenario.deliveries,
        )

    def _ask_players(self, scenario: Scenario) -> list[dict[str, Any]]:
        for player in self._players:
            player.tell(scenario.as_json())
        return [player.answer() for player in self._players]

    def stop(self) -> Disk:
        """See `Running`. Raises RuntimeError when the server holds other receipts than were sent."""
        self._end_workers()
        held = asyncio.run(_held(self._key, self._port))
        if held != self._receipts:
            raise RuntimeError(f"{self._server.name} holds {held} receipts of {self._receipts}")
        self.close()
        return self._disk() - self._empty

    def count(self, scenario: Scenario) -> None:
        """These deliveries were receipted too."""
        self._receipts += scenario.deliveries

    def _disk(self) -> Disk:
        return Disk(disk(self._home), 0)

    def _usage(self) -> tuple[Usage, Usage, Usage]:
        sender = self._sender.pid if self._sender is not None else 0
        recipients = sum((usage(player.pid) for player in self._players), Usage(0, 0))
        return usage(self._pid or 0), usage(sender), recipients

    def _end_workers(self) -> None:
        end_all([*self._players, *([self._sender] if self._sender is not None else [])])
        self._players.clear()
        self._sender = None

    def close(self) -> None:
        """End what still runs."""
        self._end_workers()
        if self._pid is not None:
            end_server(self._pid)
            self._pid = None


class Peer:
    """See `Contender`."""

    def __init__(self, key: str, server: Server) -> None:
        self._key, self._server = key, server
        self.name, self.durability = server.name, server.durability

    @contextmanager
    def running(self, recipients: int, processes: int = 1) -> Iterator[RunningPeer]:
        """See `Contender`."""
        with self._started(recipients, recipients) as peer:
            peer.connect(processes)
            yield peer

    def catch_up(self, scenario: Scenario) -> CaughtUp:
        """See `Contender`."""
        with self._started(scenario.recipients, scenario.listening) as peer:
            sender = peer.start_sender()
            sender.tell(scenario.as_json())
            sender.answer()
            (times,) = peer.start_players(1, scenario)
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
