from __future__ import annotations

import asyncio

import pytest

from nodes.waiting import until_first


class Works:
    def __init__(self) -> None:
        self.cancelled = 0

    async def forever(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def done() -> None:
    await asyncio.sleep(0)


async def failed() -> None:
    await asyncio.sleep(0)
    raise ValueError("the reason")


async def test_the_first_to_end_ends_the_others() -> None:
    works = Works()
    await until_first(works.forever(), done(), works.forever())
    assert works.cancelled == 2


async def test_what_the_first_raised_is_raised() -> None:
    works = Works()
    with pytest.raises(ValueError, match="the reason"):
        await until_first(works.forever(), failed())
    assert works.cancelled == 1


async def test_cancelling_it_cancels_all() -> None:
    works = Works()
    task = asyncio.create_task(until_first(works.forever(), works.forever()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert works.cancelled == 2
