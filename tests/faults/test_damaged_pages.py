"""A disk that returns other bytes than were written: every page of the hub's files, one after the other.

Whatever page it is, the damage is named when it is read; and what does not meet it is as it was.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.committer import Committer, LogSigner
from broker.draft import Work
from broker.engines.sqlite import SqliteEngine
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.engines.sqlite_files import open_connection
from broker.hub import FRAME_BUDGET
from broker.parcel import ParcelCache
from broker.quota import Quotas
from broker.recovery import recover
from broker.shipping import Shipping
from schemas.errors import StorageTampered
from schemas.session.frames import Submit
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import TestClock, new_hub
from tests.support.hub_core import submission, ticks

PAGE = 4096
SENDER = "hk-customs"
ALERTS = 24


@dataclass
class Hub:
    """The files of a hub whose log holds some alerts, and what can be read out of it."""

    world: World
    folder: Path

    def alert(self, number: int) -> Submit:
        return submission(*seal_alert(self.world, make_alert(self.world, SENDER, number=number), label=str(number)))

    def work(self, *alerts: Submit) -> dict[str, object]:
        """Start, read everything there is for anybody, enter `alerts`, and close again; what was read."""
        engine = SqliteEngine(self.folder / "log.db")
        try:
            anchor = SqliteAnchor(self.folder / "anchor.db")
        except BaseException:
            engine.close()
            raise
        try:
            return self._work(engine, anchor, alerts)
        finally:
            engine.close()
            anchor.close()

    def _work(self, engine: SqliteEngine, anchor: SqliteAnchor, alerts: tuple[Submit, ...]) -> dict[str, object]:
        signer = LogSigner(self.world.origin, self.world.log_key)
        recovered = recover(engine, anchor, signer, self.world.trusted_root)
        shipping = Shipping(engine, recovered.tree, ParcelCache(1), budget=FRAME_BUDGET)
        head, size, read = recovered.head, engine.size(), dict[str, object]()
        for agency in self.world.agencies:
            keys = shipping.outstanding(agency, (-1, -1), size, NOW, 1_000)
            shipment = shipping.block(agency, keys, head=head, proven=0, now=NOW, openers=(), notices_from=0)
            if shipment.damaged:
                raise StorageTampered(f"withheld: {shipment.damaged}")
            read[agency] = keys, shipment
        read["directory"] = shipping.directory(0, head=head, proven=0)
        read["alerts"] = [(engine.entries(index, index + 1), engine.alert_at(index)) for index in range(size)]
        stopwatch = ticks()
        committer = Committer(
            engine=engine,
            anchor=anchor,
            tree=recovered.tree,
            history=recovered.history,
            head=head,
            signer=signer,
            trusted_root=self.world.trusted_root,
            quotas=Quotas(receipts_per_minute=99, refusals_per_minute=99),
            clock=TestClock(),
            stopwatch=lambda: next(stopwatch),
        )
        for alert in alerts:
            committed = committer.commit([Work(SENDER, alert)])
            read["entered"], read["head"] = committed.verdicts, committed.head and committed.head.checkpoint
        return read


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    world = make_world()
    hub = Hub(world, new_hub(world, tmp_path_factory.mktemp("damaged")).data)
    hub.work(*(hub.alert(number) for number in range(ALERTS)))
    for name in ("log.db", "anchor.db"):
        db = open_connection(hub.folder / name)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
    return hub


def one_bit(data: bytearray, page: int, dice: random.Random) -> None:
    data[page * PAGE + dice.randrange(PAGE)] ^= 1 << dice.randrange(8)


def one_sector(data: bytearray, page: int, dice: random.Random) -> None:
    start = page * PAGE + 512 * dice.randrange(8)
    data[start : start + 512] = bytes(512)


def another_page(data: bytearray, page: int, dice: random.Random) -> None:
    other = (page + dice.randrange(1, len(data) // PAGE)) % (len(data) // PAGE)
    data[page * PAGE : (page + 1) * PAGE] = data[other * PAGE : (other + 1) * PAGE]


@pytest.mark.parametrize("damage", [one_bit, one_sector, another_page])
@pytest.mark.parametrize("name", ["log.db", "anchor.db"])
def test_damage_to_any_page_is_named_or_meets_nothing(
    hub: Hub, tmp_path: Path, name: str, damage: Callable[[bytearray, int, random.Random], None]
) -> None:
    good = (hub.folder / name).read_bytes()
    new, named = hub.alert(ALERTS), 0
    copy = Hub(hub.world, tmp_path / "whole")
    shutil.copytree(hub.folder, copy.folder)
    truth = copy.work(new)
    for page in range(len(good) // PAGE):
        data = bytearray(good)
        damage(data, page, random.Random(f"{name} {page}"))
        assert data != good
        copy = Hub(hub.world, tmp_path / str(page))
        shutil.copytree(hub.folder, copy.folder)
        (copy.folder / name).write_bytes(data)
        try:
            read = copy.work(new)
        except StorageTampered:
            named += 1
        else:
            assert read == truth, f"page {page + 1} of {name} was damaged, and something else was read"
    assert named > len(good) // PAGE // 2, "most pages are read by something"
