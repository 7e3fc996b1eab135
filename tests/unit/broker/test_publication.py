"""Checkpoints as the world sees them: signed twice by the log, cosigned over the sessions, shown back with a quorum."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from broker.draft import Work
from broker.hub import Hub
from schemas.directory.witness_policy import policy_of
from schemas.directory.witnesses import Witnesses
from schemas.log.checkpoint import parse_checkpoint, verify_signers
from schemas.log.note import ML_DSA_44, parse_note
from schemas.log.witnessed import read_witnessed
from schemas.session.frames import Block, Bye, TreeHead, WitnessedHead
from tests.support.cosigning import cosigner_of
from tests.support.directory import World, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import HubClient, HubClosedError, client_tls, connect
from tests.support.hub_core import submission
from tests.support.wait import until_async

AGENCIES = ("au-abf", "hk-customs", "sg-cnb")


class Scene:
    def __init__(self, world: World, hub: Hub, folder: Path, stack: AsyncExitStack) -> None:
        self.world, self.hub, self.folder, self._stack = world, hub, folder, stack

    async def node(self, agency: str, *, cosigns: bool = True, signs_as: str | None = None) -> HubClient:
        """A node that has answered the question that every session begins with."""
        client = await self._stack.enter_async_context(
            connect(self.world, agency, self.hub.server.address, self.folder)
        )
        if cosigns:
            client.cosigner = cosigner_of(signs_as or agency, self.world.origin)
        await client.hello()
        await client.expect(TreeHead)
        return client

    async def get(self, path: str) -> tuple[int, bytes]:
        url = f"https://{self.hub.server.address}/{path}"
        tls = client_tls(self.folder, "auditor-1")
        async with aiohttp.ClientSession() as session, session.get(url, ssl=tls) as response:
            return response.status, await response.read()

    def sample(self, name: str) -> float | None:
        return self.hub.exchange.metrics.registry.get_sample_value(f"crossbearing_{name}")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    world = make_world(AGENCIES, witnesses=Witnesses(2))
    config = new_hub(world, tmp_path, quorum_seconds=1)
    async with running_hub(config) as hub, AsyncExitStack() as stack:
        yield Scene(world, hub, tmp_path, stack)


async def test_a_checkpoint_carries_both_signatures_of_the_log(scene: Scene) -> None:
    status, note = await scene.get("checkpoint")
    keys = scene.world.directory.log_keys()
    assert status == 200
    signed = verify_signers(note, keys)
    assert [line.name for line in signed.signatures] == [scene.world.origin] * 2
    assert ML_DSA_44 in {key.type for key in keys}
    assert parse_checkpoint(signed.text) == scene.hub.exchange.head.checkpoint


async def test_who_asks_while_a_round_is_being_signed_waits_for_the_second_signature(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, publication = scene.hub.exchange, scene.hub.publication
    await publication.checkpoint()
    read, slow, signed = exchange.read, asyncio.Event(), []

    async def late(work: Callable[[], object]) -> object:
        await slow.wait()
        signed.append(work)
        return await read(work)

    monkeypatch.setattr(exchange, "read", late)
    begun = exchange.witnessing.begin(exchange.head, both=True)
    asked = [asyncio.ensure_future(publication.checkpoint()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in asked)
    slow.set()
    notes = await asyncio.gather(*asked)
    assert len(signed) == 1
    assert notes == [begun.note] * 2
    assert len(parse_note(begun.note).signatures) == 2


async def test_nodes_make_a_quorum_and_are_shown_it(scene: Scene) -> None:
    assert (await scene.get("witnessed"))[0] == 404
    first = await scene.node("hk-customs")
    second = await scene.node("sg-cnb")
    shown = await first.expect(WitnessedHead)
    witnessed = read_witnessed(shown.checkpoint, policy_of(scene.world.directory), origin=scene.world.origin)
    assert witnessed.reached
    assert witnessed.checkpoint == scene.hub.exchange.head.checkpoint
    await second.expect(WitnessedHead)
    status, note = await scene.get("witnessed")
    assert (status, parse_note(note).text) == (200, parse_note(shown.checkpoint).text)
    assert note == (await scene.get("checkpoint"))[1]


async def log_an_alert(scene: Scene) -> None:
    alert = submission(*seal_alert(scene.world, make_alert(scene.world, "hk-customs"), now=scene.hub.exchange.clock()))
    assert isinstance(await scene.hub.exchange.submit(Work("hk-customs", alert)), int)


async def test_a_round_that_is_due_begins_with_an_alert(scene: Scene) -> None:
    node = await scene.node("sg-cnb")
    scene.hub.publication._round_at = asyncio.get_running_loop().time()
    await log_an_alert(scene)
    block, head = await node.expect(Block), await node.expect(TreeHead)
    assert head.checkpoint == block.checkpoint


async def test_a_round_that_is_not_due_waits_for_its_time_and_needs_no_alert(scene: Scene) -> None:
    node, exchange = await scene.node("sg-cnb"), scene.hub.exchange
    before = exchange.witnessing.newest
    scene.hub.publication._round_at = asyncio.get_running_loop().time() + 1_000
    await log_an_alert(scene)
    await node.expect(Block)
    assert exchange.witnessing.newest is before
    scene.hub.publication._round_at = asyncio.get_running_loop().time()
    exchange.stirred.set()
    await node.expect(TreeHead)


async def test_a_node_that_does_not_cosign_is_asked_again_and_harms_nobody(scene: Scene) -> None:
    await scene.node("hk-customs", cosigns=False)
    await scene.node("sg-cnb")
    witnessing = scene.hub.exchange.witnessing
    await until_async(lambda: witnessing.missing(witnessing.newest) == ("au-abf", "hk-customs"))
    await until_async(lambda: (scene.sample("quorum_missing_seconds") or 0) > 1, what="the alarm")
    assert (await scene.get("witnessed"))[0] == 404
    await scene.node("au-abf")
    await until_async(lambda: scene.hub.publication.witnessed() is not None)


async def test_lines_under_another_agencys_key_do_not_count(scene: Scene) -> None:
    node = await scene.node("hk-customs", signs_as="sg-cnb")
    sample = scene.hub.exchange.metrics.registry.get_sample_value
    code = {"code": "checkpoint-untrusted"}
    await until_async(lambda: sample("crossbearing_cosignatures_refused_total", code))
    assert not node.socket.closed
    assert scene.hub.exchange.witnessing.cosigners(scene.hub.exchange.witnessing.newest) == ()


async def test_a_node_that_says_fork_is_an_alarm_with_evidence(scene: Scene) -> None:
    node = await scene.node("hk-customs")
    await node.send(Bye("fork", "the checkpoint of size 9 does not continue the one of size 5"))
    await until_async(lambda: scene.sample("witness_conflicts_total"))
    await until_async(lambda: list((scene.folder / "hub" / "evidence").glob("witness-hk-customs-*/head.checkpoint")))


async def test_a_node_that_holds_another_history_is_an_alarm_with_evidence(scene: Scene) -> None:
    async with connect(scene.world, "hk-customs", scene.hub.server.address, scene.folder) as client:
        client.held = replace(client.held, size=3, root=b"f" * 32)
        with pytest.raises(HubClosedError, match="fork"):
            await client.hello()
    (case,) = (scene.folder / "hub" / "evidence").iterdir()
    assert (case / "hello").read_text() == f"hk-customs\n3\n{(b'f' * 32).hex()}\n"
