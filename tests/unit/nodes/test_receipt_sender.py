from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodes.receipt_sender import ReceiptSender
from nodes.session import Parts
from nodes.store.database import Tables
from nodes.store.receipts import SignedReceipt, receipt_ref
from schemas.limits import RECEIPT_WINDOW
from schemas.session.frames import Frame, ResultItem, SendReceipt
from tests.support.directory import NOW
from tests.support.fake_hub import FakeHub, eventually, node_parts


def receipt(number: int) -> SignedReceipt:
    data = b"receipt %03d" % number
    return SignedReceipt(receipt_ref(data), data, bytes(64))


def accepted(number: int) -> ResultItem:
    return ResultItem(receipt(number).ref, True, 7, "", "", "")


class Line:
    """A sender under way; `sent` are the numbers of the receipts that went out."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.sent: list[int] = []
        self.sender = ReceiptSender(
            store=parts.store, standing=parts.standing, identity=parts.identity, send=self._send, clock=parts.clock
        )

    async def _send(self, frame: Frame) -> None:
        assert isinstance(frame, SendReceipt)
        self.sent.append(int(frame.receipt[-3:]))

    async def keep(self, *numbers: int, tell: bool = False) -> None:
        """Commit receipts as the receiver does, or as somebody else."""

        def commit(tables: Tables) -> None:
            for number in numbers:
                tables.receipts.keep([receipt(number)], now=NOW + number, tell=tell)

        await self.parts.store.write(commit)

    async def until_sent(self, *numbers: int) -> None:
        async def look() -> bool:
            await self.parts.store.read(lambda tables: None)
            return self.sent == list(numbers)

        await eventually(look)

    async def held(self) -> int:
        return await self.parts.store.read(lambda tables: tables.receipts.count())


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with node_parts(tmp_path, FakeHub()) as parts:
        yield Line(parts)


@asynccontextmanager
async def running(line: Line) -> AsyncIterator[None]:
    task = asyncio.create_task(line.sender.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_handed_over_is_sent_once(line: Line) -> None:
    await line.keep(0)
    async with running(line):
        await line.until_sent(0)  # it was there before the session
        await line.keep(1, 2)
        line.sender.offer([receipt(1), receipt(2)])
        await line.sender.flush()
        assert line.sent == [0, 1, 2]
        await line.keep(3, tell=True)
        await line.until_sent(0, 1, 2, 3)  # the store was read, and what is under way not sent again


async def test_nothing_is_sent_by_a_session_that_sends_no_receipts(line: Line) -> None:
    await line.keep(0)
    line.sender.offer([receipt(0)])
    await line.sender.flush()
    assert line.sent == []


async def test_the_window_holds_for_what_is_handed_over_too(line: Line) -> None:
    numbers = range(RECEIPT_WINDOW + 2)
    await line.keep(*numbers)
    async with running(line):
        await line.until_sent(*range(RECEIPT_WINDOW))
        line.sender.offer([receipt(RECEIPT_WINDOW)])
        await line.sender.flush()
        assert len(line.sent) == RECEIPT_WINDOW
        await line.sender.settle([accepted(0)])
        await line.until_sent(*range(RECEIPT_WINDOW + 1))
        await line.sender.settle([accepted(1)])
        await line.until_sent(*numbers)


async def test_more_than_a_window_handed_over_is_left_to_the_store(line: Line) -> None:
    numbers = range(2 * RECEIPT_WINDOW + 1)
    async with running(line):
        await line.keep(*numbers)
        line.sender.offer([receipt(number) for number in numbers])
        await line.sender.flush()
        for done in numbers:
            await line.until_sent(*numbers[: done + RECEIPT_WINDOW])
            await line.sender.settle([accepted(done)])


async def test_an_accepted_receipt_goes_with_the_next_commit_or_soon_by_itself(line: Line) -> None:
    await line.keep(0, 1)
    async with running(line):
        await line.until_sent(0, 1)
        await line.sender.settle([accepted(0)])
        assert line.sender.answered() == (receipt(0).ref,)
        assert await line.held() == 2
        assert not line.sender.owns(receipt(0).ref)
        await line.keep(2, tell=True)
        await line.until_sent(0, 1, 2)  # the store holds the accepted one still, and it is not sent again
        await eventually(lambda: _is(line, 2))
        assert line.sender.answered() == ()


async def test_what_others_committed_costs_no_commit_of_its_own(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.receipt_sender.SETTLE_AFTER", 0.02)
    await line.keep(0, 1)
    async with running(line):
        await line.until_sent(0, 1)
        await line.sender.settle([accepted(0)])
        await line.parts.store.read(lambda _: None)  # time enough to see it
        line.sender.deleted([receipt(0).ref])  # as whoever commits it says
        await line.sender.settle([accepted(1)])
        await eventually(lambda: _is(line, 1))  # by itself, and only what nobody else committed
        assert line.sender.answered() == ()


async def _is(line: Line, count: int) -> bool:
    return await line.held() == count


async def test_a_refusal_is_acted_upon_at_once_and_an_acceptance_beside_it_is_not_lost(line: Line) -> None:
    await line.keep(0, 1)
    async with running(line):
        await line.until_sent(0, 1)
        gone = ResultItem(receipt(1).ref, False, 0, "quota", "too many", "", 3_600_000)
        await line.sender.settle([accepted(0), gone])
        rows = await line.parts.store.read(lambda tables: tables.receipts.all())
        assert [(row.receipt, row.attempts) for row in rows] == [(b"receipt 000", 0), (b"receipt 001", 1)]
        assert line.sender.answered() == (receipt(0).ref,)
        assert not line.sender.owns(receipt(1).ref)


async def test_with_the_window_full_what_is_due_is_waited_for_and_not_looked_for_again_and_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []
    timeout = asyncio.timeout

    def noted(seconds: float | None) -> asyncio.Timeout:
        waits.append(seconds)
        return timeout(seconds)

    await line.keep(*range(RECEIPT_WINDOW + 1))
    last = receipt(RECEIPT_WINDOW).ref
    soon = line.parts.clock() + 20
    await line.parts.store.write(lambda tables: tables.receipts.postpone(last, not_before=soon))
    async with running(line):
        await line.until_sent(*range(RECEIPT_WINDOW))
        monkeypatch.setattr(asyncio, "timeout", noted)
        await eventually(lambda: line.parts.store.read(lambda _: line.parts.clock() > soon + 50))
        assert len(waits) < 5
        monkeypatch.undo()
        await line.sender.settle([accepted(0)])
        await line.until_sent(*range(RECEIPT_WINDOW + 1))
