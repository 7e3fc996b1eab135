"""Both daemons' ends of a session against peers that say anything at all: it ends in good order, or goes on.

Nothing a peer says may be a case that the program was not written for, leave anything behind, or keep others waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from structlog.testing import capture_logs

from broker.channel import Heard
from broker.roster import Roster
from nodes.session import Session
from schemas.errors import CrossbearingError
from schemas.session.frames import (
    Blob,
    Bye,
    Cosign,
    Credit,
    Fetch,
    Frame,
    Hello,
    Publish,
    Result,
    ResultItem,
    SendReceipt,
    Submit,
    TreeHead,
    Upload,
    Uploaded,
    WitnessedHead,
    decode_frame,
    encode_frame,
)
from tests.support.directory import make_world
from tests.support.fake_hub import FakeHub, FakeLink, HubEnd, node_parts
from tests.support.hub import new_hub, running_hub
from tests.support.hub_core import HubCore
from tests.support.strange_messages import strange_messages

SENDER = "hk-customs"
SEEDS = range(150)
PATIENCE = 60.0
"""Seconds until a session that does not end fails the test."""
EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


class Scripted:
    """A `Channel` whose peer says what it is given, and then closes; what the hub says is kept."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._coming = list(messages)
        self.said: list[bytes] = []
        self.closed = False
        self.pings = 0

    async def receive(self) -> bytes | Heard:
        await asyncio.sleep(0)
        return self._coming.pop(0) if self._coming and not self.closed else Heard.END

    async def send(self, data: bytes) -> None:
        if self.closed:
            raise ConnectionError("closed")
        self.said.append(data)

    async def ping(self) -> None:
        self.pings += 1

    async def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def node_frames() -> list[Frame]:
    """One of each that a node sends, as good as they can be without being an honest node's."""
    core = HubCore(make_world())
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    return [
        alert,
        core.signed(core.receipt("sg-cnb", index)),
        SendReceipt(b"receipt", b"signature"),
        Submit(b"header", b"signature", b"body", (b"opener",)),
        Publish(SENDER, 2, core.world.bundle(SENDER, version=2).bundle),
        Upload(bytes(32), 0, 9, b"piece"),
        Fetch(bytes(32), 0),
        Fetch(bytes(8), 0),
        Credit(5),
        Cosign(5, b"lines"),
        Cosign(5, b""),
        Bye("fork", "another history"),
        Bye("", ""),
    ]


async def test_the_hub_ends_every_strange_session_and_serves_the_next(tmp_path: Path) -> None:
    world = make_world()
    hello = Hello(1, SENDER, 0, 0, EMPTY, 0, 4)
    frames = node_frames()
    async with running_hub(new_hub(world, tmp_path)) as hub:
        roster = Roster(hub.exchange)
        ended = set()
        with capture_logs() as logs:
            for seed in SEEDS:
                strange = list(strange_messages(seed, [hello, *frames] if seed % 5 == 0 else frames))
                channel = Scripted(strange if seed % 5 == 0 else [encode_frame(hello), *strange])
                async with asyncio.timeout(PATIENCE):
                    await roster.serve(SENDER, channel, lambda: None)
                assert channel.closed
                said = [decode_frame(data, sender="hub") for data in channel.said]
                assert not any(isinstance(frame, Bye) for frame in said[:-1]), "something was said after goodbye"
                ended |= {frame.code for frame in said if isinstance(frame, Bye)}
                assert SENDER not in hub.exchange.connected
        failed = [line for line in logs if line["event"] in {"session failed", "request failed"}]
        assert not failed, failed
        assert {"malformed", "protocol-error", ""} <= ended
        good = HubCore(world).alert(number=99)
        channel = Scripted([encode_frame(hello), encode_frame(good)])
        await roster.serve(SENDER, channel, lambda: None)
        assert hub.exchange.fault is None


async def test_strange_sessions_leave_no_task_behind(tmp_path: Path) -> None:
    frames = node_frames()
    hello = encode_frame(Hello(1, SENDER, 0, 0, EMPTY, 0, 4))
    async with running_hub(new_hub(make_world(), tmp_path)) as hub:
        roster = Roster(hub.exchange)
        for seed in range(20):
            await roster.serve(SENDER, Scripted([hello, *strange_messages(seed, frames)]), lambda: None)
        running = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
        assert running
        assert not [name for name in running if name.startswith(("Session", "Outgoing"))]


def hub_frames(hub: FakeHub) -> list[Frame]:
    """One of each that a hub sends, true or nearly so."""
    head = hub.log.note()
    return [
        hub.directory(),
        hub.directory(after=2),
        hub.block(hub.size - 1, proven=0),
        hub.block(hub.size - 1, proven=5, opener=False),
        hub.block(0, proven=hub.size),
        TreeHead(head, hub.proof(5), True),
        TreeHead(head, (), False),
        WitnessedHead(head, ()),
        Result((ResultItem(bytes(16), True, 7, "", "", ""),)),
        Result((ResultItem(bytes(16), False, 0, "quota", "too many", "wait"),)),
        Result(()),
        Uploaded(bytes(32), 9),
        Blob(bytes(32), 0, 9, b"piece"),
        Blob(bytes(16), 0, 0, b""),
        Bye("shutting-down", ""),
        Bye("storage-in-doubt", ""),
        Bye("no-such-code", "?"),
        Bye("", ""),
    ]


async def test_a_node_ends_every_strange_session_with_an_error_of_ours(tmp_path: Path) -> None:
    hub = FakeHub(make_world())
    hub.enter_alert()
    frames = hub_frames(hub)
    link = FakeLink(hub)
    outcomes = set()
    for batch in range(0, len(SEEDS), 15):  # a node that has seen a fork is another node afterwards
        home = tmp_path / str(batch)
        home.mkdir()
        async with node_parts(home, hub) as parts:
            for seed in SEEDS[batch : batch + 15]:
                session = Session(parts, await link.connect())
                end = await link.accepted()
                talking = asyncio.create_task(_tell(end, list(strange_messages(seed, frames)), greeted=seed % 5 != 0))
                with suppress(asyncio.CancelledError), capture_logs() as logs:
                    try:
                        async with asyncio.timeout(PATIENCE):
                            await session.run(await session.open())
                    except CrossbearingError as error:
                        outcomes.add(error.code)
                    assert not [line for line in logs if "exc_info" in line]
                await talking
    assert {"unreachable", "malformed", "protocol-error"} <= outcomes


async def _tell(end: HubEnd, messages: list[bytes], *, greeted: bool) -> None:
    """Say all of it, and close."""
    if greeted:
        await end.welcome()
    for message in messages:
        await end.send_raw(message)
    await end.close()
