"""A hub and nodes without a line between them, and a courier who takes files back and forth."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

from broker.carrier.making import Made, Making, Position, position_of
from broker.carrier.taking import Sleep, Taken, take_file
from broker.draft import NewDirectory, Work
from broker.exchange import Exchange
from nodes.carrier.desk import CarrierDesk
from nodes.identity import Identity
from nodes.service.attachments import seal_files
from nodes.standing import Standing
from nodes.store.alerts import Filter
from nodes.store.store import Store
from schemas.alert.document import Alert, encode_alert
from schemas.ids import parse_id
from schemas.log.entry import AlertEntry, DirectoryEntry, decode_entry
from schemas.log.note import note_key
from tests.support.directory import World
from tests.support.edge import DATABASE_KEY
from tests.support.envelope import counting_random, make_alert
from tests.support.fake_hub import example_seeds
from tests.support.hub import TestClock


async def _nobody(_done: int) -> None:
    pass


async def _at_once(_seconds: float) -> None:
    pass


class Station:
    """A node that has no line: what its officers do, and the files it makes and takes."""

    def __init__(
        self, agency: str, world: World, store: Store, standing: Standing, clock: TestClock, home: Path
    ) -> None:
        self.agency = agency
        self.world = world
        self.store = store
        self.standing = standing
        self.clock = clock
        self.random = counting_random(agency)
        self.desk = CarrierDesk(
            store=store,
            standing=standing,
            identity=Identity(example_seeds(agency)),
            aside=nullcontext,
            clock=clock,
            random=self.random,
            evidence=home / "evidence",
            home=home,
        )
        self._number = 0

    async def send(self, *to: str, files: Sequence[bytes] = (), **fields: Any) -> Alert:
        """An officer writes an alert."""
        self._number += 1
        given = [
            {"name": f"{n}.bin", "media_type": "application/octet-stream", "data": base64.b64encode(data).decode()}
            for n, data in enumerate(files)
        ]
        sealed = seal_files(given, self.random)
        if sealed:
            fields["attachments"] = [dict(file.facts) for file in sealed]
        number = self._number + 1_000 * (1 + self.world.agencies.index(self.agency))
        alert = make_alert(self.world, self.agency, number=number, to=list(to), **fields)

        def add(tables: Any) -> None:
            tables.outbox.add(alert, encode_alert(alert), recipients=list(to), now=self.clock())
            for file in sealed:
                tables.attachments.add(file.digest, file.parts, now=self.clock())

        await self.store.write(add)
        return alert

    async def export(self) -> bytes:
        """The file for the hub."""
        self.summary, file = await self.desk.export()
        with file:
            return file.read()

    async def take(self, data: bytes) -> dict[str, Any]:
        """Take in a file from the hub, in pieces."""

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 5_000):
                yield data[start : start + 5_000]

        return await self.desk.take(pieces())

    async def inbox(self) -> list[str]:
        """The ids of the alerts received, sorted."""
        rows = await self.store.read(lambda tables: tables.alerts.page(Filter("in", limit=500)))
        return sorted(row.id.hex() for row in rows)

    async def state(self, alert: Alert) -> tuple[str, dict[str, str]]:
        """Of an alert sent: its state, and each recipient's."""

        def read(tables: Any) -> tuple[str, dict[str, str]]:
            row = tables.alerts.get("out", parse_id(alert.id))
            return row.state, {each.agency: each.state for each in tables.alerts.deliveries(row.number)}

        return await self.store.read(read)

    async def everything(self) -> Any:
        """All that this node holds and an officer could notice, to be compared."""

        def read(tables: Any) -> Any:
            sent = tables.alerts.page(Filter("out", limit=500))
            received = tables.alerts.page(Filter("in", limit=500))
            return (
                sorted((row.id, row.state, row.index) for row in sent),
                sorted((row.id, row.state, row.index) for row in received),
                sorted((d.agency, d.state, row.id) for row in sent for d in tables.alerts.deliveries(row.number)),
                tables.receipts.count(),
                tables.quarantine.count(),
                [alarm.code for alarm in tables.alarms.standing()],
                tables.attachments.incomplete(),
            )

        return await self.store.read(read)


@asynccontextmanager
async def station(
    agency: str, world: World, folder: Path, clock: TestClock, *, vfs: str | None = None
) -> AsyncIterator[Station]:
    """A node of an agency that never had a line; `vfs` is the file layer under its store, instead of the encrypting."""
    home = folder / agency
    home.mkdir(exist_ok=True)
    store = Store(home / "node.db", DATABASE_KEY, vfs=vfs)
    try:
        standing = Standing(
            agency, first_key=note_key(world.origin, world.log_key.public), trusted_root=world.trusted_root
        )
        await store.read(standing.restore)
        yield Station(agency, world, store, standing, clock, home)
    finally:
        await store.close()


class Counter:
    """The hub's side: where the courier hands files in, and gets others."""

    def __init__(self, exchange: Exchange, world: World) -> None:
        self.exchange = exchange
        self.world = world
        self.sleep: Sleep = _at_once

    async def hand_in(self, data: bytes) -> Taken:
        """Take in a file."""
        return await take_file(self.exchange, BytesIO(data), tell=_nobody, sleep=self.sleep)

    async def answer(self, taken: Taken) -> bytes:
        """The file that answers one that was taken in."""
        return await self.make(taken.hello.agency, position_of(taken), answers=taken.answers, wanted=taken.wanted)

    async def make(self, agency: str, position: Position = Position(), **more: Any) -> bytes:  # noqa: B008  # a value
        """A file for an agency."""
        making = Making(self.exchange, agency, position, counting_random(f"hub for {agency}"), **more)
        data = b"".join([piece async for piece in making.pieces()])
        self.made: Made = making.made
        return data

    async def exchange_files(self, at: Station) -> dict[str, Any]:
        """A whole round: the node's file in, the answer back."""
        return await at.take(await self.answer(await self.hand_in(await at.export())))

    async def publish(self, role: str) -> None:
        """Bring the next version of a role into force."""
        made = self.world.bundle(role)
        index = await self.exchange.submit(Work("", NewDirectory(made.role, made.version, made.bundle)))
        assert isinstance(index, int), index
        entry = self.entries()[index]
        assert isinstance(entry, DirectoryEntry)
        self.world.history.accept(index, entry, made.bundle, trusted_root=self.world.trusted_root)
        self.world.versions[role] = made.version

    def entries(self) -> list[Any]:
        """The log."""
        return [decode_entry(data) for data in self.exchange.engine.entries(0, self.exchange.head.size)]

    def alerts(self) -> list[AlertEntry]:
        """The alerts in the log."""
        return [entry for entry in self.entries() if isinstance(entry, AlertEntry)]
