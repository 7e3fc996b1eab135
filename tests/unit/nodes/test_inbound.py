from __future__ import annotations

import asyncio

import pytest

from nodes.inbound import Inbound, InboundFrame
from schemas.limits import MAX_BLOCK_ALERTS, MAX_BODY, MAX_INBOUND
from schemas.session.frames import Block, DirectoryUpdate, Item, Recovered, TreeHead, WitnessedHead

HEAD = TreeHead(b"note", (), both=False)
OTHERS: list[InboundFrame] = [
    DirectoryUpdate(b"note", (), ()),
    WitnessedHead(b"note", ()),
    Recovered(b"note", (), (), 0),
]


def block(alerts: int = 1, size: int = 1) -> Block:
    return Block(b"note", (), tuple(Item(index, b"entry", (), bytes(size), ()) for index in range(alerts)))


async def filled(*frames: InboundFrame) -> Inbound:
    inbound = Inbound()
    for frame in frames:
        await inbound.put(frame)
    return inbound


async def test_blocks_that_are_here_come_together_with_the_head_behind_them() -> None:
    inbound = await filled(block(1), block(2), HEAD, block(3), HEAD, HEAD)
    assert [await inbound.take() for _ in range(3)] == [[block(1), block(2), HEAD], [block(3), HEAD], [HEAD]]


@pytest.mark.parametrize("other", OTHERS)
async def test_other_frames_come_alone_and_in_their_turn(other: InboundFrame) -> None:
    inbound = await filled(block(1), other, other, block(2))
    assert [await inbound.take() for _ in range(4)] == [[block(1)], other, other, [block(2)]]


async def test_no_more_come_together_than_one_block_may_hold() -> None:
    whole = block(MAX_BLOCK_ALERTS)
    inbound = await filled(whole, block(1), block(MAX_BLOCK_ALERTS - 1), block(1))
    assert await inbound.take() == [whole]
    assert await inbound.take() == [block(1), block(MAX_BLOCK_ALERTS - 1)]
    large = block(1, MAX_BODY)
    inbound = await filled(large, block(1), block(1, MAX_BODY - 1))
    assert [await inbound.take() for _ in range(2)] == [[large], [block(1), block(1, MAX_BODY - 1)]]


async def test_who_takes_waits_for_a_frame_and_who_adds_for_room() -> None:
    inbound = Inbound()
    taking = asyncio.ensure_future(inbound.take())
    await asyncio.sleep(0)
    assert not taking.done()
    await inbound.put(HEAD)
    assert await taking == [HEAD]
    for _ in range(MAX_INBOUND):
        await inbound.put(HEAD)
    adding = asyncio.ensure_future(inbound.put(block(1)))
    await asyncio.sleep(0)
    assert not adding.done()
    assert [await inbound.take() for _ in range(MAX_INBOUND)] == [[HEAD]] * MAX_INBOUND
    await adding
    assert await inbound.take() == [block(1)]
