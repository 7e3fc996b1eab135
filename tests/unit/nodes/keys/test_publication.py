from __future__ import annotations

import asyncio

import pytest

from nodes.keys import publication
from nodes.keys.publication import Publications
from schemas.errors import Quota, Unreachable
from schemas.ids import sha256
from schemas.session.frames import Frame, Publish, ResultItem

FRAME = Publish("sg-cnb", 2, b"bundle")
REF = sha256(b"bundle")[:16]


class Line:
    """A session's way out."""

    def __init__(self, publications: Publications) -> None:
        self.sent: asyncio.Queue[Frame] = asyncio.Queue()
        self.task = asyncio.ensure_future(publications.run(self.sent.put))

    async def cut(self, publications: Publications) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        publications.fail()


async def started() -> tuple[Publications, Line]:
    publications = Publications()
    line = Line(publications)
    await asyncio.sleep(0)
    return publications, line


async def test_without_a_session_nothing_is_kept() -> None:
    with pytest.raises(Unreachable, match="not connected"):
        await Publications().publish(FRAME)


async def test_the_answer_is_the_index() -> None:
    publications, line = await started()
    asking = asyncio.ensure_future(publications.publish(FRAME))
    assert await line.sent.get() == FRAME
    assert publications.owns(REF)
    publications.settle(ResultItem(REF, True, 41, "", "", ""))
    assert await asking == 41
    assert not publications.owns(REF)
    await line.cut(publications)


async def test_a_refusal_is_raised_as_what_it_is() -> None:
    publications, line = await started()
    asking = asyncio.ensure_future(publications.publish(FRAME))
    await line.sent.get()
    publications.settle(ResultItem(REF, False, 0, "quota", "too many", "Wait."))
    with pytest.raises(Quota, match="too many"):
        await asking
    await line.cut(publications)


async def test_asking_twice_sends_once() -> None:
    publications, line = await started()
    both = asyncio.gather(publications.publish(FRAME), publications.publish(FRAME))
    await line.sent.get()
    publications.settle(ResultItem(REF, True, 7, "", "", ""))
    assert list(await both) == [7, 7]
    assert line.sent.empty()
    await line.cut(publications)


async def test_a_session_that_ends_leaves_nobody_waiting() -> None:
    publications, line = await started()
    asking = asyncio.ensure_future(publications.publish(FRAME))
    await line.sent.get()
    await line.cut(publications)
    with pytest.raises(Unreachable, match="ended before it answered") as refused:
        await asking
    assert "again" in refused.value.hint
    with pytest.raises(Unreachable, match="not connected"):
        await publications.publish(FRAME)


async def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "ANSWER_TIMEOUT", 0.0)
    publications, line = await started()
    with pytest.raises(Unreachable, match="did not answer"):
        await publications.publish(FRAME)
    publications.settle(ResultItem(REF, True, 7, "", "", ""))  # a late answer is known for what it is
    await line.cut(publications)
