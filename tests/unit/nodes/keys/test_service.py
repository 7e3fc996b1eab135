from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes.identity import Identity
from nodes.keys import service as service_module
from nodes.keys.publication import Publications
from nodes.keys.renewal import RenewingLink
from nodes.keys.request import draft_request, sign_request
from nodes.keys.rotation import rotated
from nodes.keys.service import KeyService
from nodes.keys.watch import KeyWatch
from nodes.keystore import Seeds, fresh_seeds, with_fresh, write_keystore
from nodes.store.directory import DirectoryRow
from schemas.errors import (
    DirectoryConflict,
    DirectoryThreshold,
    NotPinned,
    Quota,
    UnknownKey,
    Unreachable,
    WrongPassphrase,
    WrongSender,
    WrongState,
)
from schemas.example import example_seed
from schemas.ids import sha256
from schemas.log.entry import DirectoryEntry, encode_entry
from schemas.session.frames import Publish, ResultItem
from tests.support.certificates import ME, Hub, installed
from tests.support.directory import NOW, World, make_world
from tests.support.edge import EdgeNode, edge_node
from tests.support.envelope import counting_random

PASSPHRASE = b"open sesame"
ADMINISTRATOR = example_seed(ME, "administrator-1")


class Desk:
    """A node's key service with a session whose hub the test plays."""

    def __init__(self, node: EdgeNode, link: RenewingLink) -> None:
        self.node = node
        self.random = counting_random("desk")
        seeds = fresh_seeds(ME, self.random)
        self.seeds = replace(seeds, signing=(example_seed(ME, "signing"),), sealing=(example_seed(ME, "sealing"),))
        self.publications = Publications()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.reconnects = 0
        self.watch = KeyWatch(node.store, node.standing, node.clock, renewal=link, reconnect=self._reconnect)
        self.link = link
        self.identity = Identity(self.seeds)
        self.service = KeyService(
            config=node.config,
            store=node.store,
            standing=node.standing,
            identity=self.identity,
            seeds=self.seeds,
            publications=self.publications,
            watch=self.watch,
            renewal=link,
            clock=node.clock,
        )

    def _reconnect(self) -> None:
        self.reconnects += 1

    async def stage(self, *kinds: str) -> Seeds:
        """New keys in the keystore, taken in."""
        self.seeds = with_fresh(self.seeds, kinds, self.random)
        write_keystore(self.node.config.keystore, self.seeds, PASSPHRASE, self.random)
        await self.service.reload(PASSPHRASE)
        return self.seeds

    def document(self, *kinds: Any, version: int = 2, signed: bool = True) -> bytes:
        """The next key document, of what the service holds."""
        world = self.node.world
        changed = rotated(world.keys[ME], kinds, self.service._held(), now=NOW)
        draft = draft_request(changed, version=version, expires=NOW + 10**10)
        return sign_request(draft.bundle, ADMINISTRATOR).bundle if signed else draft.bundle

    async def enter(self, bundle: bytes, version: int = 2) -> int:
        """The hub logs it, and the node takes the new directory in; its index."""
        standing = self.node.standing
        index = len(self.node.log.leaves)
        entry = DirectoryEntry(NOW, standing.version + 1, ME, version, sha256(bundle), len(bundle))
        self.node.log.append(entry)
        standing.history.accept(index, entry, bundle, trusted_root=standing.trusted_root)
        row = DirectoryRow(standing.version, index, encode_entry(entry), bundle)
        await self.node.store.write(lambda tables: tables.directory.add(row))
        return index

    async def answered(self, *, code: str = "") -> Publish:
        """Play the hub for one publication."""
        frame: Publish = await self.sent.get()
        ref = sha256(frame.bundle)[:16]
        if code:
            self.publications.settle(ResultItem(ref, False, 0, code, "refused", ""))
        else:
            index = await self.enter(frame.bundle, frame.version)
            self.publications.settle(ResultItem(ref, True, index, "", "", ""))
        return frame


@pytest.fixture
def world() -> World:
    return make_world()


@asynccontextmanager
async def connected(desk: Desk) -> AsyncIterator[None]:
    session = asyncio.ensure_future(desk.publications.run(desk.sent.put))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        session.cancel()
        await asyncio.gather(session, return_exceptions=True)
        desk.publications.fail()


@pytest.fixture
async def desk(tmp_path: Path, world: World, link: RenewingLink) -> AsyncIterator[Desk]:
    home = tmp_path / "home"
    home.mkdir()
    async with edge_node(home, world=world) as node:
        yield Desk(node, link)


def states(view: dict[str, Any], kind: str) -> list[tuple[str, bool]]:
    return [(key["state"], key["held"]) for key in view["keys"] if key["kind"] == kind]


async def test_the_view_shows_what_is_listed_and_what_is_held(desk: Desk) -> None:
    await desk.stage("sealing")
    view = await desk.service.view()
    assert (view["agency"], view["version"], view["dropped"]) == (ME, 1, None)
    assert view["administrators"]["threshold"] == 1
    assert len(view["administrators"]["names"]) == 2
    assert states(view, "signing") == [("in use", True)]
    assert states(view, "sealing") == [("in use", True), ("not published", True)]
    assert states(view, "tls") == [("in use", True)]
    assert states(view, "witness") == [("not published", True)] * 2
    assert view["certificate"] == {"state": "in use", "problem": None}


async def test_a_node_that_never_met_the_hub_shows_what_it_holds(tmp_path: Path, link: RenewingLink) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with edge_node(home, directory=False) as node:
        view = await Desk(node, link).service.view()
    assert (view["version"], view["document"], view["administrators"]) == (0, None, None)
    assert states(view, "signing") == [("not published", True)]


async def test_new_keys_are_used_once_they_are_published(desk: Desk) -> None:
    before = desk.identity.signing_key(desk.node.standing.directory, NOW)
    await desk.stage("signing", "sealing")
    assert len(desk.identity.sealing_keys) == 2
    assert desk.identity.signing_key(desk.node.standing.directory, NOW).public == before.public
    async with connected(desk):
        asking = asyncio.ensure_future(desk.service.publish(desk.document("signing", "sealing")))
        await desk.answered()
        assert await asking == {"index": 5, "version": 2, "directory": 6}
    assert desk.identity.signing_key(desk.node.standing.directory, NOW).public != before.public
    view = await desk.service.view()
    assert states(view, "sealing") == [("overlap", True), ("in use", True)]


async def test_what_is_in_force_is_not_published_again(desk: Desk) -> None:
    await desk.stage("sealing")
    bundle = desk.document("sealing")
    await desk.enter(bundle)
    assert await desk.service.publish(bundle) == {"index": None, "version": 2, "directory": 6}


async def test_a_document_that_does_not_come_back_is_accepted_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "PATIENCE", 0.0)
    await desk.stage("sealing")
    async with connected(desk):
        asking = asyncio.ensure_future(desk.service.publish(desk.document("sealing")))
        frame = await desk.sent.get()
        desk.publications.settle(ResultItem(sha256(frame.bundle)[:16], True, 9, "", "", ""))
        assert (await asking)["directory"] is None


async def test_the_hubs_refusal_is_the_answer(desk: Desk) -> None:
    await desk.stage("sealing")
    async with connected(desk):
        asking = asyncio.ensure_future(desk.service.publish(desk.document("sealing")))
        await desk.answered(code="quota")
        with pytest.raises(Quota):
            await asking


async def test_without_a_connection_nothing_is_published(desk: Desk) -> None:
    await desk.stage("sealing")
    with pytest.raises(Unreachable):
        await desk.service.publish(desk.document("sealing"))


async def test_what_the_hub_would_refuse_is_refused_here(desk: Desk, world: World) -> None:
    await desk.stage("sealing")
    with pytest.raises(DirectoryThreshold):
        await desk.service.publish(desk.document("sealing", signed=False))
    with pytest.raises(DirectoryConflict):
        await desk.service.publish(desk.document("sealing", version=1))
    with pytest.raises(WrongSender):
        await desk.service.publish(world.bundle("hk-customs").bundle)


async def test_a_key_that_is_not_taken_in_yet_is_not_published(desk: Desk) -> None:
    later = with_fresh(desk.seeds, ["sealing"], desk.random)
    document = desk.document("sealing")
    held, desk.service._seeds = desk.service._seeds, later
    ahead = desk.document("sealing")
    desk.service._seeds = held
    with pytest.raises(UnknownKey, match="not held by this node"):
        await desk.service.publish(ahead)
    assert document != ahead


async def test_only_its_own_keystore_is_taken_in(desk: Desk) -> None:
    path = desk.node.config.keystore
    write_keystore(path, fresh_seeds(ME, counting_random("other")), PASSPHRASE, desk.random)
    with pytest.raises(WrongState, match="another keystore"):
        await desk.service.reload(PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        await desk.service.reload(b"sesame")


async def test_a_certificate_is_taken_up_when_asked(desk: Desk, listed: set[bytes]) -> None:
    listed.add(installed(desk.link.files))
    task = asyncio.ensure_future(desk.service.renew())
    await asyncio.sleep(0)
    await desk.link.connect()
    assert await task == {"state": "in use", "problem": None}


async def test_a_certificate_that_the_hub_refuses_is_said(desk: Desk, hub: Hub, listed: set[bytes]) -> None:
    listed.add(installed(desk.link.files))
    hub.refuses["next.key"] = NotPinned("the hub refuses this certificate")
    task = asyncio.ensure_future(desk.service.renew())
    await asyncio.sleep(0)
    await desk.link.connect()
    with pytest.raises(NotPinned):
        await task
    assert (await desk.service.view())["certificate"] == {
        "state": "waits for the hub",
        "problem": "the hub refuses this certificate",
    }


async def test_a_certificate_that_is_not_listed_waits(desk: Desk) -> None:
    installed(desk.link.files)
    assert (await desk.service.renew())["state"] == "waits to be listed"
    desk.link.files.next_certificate.unlink()
    assert (await desk.service.view())["certificate"]["state"] == "waits for the authority"
