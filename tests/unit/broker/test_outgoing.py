"""What one session sends next: the order of frames, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.committer import Head
from broker.draft import Work
from broker.metrics import Metrics
from broker.outgoing import Outgoing
from broker.parcel import ParcelCache
from broker.shipping import Shipping
from broker.witnessing import Witnessing
from schemas.envelope.opening import trust_checkpoint
from schemas.session.frames import Block, Frame, Hello, Result, ResultItem, TreeHead, WitnessedHead
from tests.support.directory import World, make_world
from tests.support.hub_core import HubCore

SENDER, RECIPIENT = "hk-customs", "sg-cnb"
CREDIT = 1_000

_T = TypeVar("_T")


class Ashore:
    """As much of an exchange as a session's sending side needs, over a hub's core."""

    def __init__(self, world: World, budget: int) -> None:
        self.core = HubCore(world)
        self.cache = ParcelCache(1 << 20)
        self.shipping = Shipping(self.core.engine, self.core.tree, self.cache, budget=budget)
        self.witnessing = Witnessing(lambda: world.directory, lambda: None)
        self.metrics = Metrics()
        self.clock = self.core.clock
        self.busy: Callable[[], object] = lambda: None
        """Called while something is read."""

    @property
    def head(self) -> Head:
        assert self.core.committer._head is not None
        return self.core.committer._head

    async def read(self, function: Callable[[], _T], *_: object) -> _T:
        result = function()
        self.busy()
        return result


class Scene:
    """A session with `agency`, whose node cosigns at once and checks that proofs follow upon each other."""

    def __init__(self, agency: str = RECIPIENT, *, budget: int = 1_000_000) -> None:
        self.world = make_world()
        self.hub = Ashore(self.world, budget)
        self.woken = 0
        self.number = 0
        checkpoint = self.held = self.hub.head.checkpoint
        hello = Hello(1, agency, self.hub.head.directory, checkpoint.size, checkpoint.root, checkpoint.size, CREDIT)
        self.outgoing = Outgoing(self.hub, hello, self._wake)  # type: ignore[arg-type]  # see `Ashore`

    def _wake(self) -> None:
        self.woken += 1

    def alert(self) -> int:
        """An alert for the agency is logged."""
        self.number += 1
        alert = self.hub.core.alert(SENDER, number=self.number)
        (entered,) = self.hub.core.commit(Work(SENDER, alert)).entered
        assert entered.parcel is not None
        self.hub.cache.put(entered.parcel)
        (rank,) = {delivery.rank for delivery in entered.changes.deliveries}
        self.outgoing.logged((rank, entered.index))
        return entered.index

    def other(self) -> None:
        """Something is logged that does not concern the agency."""
        self.number += 1
        self.hub.core.accepted(SENDER, self.hub.core.alert(SENDER, number=self.number, to=["au-abf"]))

    def begin(self) -> None:
        """A round of cosigning begins."""
        self.hub.witnessing.begin(self.hub.head, both=False)

    def show(self) -> None:
        """The checkpoint that the node holds has its quorum."""
        self.hub.witnessing.shown = (self.hub.head.size, self.hub.head.note)

    async def next(self) -> Frame | None:
        """The next frame, as the node takes it in."""
        frame = await self.outgoing.next_frame(CREDIT)
        if isinstance(frame, Block | TreeHead):
            keys = self.world.directory.log_keys()
            trusted = trust_checkpoint(
                frame.checkpoint, origin=self.world.origin, keys=keys, held=self.held, proof=frame.proof
            )
            self.held = trusted.checkpoint
        if isinstance(frame, TreeHead):
            self.outgoing.cosigned()
        return frame

    async def idle(self) -> Scene:
        """The scene, once the session has looked for what waited before it."""
        assert await self.kinds() == []
        return self

    async def kinds(self) -> list[type[Any]]:
        """What is sent until there is nothing more."""
        found = []
        while (frame := await self.next()) is not None:
            found.append(type(frame))
        return found


async def test_an_alert_goes_ahead_of_the_question_about_its_checkpoint() -> None:
    scene = await Scene().idle()
    scene.alert()
    scene.begin()
    assert await scene.kinds() == [Block, TreeHead]


async def test_a_question_about_an_earlier_checkpoint_goes_first() -> None:
    """It could not be asked any more once the node stands on the alert's."""
    scene = await Scene().idle()
    scene.begin()
    scene.alert()
    assert await scene.kinds() == [TreeHead, Block]


async def test_a_question_stands_back_once() -> None:
    scene = await Scene().idle()
    scene.alert()
    scene.begin()
    assert isinstance(await scene.next(), Block)
    scene.alert()
    assert await scene.kinds() == [TreeHead, Block]
    scene.alert()
    scene.begin()
    assert await scene.kinds() == [Block, TreeHead]


async def test_a_question_stands_back_once_for_a_backlog_too() -> None:
    scene = await Scene(budget=1).idle()
    for _ in range(3):
        scene.alert()
    scene.begin()
    assert await scene.kinds() == [Block, TreeHead, Block, Block]


async def test_a_question_is_asked_though_the_log_grew_while_an_alert_was_read() -> None:
    scene = await Scene().idle()
    scene.outgoing.noticed()
    scene.alert()
    scene.begin()
    scene.hub.busy = scene.other
    assert isinstance(await scene.next(), Block)
    assert await scene.kinds() == [TreeHead]


async def test_a_question_is_asked_at_once_when_what_waited_has_expired() -> None:
    scene = await Scene().idle()
    scene.alert()
    scene.begin()
    scene.hub.clock.now += 365 * 86_400_000
    assert await scene.kinds() == [TreeHead]


async def test_a_cosigned_checkpoint_stands_back_once() -> None:
    scene = await Scene().idle()
    scene.alert()
    assert await scene.kinds() == [Block]
    scene.show()
    scene.alert()
    assert isinstance(await scene.next(), Block)
    scene.alert()
    assert await scene.kinds() == [WitnessedHead, Block]


async def test_a_session_that_begins_is_asked_before_what_waits_is_looked_for() -> None:
    scene = Scene()
    scene.alert()
    scene.begin()
    assert await scene.kinds() == [TreeHead, Block]


async def test_an_answer_to_a_receipt_goes_behind_the_next_frame() -> None:
    scene = await Scene().idle()
    scene.outgoing.answers.tell_in_company(ResultItem(bytes(16), True, 9, "", "", ""))
    assert await scene.kinds() == []
    scene.alert()
    assert await scene.kinds() == [Block, Result]


async def test_both_checkpoints_stand_back_for_one_alert_each_at_most() -> None:
    scene = await Scene().idle()
    scene.alert()
    assert await scene.kinds() == [Block]
    scene.show()
    scene.alert()
    scene.begin()
    sent = []
    for _ in range(4):
        sent.append(type(await scene.next()))
        scene.alert()
    assert sent == [Block, TreeHead, Block, WitnessedHead]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["alert", "alerts", "other", "round", "send", "send"]), max_size=40), st.booleans())
def test_every_round_reaches_a_node_that_takes_two_frames_of_it(steps: list[str], reading: bool) -> None:
    asyncio.run(_reaches(steps, reading))


async def _reaches(steps: list[str], reading: bool) -> None:
    scene = await Scene(budget=1).idle()  # so that each alert takes a frame
    waited = 0  # frames sent since a round began that did not bring it
    if reading:
        scene.hub.busy = scene.other
        scene.outgoing.noticed()
    for step in steps:
        match step:
            case "alert":
                scene.alert()
            case "alerts":
                for _ in range(3):
                    scene.alert()
            case "other":
                scene.other()
            case "round" if scene.hub.witnessing.newest is None or waited == 0:
                scene.begin()
                waited = 1
            case "send" if waited:
                waited = 0 if isinstance(await scene.next(), TreeHead) else waited + 1
                assert waited <= 2
            case "send":
                await scene.next()
