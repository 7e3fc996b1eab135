"""A node killed at any instant: whatever was committed so far is all that is left, and nothing is lost or shown twice.

One run is played against a hub in memory, and the store's files are copied after every commit, the hub with them. Then
a node is started from each copy, as after a SIGKILL just then, and in the end all must be as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nodes.exchange import Exchange
from nodes.store.alerts import Filter
from nodes.store.database import Database
from schemas.alert.document import Alert, encode_alert
from schemas.envelope.header import decode_header
from schemas.ids import sha256
from schemas.log.entry import AlertEntry, ReceiptEntry, decode_entry
from schemas.log.receipt import decode_receipt
from schemas.session.frames import Result, ResultItem, SendReceipt, Submit
from tests.support.directory import NOW
from tests.support.envelope import make_alert
from tests.support.fake_hub import FakeHub, FakeLink, HubEnd, eventually, header_id, id_of, node_parts

ME = "sg-cnb"
INCOMING = 3
OUTGOING = 3


class HonestHub:
    """Plays the hub's part in full: takes submissions once, delivers what has no receipt, logs receipts."""

    def __init__(self) -> None:
        self.hub = FakeHub()
        self.incoming = [self.hub.enter_alert() for _ in range(INCOMING)]
        self.logged: dict[bytes, tuple[int, bytes]] = {}
        self.receipts: dict[bytes, int] = {}

    def copy(self) -> HonestHub:
        """The hub as it is now, to go its own way."""
        other = HonestHub.__new__(HonestHub)
        other.hub = FakeHub(self.hub.world, self.hub.clock)
        other.hub.log.leaves = list(self.hub.log.leaves)
        other.hub.bodies, other.hub.openers = dict(self.hub.bodies), dict(self.hub.openers)
        other.incoming, other.logged, other.receipts = self.incoming, dict(self.logged), dict(self.receipts)
        return other

    async def serve(self, link: FakeLink) -> None:
        """One session after the other."""
        while True:
            end = await link.accepted()
            await end.catch_up()
            waiting = [index for index in self.incoming if index not in self.receipted()]
            if waiting:
                await end.block(*waiting)
            while (frame := await end.next()) is not None:
                if isinstance(frame, Submit):
                    await self._submitted(end, frame)
                elif isinstance(frame, SendReceipt):
                    await self._receipt(end, frame)

    async def _submitted(self, end: HubEnd, submit: Submit) -> None:
        known = self.logged.get(header_id(submit))
        if known is None:
            index = self.hub.admit(submit)
            self.logged[header_id(submit)] = (index, submit.header)
        else:
            index, header = known
            assert header == submit.header, "the same alert came with other bytes after it was logged"
        await end.send(Result((ResultItem(header_id(submit), True, index, "", "", ""),)))

    async def _receipt(self, end: HubEnd, frame: SendReceipt) -> None:
        ref = sha256(frame.receipt)[:16]
        if ref not in self.receipts:
            version = self.hub.world.directory.version
            self.receipts[ref] = self.hub.enter(ReceiptEntry(self.hub.clock(), version, frame.receipt, frame.signature))
        await end.send(Result((ResultItem(ref, True, self.receipts[ref], "", "", ""),)))

    def receipted(self) -> set[int]:
        """The alerts that a logged receipt by the node names."""
        entries = map(decode_entry, self.hub.log.leaves)
        receipts = [decode_receipt(entry.receipt) for entry in entries if isinstance(entry, ReceiptEntry)]
        return {item.index for receipt in receipts for item in receipt.items}

    def sent(self) -> list[bytes]:
        """The ids of the node's alerts in the log, in order."""
        entries = [decode_entry(leaf) for leaf in self.hub.log.leaves]
        headers = [decode_header(entry.header) for entry in entries if isinstance(entry, AlertEntry)]
        return [header.id for header in headers if header.sender == ME]


@asynccontextmanager
async def meeting(parts: Any, honest: HonestHub) -> AsyncIterator[None]:
    """The node and the hub are in touch."""
    link = FakeLink(honest.hub)
    tasks = [asyncio.create_task(Exchange(parts, link).run()), asyncio.create_task(honest.serve(link))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def finish(home: Path, honest: HonestHub, composed: list[Alert]) -> None:
    """Let a node at `home` and the hub settle everything, and look at the outcome."""
    async with node_parts(home, honest.hub, ME) as parts:

        def settled(tables: Any) -> bool:
            waiting: int = tables.outbox.count_waiting() + tables.receipts.count()
            received: int = tables.alerts.count("in")
            return waiting == 0 and received == INCOMING

        async with meeting(parts, honest):
            await eventually(lambda: parts.store.read(settled))
        inbox = await parts.store.read(lambda t: t.alerts.page(Filter("in")))
        sent = await parts.store.read(lambda t: t.alerts.page(Filter("out")))
        arrivals = [e for e in await parts.store.read(lambda t: t.events.after(0)) if e.type == "alert"]
    assert sorted(row.index or 0 for row in inbox) == honest.incoming
    assert len(arrivals) == INCOMING
    assert {row.id for row in sent} == {id_of(alert) for alert in composed}
    assert {row.state for row in sent} == {"accepted"}
    assert {row.id: row.index for row in sent} == {alert: index for alert, (index, _) in honest.logged.items()}
    assert sorted(honest.sent()) == sorted(id_of(alert) for alert in composed)
    assert honest.receipted() == set(honest.incoming)


async def test_a_kill_after_any_commit_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    honest = HonestHub()
    composed = [make_alert(honest.hub.world, ME, number=n, to=["hk-customs"]) for n in range(OUTGOING)]
    copies: list[tuple[Path, HonestHub]] = []
    write_all = Database.write_all

    def copying(self: Database, works: Any) -> Any:
        outcome = write_all(self, works)
        copies.append((tmp_path / f"killed-{len(copies)}", honest.copy()))
        shutil.copytree(home, copies[-1][0])
        return outcome

    async with node_parts(home, honest.hub, ME) as parts:
        for alert in composed:
            wire = encode_alert(alert)
            await parts.store.write(lambda t, a=alert, w=wire: t.outbox.add(a, w, recipients=["hk-customs"], now=NOW))  # type: ignore[misc]
        with monkeypatch.context() as patch:
            patch.setattr(Database, "write_all", copying)
            async with meeting(parts, honest):
                await eventually(lambda: parts.store.read(lambda t: t.outbox.count_waiting() == 0))
                await eventually(lambda: parts.store.read(lambda t: t.alerts.count("in") == INCOMING))
                await eventually(lambda: parts.store.read(lambda t: t.receipts.count() == 0))
    assert len(copies) > 5
    for left, hub in [(home, honest), *copies]:
        await finish(left, hub, composed)
