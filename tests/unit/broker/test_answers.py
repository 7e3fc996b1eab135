"""Answers to one node's submissions: told at once, or in company."""

from __future__ import annotations

import asyncio

import pytest

from broker import answers as module
from broker.answers import HELD, RESULTS, Answers
from schemas.limits import RECEIPT_WINDOW
from schemas.session.frames import ResultItem


def item(number: int) -> ResultItem:
    return ResultItem(number.to_bytes(16, "big"), True, number, "", "", "")


class Scene:
    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.answers = Answers(self.woken.set)

    def told(self) -> list[int]:
        """The indexes in the next frame."""
        frame = self.answers.take()
        return [item.index for item in frame.items] if frame is not None else []


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_an_answer_is_told_at_once_and_takes_along_what_waits(scene: Scene) -> None:
    scene.answers.tell_in_company(item(1))
    assert (scene.woken.is_set(), scene.answers.due, len(scene.answers)) == (False, False, 1)
    scene.answers.tell(item(2))
    assert (scene.woken.is_set(), scene.answers.due, len(scene.answers)) == (True, True, 2)
    assert sorted(scene.told()) == [1, 2]
    assert (scene.answers.due, len(scene.answers), scene.told()) == (False, 0, [])


async def test_what_waits_goes_with_whatever_is_sent(scene: Scene) -> None:
    scene.answers.tell_in_company(item(1))
    scene.answers.join()
    assert scene.answers.due
    assert scene.told() == [1]


async def test_enough_of_them_do_not_wait(scene: Scene) -> None:
    for number in range(HELD):
        assert not scene.woken.is_set()
        scene.answers.tell_in_company(item(number))
    assert scene.woken.is_set()
    assert scene.told() == list(range(HELD))
    assert 2 * HELD < RECEIPT_WINDOW, "the node goes on meanwhile"


async def test_nothing_waits_for_long_and_nobody_is_woken_for_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD_SECONDS", 0.01)
    scene.answers.tell_in_company(item(1))
    async with asyncio.timeout(10):
        await scene.woken.wait()
    assert scene.told() == [1]
    scene.woken.clear()
    monkeypatch.setattr(module, "HELD_SECONDS", 1_000)
    scene.answers.tell_in_company(item(2))
    assert scene.told() == [2]
    assert scene.answers._timer is None


async def test_a_frame_has_so_many_at_most(scene: Scene) -> None:
    for number in range(RESULTS + 1):
        scene.answers.tell(item(number))
    assert (len(scene.told()), scene.told(), scene.told()) == (RESULTS, [RESULTS], [])
