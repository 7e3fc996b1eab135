"""The queue in front of a thread: the most urgent first, nobody for ever, and only so much of what can be refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from broker.lane import OLDEST_EVERY, RETRY_MS, Lane, Turn
from schemas.errors import Overloaded


class Held:
    """A lane whose thread is held until told to go on; `done` is what it did, in order."""

    def __init__(self) -> None:
        self.lane = Lane(ThreadPoolExecutor(1), {Turn.OUTSIDE: 2})
        self.gate = threading.Event()
        self.done: list[str] = []

    def ask(self, name: str, turn: Turn) -> asyncio.Task[str]:
        return asyncio.create_task(self.lane.run(lambda: self.do(name), turn))

    def do(self, name: str) -> str:
        self.gate.wait(10)
        self.done.append(name)
        return name


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    made = Held()
    yield made
    made.gate.set()
    made.lane.close()


async def test_what_is_urgent_waits_for_one_piece_of_work_and_no_more(held: Held) -> None:
    asked = [held.ask("first", Turn.PIECES)]
    await asyncio.sleep(0)
    asked += [held.ask(name, turn) for name, turn in [("a", Turn.OUTSIDE), ("b", Turn.PIECES), ("c", Turn.SESSION)]]
    asked.append(held.ask("flash", Turn.URGENT))
    await asyncio.sleep(0)
    held.gate.set()
    await asyncio.gather(*asked)
    assert held.done == ["first", "flash", "c", "b", "a"]


async def test_nobody_waits_for_ever(held: Held) -> None:
    asked = [held.ask("first", Turn.URGENT)]
    await asyncio.sleep(0)
    asked += [held.ask("old", Turn.OUTSIDE), *(held.ask("new", Turn.URGENT) for _ in range(3 * OLDEST_EVERY))]
    await asyncio.sleep(0)
    held.gate.set()
    await asyncio.gather(*asked)
    assert held.done.index("old") < OLDEST_EVERY


async def test_too_many_of_what_can_be_refused_are_refused(held: Held) -> None:
    asked = [held.ask("first", Turn.OUTSIDE)]
    await asyncio.sleep(0)
    asked += [held.ask("waits", Turn.OUTSIDE) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await held.lane.run(lambda: None, Turn.OUTSIDE)
    assert refused.value.retry_after == RETRY_MS
    asked.append(held.ask("urgent", Turn.URGENT))
    held.gate.set()
    await asyncio.gather(*asked)
    await held.lane.run(lambda: None, Turn.OUTSIDE)


async def test_what_fails_fails_alone(held: Held) -> None:
    held.gate.set()
    with pytest.raises(ZeroDivisionError):
        await held.lane.run(lambda: 1 // 0, Turn.SESSION)
    assert await held.lane.run(lambda: "next", Turn.SESSION) == "next"


async def test_who_left_is_not_served(held: Held) -> None:
    first = held.ask("first", Turn.SESSION)
    await asyncio.sleep(0)
    gone, stays = held.ask("gone", Turn.SESSION), held.ask("stays", Turn.SESSION)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    held.gate.set()
    await asyncio.gather(first, stays)
    assert held.done == ["first", "stays"]


async def test_closing_ends_what_waits(held: Held) -> None:
    first = held.ask("first", Turn.SESSION)
    await asyncio.sleep(0)
    waiting = held.ask("waits", Turn.SESSION)
    await asyncio.sleep(0)
    held.gate.set()
    held.lane.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await first == "first"
