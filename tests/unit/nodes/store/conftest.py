"""An empty store's tables, on the real encrypted file, and alerts to put into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodes.store.database import Database, Tables
from nodes.store.inbox import Received
from nodes.store.sent import Sent, Word
from schemas.alert.document import Alert, encode_alert
from schemas.ids import parse_id
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import make_alert

KEY = bytes(range(32))
ME = "sg-cnb"

MakeAlert = Callable[..., Alert]


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "node.db", KEY)
    yield made
    made.close()


@pytest.fixture
def tables(database: Database) -> Tables:
    return database.read(lambda tables: tables)


HOUR = 3_600_000


class Desk:
    """Writes alerts into the tables the way the node does."""

    def __init__(self, tables: Tables, world: World) -> None:
        self.tables = tables
        self.world = world
        self._number = 0
        self._place = 100

    def make(self, sender: str, **fields: object) -> Alert:
        self._number += 1
        return make_alert(self.world, sender, number=self._number, **fields)

    def sent(self, *, recipients: tuple[str, ...] = ("hk-customs",), now: int = NOW, **fields: object) -> Alert:
        alert = self.make(ME, **fields)
        self.tables.outbox.add(alert, encode_alert(alert), recipients=recipients, now=now)
        return alert

    def held(self, alert: Alert) -> Sent:
        found = self.tables.sent.find(parse_id(alert.id))
        assert found is not None
        return found

    def hear(self, alert: Alert, agency: str, state: str) -> bool:
        return self.tables.sent.note_receipt(self.held(alert), Word(agency, state, NOW), now=NOW)

    def seal(self, alert: Alert, *, recipients: tuple[str, ...] = ("hk-customs",)) -> None:
        self.tables.outbox.set_sealed(
            self.tables.outbox.get(self.held(alert).number),
            header=b"header",
            signature=b"s" * 64,
            body=b"body",
            directory=5,
            expires=NOW + HOUR,
            recipients=recipients,
            now=NOW,
        )

    def received(self, sender: str = "hk-customs", *, index: int | None = None, **fields: object) -> Alert:
        return self.take(self.make(sender, **fields), index=index)

    def take(self, alert: Alert, *, index: int | None = None) -> Alert:
        self.tables.inbox.add(self.opened(alert, index=index), now=NOW)
        return alert

    def opened(self, alert: Alert, *, index: int | None = None) -> Received:
        self._place += 1
        place = self._place if index is None else index
        return Received(
            alert=alert,
            document=encode_alert(alert),
            index=place,
            leaf=bytes([place % 256]) * 32,
            header=b"header",
            signature=bytes(64),
            id=parse_id(alert.id),
            expires=NOW + 1_000_000,
            attachments=(),
            entry=b"entry",
            path=(b"a" * 32, b"b" * 32),
            size=place + 1,
            note=b"note",
        )


@pytest.fixture
def desk(tables: Tables, world: World) -> Desk:
    return Desk(tables, world)
