from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from broker.channel import Heard
from schemas.errors import Unreachable
from tests.simulation.loop import SimLoop
from tests.simulation.network import WINDOW, HubChannel, Line, NodeConnection, Wire

Story = Callable[[Wire, NodeConnection, HubChannel], Coroutine[Any, Any, None]]


def play(story: Story) -> None:
    """Have a connection, and tell a story of it."""
    loop = SimLoop(Random(1))
    line = Line("hk-customs", Random(2))

    async def begin() -> None:
        wire = Wire(loop, line, 1)
        await story(wire, NodeConnection(wire.node), HubChannel(wire.hub, lambda _: None, lambda data: data))

    loop.run_until_complete(begin())
    loop.close()


def test_messages_keep_their_order_through_any_delay() -> None:
    async def story(wire: Wire, node: NodeConnection, hub: HubChannel) -> None:
        for number in range(50):
            wire.line.delay = 5.0 if number % 7 == 0 else 0.01
            await node.send(bytes([number]))
            if number == 20:
                wire.line.stalled_until = wire.loop.time() + 60
        assert [await hub.receive() for _ in range(50)] == [bytes([number]) for number in range(50)]
        assert wire.loop.time() >= 60

    play(story)


def test_a_sender_waits_for_a_reader_that_does_not_read() -> None:
    async def story(wire: Wire, node: NodeConnection, hub: HubChannel) -> None:
        await hub.send(bytes(WINDOW))
        more = asyncio.create_task(hub.send(b"more"))
        await asyncio.sleep(15)
        assert not more.done()
        assert len(await node.receive() or b"") == WINDOW
        await asyncio.wait_for(more, 1)

    play(story)


def test_a_cut_is_heard_by_both_and_loses_what_was_on_its_way() -> None:
    async def story(wire: Wire, node: NodeConnection, hub: HubChannel) -> None:
        await node.send(b"lost")
        wire.cut()
        assert await node.receive() is None
        assert await hub.receive() is Heard.END
        with pytest.raises(Unreachable):
            await node.send(b"x")
        with pytest.raises(ConnectionError):
            await hub.send(b"x")

    play(story)


def test_a_good_end_comes_after_what_was_sent_before() -> None:
    async def story(wire: Wire, node: NodeConnection, hub: HubChannel) -> None:
        await hub.send(b"last words")
        await hub.close()
        assert await node.receive() == b"last words"
        assert await node.receive() is None

    play(story)


def test_a_half_open_connection_is_noticed_by_the_node_through_its_heartbeat() -> None:
    async def story(wire: Wire, node: NodeConnection, hub: HubChannel) -> None:
        wire.leave_half_open("hub")
        assert await node.receive() is None
        assert 20 < wire.loop.time() < 60

    play(story)


def test_a_silent_connection_lives_while_the_other_side_answers() -> None:
    async def story(wire: Wire, node: NodeConnection, hub: HubChannel) -> None:
        reading = asyncio.create_task(node.receive())
        answering = asyncio.create_task(_read(hub))
        await asyncio.sleep(600)
        assert not reading.done()
        assert not answering.done()
        answering.cancel()
        reading.cancel()

    play(story)


def test_a_dark_connection_takes_everything_and_gives_nothing() -> None:
    async def story(wire: Wire, node: NodeConnection, hub: HubChannel) -> None:
        wire.go_dark()
        await node.send(b"x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hub.receive(), 300)

    play(story)


async def _read(hub: HubChannel) -> None:
    while await hub.receive() is not Heard.END:
        pass
