from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.simulation.loop import Process, SimLoop, StalledError


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    made = SimLoop(Random(1))
    yield made
    for task in asyncio.all_tasks(made):
        made.lay_to_rest(task)
    made.close()


def test_an_hour_takes_no_time(loop: SimLoop) -> None:
    began = time.monotonic()
    loop.run_until_complete(asyncio.sleep(3_600))
    assert loop.time() == pytest.approx(3_600)
    assert time.monotonic() - began < 60


def test_timers_come_in_order_of_time(loop: SimLoop) -> None:
    seen: list[int] = []

    async def at(seconds: float, number: int) -> None:
        await asyncio.sleep(seconds)
        seen.append(number)

    async def all_of_them() -> None:
        await asyncio.gather(at(3, 3), at(1, 1), at(2, 2))

    loop.run_until_complete(all_of_them())
    assert seen == [1, 2, 3]


def test_waiting_for_nothing_is_an_error(loop: SimLoop) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StalledError):
        loop.run_until_complete(wait())


def test_one_executor_works_in_order_and_two_side_by_side(loop: SimLoop) -> None:
    seen: list[str] = []
    one, other = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    async def work() -> None:
        jobs = [loop.run_in_executor(one, seen.append, f"one {n}") for n in range(20)]
        jobs += [loop.run_in_executor(other, seen.append, f"other {n}") for n in range(20)]
        await asyncio.gather(*jobs)

    loop.run_until_complete(work())
    assert [what for what in seen if what.startswith("one")] == [f"one {n}" for n in range(20)]
    assert seen != sorted(seen), "they overlap"


def test_what_work_raises_reaches_who_waits(loop: SimLoop) -> None:
    async def work() -> None:
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)

    loop.run_until_complete(work())


def test_of_a_dead_process_nothing_runs_any_more(loop: SimLoop) -> None:
    seen: list[str] = []
    process = Process("one")

    async def life() -> None:
        asyncio.create_task(child())  # noqa: RUF006  # it dies with its process
        try:
            await asyncio.sleep(10)
            seen.append("lived")
        finally:
            seen.append("cleaned up")

    async def child() -> None:
        await loop.run_in_executor(None, lambda: seen.append("worked"))
        await asyncio.sleep(10)
        seen.append("child lived")

    async def story() -> None:
        loop.spawn(process, life())
        await asyncio.sleep(5)
        loop.bury(process)
        await asyncio.sleep(60)

    loop.run_until_complete(story())
    assert seen == ["worked"]


def test_what_is_outside_outlives_the_process_that_asked(loop: SimLoop) -> None:
    seen: list[str] = []
    process = Process("one")

    async def ask() -> None:
        loop.outside(10, lambda: seen.append("came"))
        loop.call_later(10, lambda: seen.append("never"))

    async def story() -> None:
        await loop.spawn(process, ask())
        loop.bury(process)
        await asyncio.sleep(60)

    loop.run_until_complete(story())
    assert seen == ["came"]
