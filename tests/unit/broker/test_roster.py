"""Sessions over a channel in memory: what cannot be timed on a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from broker.channel import Heard
from broker.hub import Hub
from broker.roster import Roster
from schemas.log.merkle import EMPTY_ROOT
from schemas.session.frames import Bye, Frame, Hello, Result, decode_frame, encode_frame
from tests.support.directory import make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import new_hub, running_hub
from tests.support.hub_core import submission
from tests.support.wait import until_async

AGENCY = "hk-customs"


class MemoryChannel:
    """The hub's end; `say` is what the node sends, `heard` what came to it."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[bytes | Heard] = asyncio.Queue()
        self.heard: list[Frame] = []
        self.closed = False
        self.broken = False

    def say(self, *frames: Frame) -> None:
        for frame in frames:
            self._said.put_nowait(encode_frame(frame))

    async def receive(self) -> bytes | Heard:
        return await self._said.get()

    async def send(self, data: bytes) -> None:
        if self.broken:
            raise ConnectionResetError("the connection is gone")
        self.heard.append(decode_frame(data, sender="hub"))

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def hello() -> Hello:
    return Hello(1, AGENCY, 0, 0, EMPTY_ROOT, 0, 16)


async def test_an_answer_that_comes_after_the_nodes_goodbye_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    async with running_hub(new_hub(world, tmp_path)) as hub:
        logged = asyncio.Event()

        async def contradicted(witness: str, what: str, files: Mapping[str, bytes]) -> None:
            """Takes as long as the log takes for what was submitted before."""
            await logged.wait()
            for _ in range(20):
                await asyncio.sleep(0)

        monkeypatch.setattr(hub.exchange, "contradicted", contradicted)
        channel = MemoryChannel()
        alert = submission(*seal_alert(world, make_alert(world, AGENCY)))
        channel.say(hello(), alert, Bye("fork", "two histories"))
        with capture_logs() as logs:
            serving = asyncio.create_task(Roster(hub.exchange).serve(AGENCY, channel, lambda: None))
            await _logged(hub)
            logged.set()
            await asyncio.wait_for(serving, 10)
    assert not [entry for entry in logs if entry["event"] == "session failed"]
    assert not any(isinstance(frame, Result) for frame in channel.heard)


async def test_a_newcomer_that_is_gone_before_it_is_refused_disturbs_nobody(tmp_path: Path) -> None:
    async with running_hub(new_hub(make_world(), tmp_path)) as hub:
        roster, first, second = Roster(hub.exchange), MemoryChannel(), MemoryChannel()
        first.say(hello())
        serving = asyncio.create_task(roster.serve(AGENCY, first, lambda: None))
        await until_async(lambda: hub.exchange.connected)
        second.broken = True
        answering = asyncio.create_task(_answer(first))
        await asyncio.wait_for(roster.serve(AGENCY, second, lambda: None), 10)
        assert second.closed
        assert hub.exchange.connected == [AGENCY]
        answering.cancel()
        first.say(Bye("", ""))
        await asyncio.wait_for(serving, 10)


async def _answer(channel: MemoryChannel) -> None:
    while True:
        channel._said.put_nowait(Heard.LIFE)
        await asyncio.sleep(0)


async def _logged(hub: Hub) -> None:
    size = hub.exchange.head.size
    await until_async(lambda: hub.exchange.head.size > size)
