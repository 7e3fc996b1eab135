"""The hub of a simulation: the production core over simulated disk and network, started, killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from broker.committer import LogSigner
from broker.config import Address, Config, Settings
from broker.draft import NewDirectory, Work
from broker.engines.sqlite import SqliteEngine, create_log
from broker.engines.sqlite_anchor import SqliteAnchor, create_anchor
from broker.engines.sqlite_files import open_connection
from broker.escalation import Escalation
from broker.exchange import Exchange
from broker.expiry import ExpiryWatch
from broker.hub import Storage, make_committer, make_exchange
from broker.identity import pinned_party
from broker.publication import Publication
from broker.recovery import restore_tree
from broker.retention import Retention
from broker.roster import Roster
from schemas.directory.contacts import Contact
from schemas.directory.history import DirectoryHistory
from schemas.errors import CrossbearingError, NotPinned, ShuttingDown, StorageTampered, Suspended, Unreachable
from schemas.example import example_seed
from schemas.keys import MlDsaKey
from schemas.log.checkpoint import Checkpoint
from tests.simulation.disk import Disk
from tests.simulation.machine import Machine
from tests.simulation.network import End, HubChannel, Wire
from tests.support.directory import NOW, World

LOG, ANCHOR = "log.db", "anchor.db"
LOOK_SECONDS = 5.0  # between two looks of what otherwise looks every second
FREE, RESERVE = 1 << 40, 1 << 20


@dataclass(frozen=True)
class RecordingSigner(LogSigner):
    """Notes every signature."""

    record: Callable[[Checkpoint], None] = lambda checkpoint: None

    def sign(self, checkpoint: Checkpoint) -> bytes:
        self.record(checkpoint)
        return super().sign(checkpoint)


class SimEngine(SqliteEngine):
    """The engine on a disk whose free space is simulated."""

    def __init__(self, path: Path, disk: Disk, vfs: str) -> None:
        self._disk = disk
        super().__init__(path, reserve=RESERVE, vfs=vfs)

    def free_bytes(self) -> int:
        return 0 if self._disk.full else FREE


@dataclass(frozen=True)
class Beginning:
    """The files of a hub whose log has just begun, and what it signed."""

    images: dict[str, bytes]
    checkpoint: Checkpoint


def begin(world: World, folder: Path) -> Beginning:
    """Make the log of a world's directory in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    create_log(folder / LOG)
    create_anchor(folder / ANCHOR)
    engine, anchor = SqliteEngine(folder / LOG), SqliteAnchor(folder / ANCHOR)
    storage = Storage(engine, anchor, signer_of(world), world.trusted_root)
    committer = make_committer(
        storage, config_of(folder), lambda: NOW, tree=restore_tree(engine), history=DirectoryHistory(), head=None
    )
    committed = committer.commit([Work("", NewDirectory(b.role, b.version, b.bundle)) for b in world.bundles])
    assert all(isinstance(verdict, int) for verdict in committed.verdicts), committed.verdicts
    engine.close()
    anchor.close()
    assert committed.head is not None
    for name in (LOG, ANCHOR):
        _unseal(folder / name)
    return Beginning({name: (folder / name).read_bytes() for name in (LOG, ANCHOR)}, committed.head.checkpoint)


def _unseal(path: Path) -> None:
    """Take off the seal of each page, which the simulated file layer does not have."""
    db = open_connection(path)
    db.pragma("journal_mode", "delete")
    db.pragma("rekey", "")
    db.pragma("journal_mode", "wal")
    db.close()


def signer_of(world: World, record: Callable[[Checkpoint], None] = lambda checkpoint: None) -> LogSigner:
    """The log's keys."""
    ml_dsa = MlDsaKey(example_seed("broker", "log-mldsa")) if len(world.document.log.keys) > 1 else None
    return RecordingSigner(world.origin, world.log_key, None, ml_dsa, None, record)


def config_of(folder: Path, settings: Settings | None = None) -> Config:
    """Settings of a hub whose files are in `folder`."""
    nowhere = Address("127.0.0.1", 0)
    none = folder / "none"
    return Config(
        data=folder,
        listen=nowhere,
        metrics=nowhere,
        tls_certificate=none,
        tls_key=none,
        tls_ca=none,
        origin="",
        log_key=none,
        ml_dsa_key=None,
        log=folder / LOG,
        anchor=folder / ANCHOR,
        trusted_root=none,
        log_level="info",
        settings=settings or Settings(),
    )


class HubHost(Machine):
    """The hub's machine."""

    def __init__(self, name: str, *, settings: Settings, **machine: Any) -> None:
        super().__init__(name, **machine)
        self.settings = settings
        self.exchange: Exchange | None = None
        self.roster: Roster | None = None
        self.treacherous = False
        self.lie: Callable[[Exchange, bytes], bytes] = lambda exchange, data: data
        self._ends: list[End] = []

    def forget(self) -> None:
        """See `Machine`."""
        self.graveyard.append((self.exchange, self.roster))
        self.exchange = self.roster = None

    def hang_up(self, *, power: bool) -> None:
        """See `Machine`."""
        for end in self._ends:
            if end.closed:
                continue
            if power:
                end.wire.go_dark()
                end.closed = True
            elif self.random.random() < 0.2:
                end.wire.leave_half_open("hub")
            else:
                end.wire.cut()
        self._ends.clear()

    def fails(self, error: CrossbearingError) -> None:
        """See `Machine`."""
        super().fails(error)
        if isinstance(error, StorageTampered):
            self.refused = error
            if self.record.honest:
                self.record.violation("the-hub-starts-again", f"{self.name}: {error.message}")

    async def work(self) -> bool:
        """What `broker.hub.run_hub` does, without its listeners."""
        config = replace(config_of(self.disk.folder, self.settings), data=self.evidence)
        process, opened = self.process, list[SimEngine | SqliteAnchor]()
        assert process is not None
        try:
            engine = SimEngine(config.log, self.disk, self.vfs.name)
            opened.append(engine)
            anchor = SqliteAnchor(config.anchor, vfs=self.vfs.name)
            opened.append(anchor)
            signer = signer_of(self.world, self.record.signing)
            exchange = make_exchange(Storage(engine, anchor, signer, self.world.trusted_root), config, self.clock)
            self.record.event(f"{self.name} starts at {exchange.head.size}")
            return await self._run_exchange(exchange)
        finally:
            if not process.dead:
                for storage in reversed(opened):
                    storage.close()

    async def _run_exchange(self, exchange: Exchange) -> bool:
        roster, publication = Roster(exchange), Publication(exchange)
        works = [Retention(exchange).run(), ExpiryWatch(exchange).run(), publication.run(), roster.keep()]
        works.append(Escalation(exchange, self._call, interval=LOOK_SECONDS).run())
        failed = asyncio.create_task(exchange.run())
        chores = [asyncio.create_task(work) for work in works]
        self.exchange, self.roster = exchange, roster
        stopped = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([failed, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for chore in chores:
            chore.cancel()
        self.exchange = None
        exchange.stop()
        await asyncio.wait([failed])
        await roster.end(exchange.fault or ShuttingDown("the hub is shutting down"))
        for end in self._ends:
            end.close()
        for chore in chores:
            if chore.done() and not chore.cancelled() and chore.exception() is not None:
                self.record.violation("no-unforeseen-failure", f"{self.name}: {chore.exception()!r}")
        error = failed.exception()
        if isinstance(error, CrossbearingError):
            self.fails(error)
        elif error is not None:
            self.record.violation("no-unforeseen-failure", f"{self.name}: {error!r}")
        return error is not None

    async def _call(self, contact: Contact, body: bytes, key: str) -> None:
        """A duty desk, which answers two times of three."""
        await asyncio.sleep(self.random.uniform(0.1, 10.0))
        if self.random.random() < 0.3:
            raise Unreachable("the desk does not answer")
        self.record.event(f"{self.name} calls {contact.id}")

    # -- connections ---------------------------------------------------------------------------------------------------

    def knock(self, pin: bytes) -> str:
        """See `Door`."""
        if self.exchange is None:
            raise Unreachable("nobody listens")
        try:
            return pinned_party(pin, self.exchange.history.latest).id
        except Suspended as error:
            raise NotPinned(error.message) from None

    def enter(self, agency: str, pin: bytes, wire: Wire) -> None:
        """See `Door`."""
        exchange, roster, process = self.exchange, self.roster, self.process
        assert exchange is not None
        assert roster is not None
        assert process is not None
        self._ends = [end for end in self._ends if not end.closed]
        self._ends.append(wire.hub)

        def check() -> None:
            if pinned_party(pin, exchange.history.latest).id != agency:
                raise NotPinned(f"the certificate is no longer pinned for {agency}")

        channel = HubChannel(
            wire.hub,
            lambda data: self.record.hub_sent(agency, wire.number, data),
            partial(self._heard, exchange, agency, wire.number),
        )
        self.loop.spawn(process, self._session(agency, channel, check), f"session {agency}#{wire.number}")

    def _heard(self, exchange: Exchange, agency: str, number: int, data: bytes) -> bytes:
        self.record.hub_heard(agency, number, data)
        return self.lie(exchange, data) if self.treacherous else data

    async def _session(self, agency: str, channel: HubChannel, check: Callable[[], None]) -> None:
        assert self.roster is not None
        try:
            await self.roster.serve(agency, channel, check)
        except ConnectionError:
            channel.abort()
        except Exception as error:
            self.record.violation("no-unforeseen-failure", f"the session of {agency}: {error!r}")
        else:
            await channel.close()

    async def publish(self, role: str, version: int, bundle: bytes) -> int | CrossbearingError | None:
        """What the operator's command does; None when the hub was not there or did not answer."""
        if self.exchange is None or self.process is None:
            return None
        exchange, answer = self.exchange, []

        async def ask() -> None:
            answer.append(await exchange.submit(Work("", NewDirectory(role, version, bundle))))

        asking = self.loop.spawn(self.process, ask())
        for _ in range(100):
            await asyncio.sleep(0.1)
            if answer or asking.done():
                break
        return answer[0] if answer else None
